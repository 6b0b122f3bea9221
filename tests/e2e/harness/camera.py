"""The RTSP camera as a process."""

import asyncio
import json
from pathlib import Path
from typing import Literal, override

from .clip import (
    FRAME_RATE,
    FRAMES,
    KEY_FRAME_INTERVAL,
    SIZE,
    Codec,
    make_clip,
)
from .home_assistant import REPOSITORY
from .process import Process

# GStreamer's bindings are a package of the system, for the system's Python.
SYSTEM_PYTHON = Path("/usr/bin/python3")
CLIPS = REPOSITORY / ".dev" / "clips"
# As rtsp_server.py beeps: at this pitch, from each frame on whose number it divides.
PITCH = 440
BEEP_EVERY = 25

type Sound = Literal["aac", "opus", "pcmu", "pcma"]


class RtspCamera(Process):
    """A camera whose frames say who and which they are.

    With sound it beeps as rtsp_server.py says. It can be started again where it was if
    it was given a port. Its stream takes `opens_in` seconds to open.
    """

    def __init__(
        self,
        *,
        number: int = 1,
        host: str = "127.0.0.1",
        codec: Codec = "h264",
        size: tuple[int, int] = SIZE,
        sound: Sound | None = None,
        port: int = 0,
        opens_in: float = 0.0,
        key_frame_interval: int = KEY_FRAME_INTERVAL,
    ) -> None:
        self.number = number
        self._codec: Codec = codec
        self._size = size
        self._sound = sound
        self._port = port
        self._opens_in = opens_in
        self._key_frame_interval = key_frame_interval
        self.url: str
        self._host = host
        super().__init__([], name=f"camera-{number}")

    @override
    async def start(self) -> None:
        clip = await asyncio.to_thread(
            make_clip,
            CLIPS,
            camera=self.number,
            codec=self._codec,
            key_frame_interval=self._key_frame_interval,
            size=self._size,
        )
        server = Path(__file__).with_name("rtsp_server.py")
        self.command = [
            str(SYSTEM_PYTHON),
            str(server),
            str(clip),
            "--host",
            self._host,
            "--codec",
            self._codec,
            "--port",
            str(self._port),
            "--opens-in",
            str(self._opens_in),
            *(["--sound", self._sound] if self._sound else []),
        ]
        await super().start()

    @override
    async def get_ready(self) -> None:
        ready = await self.wait_for_line(r'^(\{"event": "ready".*)$')
        self.url = json.loads(ready[1])["url"]

    async def mute(self, *, muted: bool = True) -> None:
        """Have it send no sound, or sound again."""
        await self.write("mute" if muted else "unmute")

    @property
    def events(self) -> list[dict[str, object]]:
        """Return what the server has told: play and teardown, with who still plays."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    @property
    def playing(self) -> int:
        """Return how many clients play now."""
        told = (
            event["playing"] for event in reversed(self.events) if "playing" in event
        )
        playing = next(told, 0)
        assert isinstance(playing, int)
        return playing

    def age(self, frame: int, at: float) -> float:
        """Return how many seconds before a monotonic time a frame was sent.

        The clip starts over and over: it is the last one with that number.
        """
        start = next(e["at"] for e in reversed(self.events) if e["event"] == "start")
        assert isinstance(start, float)
        return (at - start - frame / FRAME_RATE) % (FRAMES / FRAME_RATE)

    async def wait_until_idle(self, *, timeout: float = 30) -> None:
        """Wait until nobody plays."""
        if self.playing:
            await self.wait_for_line(
                r'"teardown", "playing": 0', timeout=timeout, start=len(self.lines) - 1
            )
