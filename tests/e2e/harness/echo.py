"""An Echo, driven from the test: offer, answer, what it saw and heard."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import sys
from typing import Any, override

from .echo_offer import Era
from .home_assistant import REPOSITORY
from .process import Process


@dataclass(frozen=True, slots=True)
class Pair:
    """A selected candidate pair: the types and addresses of its two ends."""

    local_type: str
    local_address: str
    remote_type: str
    remote_address: str


@dataclass(frozen=True, slots=True)
class Frames:
    """What was decoded: each frame's number, or None where it could not be read."""

    numbers: list[int | None]
    cameras: list[int]
    width: int
    height: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A second of sound; `lags_ms` is how late its beeps were to their pictures."""

    loudness: float
    pitch: float | None
    lags_ms: list[float]


class Echo(Process):
    """An Echo in its own process, in a network namespace where that is asked for."""

    def __init__(
        self,
        *,
        era: Era = Era.Y2023,
        frames: int = 60,
        picture: Path | None = None,
        listen: bool = False,
        microphone: bool = False,
        prefix: Sequence[str | Path] = (),
    ) -> None:
        self.offer: str
        command = [sys.executable, "-m", "tests.e2e.harness.echo_process"]
        command += [f"--era={era}", f"--frames={frames}"]
        if picture:
            command += [f"--picture={picture}"]
        if listen:
            command.append("--listen")
        if microphone:
            command.append("--microphone")
        super().__init__([*prefix, *command], name="echo", directory=REPOSITORY)

    @override
    async def get_ready(self) -> None:
        self.offer = (await self._event("offer"))["sdp"]

    async def _event(self, name: str, *, timeout: float = 30) -> dict[str, Any]:
        match = await self.wait_for_line(
            rf'^(\{{"event": "{name}".*)$', timeout=timeout
        )
        event: dict[str, Any] = json.loads(match[1])
        return event

    async def apply(self, answer: str) -> None:
        """Apply an answer."""
        await self.write(json.dumps({"answer": answer}))

    async def say(self, pitch: float | None) -> None:
        """Say a tone of so many Hz into the microphone from now on, or nothing."""
        await self.write(json.dumps({"say": pitch}))

    async def connected(self, *, timeout: float = 15) -> Pair:
        """Return the selected pair, as soon as there is one."""
        event = await self._event("connected", timeout=timeout)
        return Pair(*event["local"], *event["remote"])

    async def first_frame_ms(self, *, timeout: float = 20) -> float:
        """Return the time from the offer to the first decoded frame, in ms."""
        event = await self._event("first_frame", timeout=timeout)
        return float(event["ms"])

    async def frames(self, *, timeout: float = 30) -> Frames:
        """Return the frames, as soon as there are as many as wanted."""
        event = await self._event("frames", timeout=timeout)
        width, height = event["size"]
        return Frames(
            event["numbers"], event["cameras"], width, height, event["damaged"]
        )

    async def hears(
        self, condition: Callable[[Heard], bool], *, timeout: float = 30
    ) -> Heard:
        """Return the first second of sound, from now on, that is as wanted."""
        start = len(self.lines)
        # The second that has begun already may be half of what was before.
        is_whole = False
        try:
            async with asyncio.timeout(timeout):
                while True:
                    match = await self.wait_for_line(
                        r'^\{"event": "heard", (.*)$', timeout=timeout, start=start
                    )
                    start = self.lines.index(match.string, start) + 1
                    heard = Heard(**json.loads(f"{{{match[1]}"))
                    if is_whole and condition(heard):
                        return heard
                    is_whole = True
        except TimeoutError:
            raise self.failure("did not hear what was wanted") from None

    async def hang_up(self) -> None:
        """Close the connection as an Echo does: DTLS close, then silence."""
        await self.close_input()
        await self._event("closed")
        await self.wait()
