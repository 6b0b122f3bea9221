"""The masters that are compared: the integration in Home Assistant, and its peers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
import json
import os
from pathlib import Path
import sys
from typing import Any, Protocol, override

from tests.e2e.harness.camera import CLIPS, SYSTEM_PYTHON, RtspCamera
from tests.e2e.harness.client import HomeAssistantClient
from tests.e2e.harness.clip import make_clip
from tests.e2e.harness.home_assistant import REPOSITORY
from tests.e2e.harness.process import Process

HERE = Path(__file__).parent
# What most cameras send.
SIZE = (1920, 1080)


class StampingCamera(RtspCamera):
    """The test camera with the time of sending in each picture."""

    @override
    async def start(self) -> None:
        clip = await asyncio.to_thread(make_clip, CLIPS, camera=self.number, size=SIZE)
        self.command = [str(SYSTEM_PYTHON), str(HERE / "media_camera.py"), str(clip)]
        await Process.start(self)


class Viewers(Process):
    """Viewers that count what comes, all in one process."""

    def __init__(self, program: Path) -> None:
        super().__init__([program], name="viewers")
        self._arrived = asyncio.Condition()

    async def order(self, do: str, **fields: object) -> None:
        """Have something done."""
        await self.write(json.dumps({"do": do, **fields}))

    async def event(self, name: str, number: int = 0) -> dict[str, Any]:
        """Return the event of that name, of one viewer where there are several."""
        of_viewer = rf'(?=.*"id":{number}[,}}])' if name in _OF_VIEWERS else ""
        pattern = rf'^(?={{.*"event":"{name}"){of_viewer}(.*)$'
        match = await self.wait_for_line(pattern, timeout=60)
        event: dict[str, Any] = json.loads(match[1])
        return event

    @override
    async def stop(self) -> None:
        # They say goodbye when their input ends.
        if self.running:
            await self.close_input()
            await self.wait()


_OF_VIEWERS = ("offer", "connected")


class Master(Protocol):
    """Something that answers viewers with a camera's pictures."""

    name: str

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    def running(self) -> Any:
        """Run it within a context."""
        ...

    def viewing(self, viewers: Viewers, count: int) -> Any:
        """Answer that many viewers within a context."""
        ...


class Peer:
    """A master of another kind, in a process that takes offers and gives answers."""

    def __init__(self, name: str, command: Sequence[str | Path]) -> None:
        self.name = name
        self._command = command
        self._process: Process

    @property
    def pid(self) -> int:
        """Its process."""
        return pid_of(self._process)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it."""
        async with Process(
            self._command, name=self.name, directory=REPOSITORY
        ) as process:
            self._process = process
            await process.wait_for_line('"event": ?"ready"', timeout=60)
            # Until it has opened the camera.
            await asyncio.sleep(2)
            yield

    @asynccontextmanager
    async def viewing(self, viewers: Viewers, count: int) -> AsyncIterator[None]:
        """Answer that many viewers; they leave by themselves."""
        start = len(self._process.lines)
        for number in range(count):
            offer = await viewers.event("offer", number)
            await viewers.order("offered", id=number)
            await self._process.write(json.dumps({"id": number, "sdp": offer["sdp"]}))
            # Some have the more to do with each viewer the more of them there are.
            match = await self._process.wait_for_line(
                rf'^(?=.*"id": ?{number}[,}}])(.*"answer".*)$', start=start, timeout=60
            )
            answer = json.loads(match[1])
            await viewers.order("answer", id=number, sdp=answer["sdp"])
        yield


class Ours:
    """The integration in a running Home Assistant, viewed as its frontend does."""

    name = "ours"

    def __init__(
        self, *, pid: int, client: HomeAssistantClient, entity_id: str
    ) -> None:
        self.pid = pid
        self.client = client
        self._entity_id = entity_id

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Home Assistant runs all the time."""
        yield

    @asynccontextmanager
    async def viewing(self, viewers: Viewers, count: int) -> AsyncIterator[None]:
        """Answer that many viewers until the end."""
        async with AsyncExitStack() as stack:
            for number in range(count):
                offer = await viewers.event("offer", number)
                await viewers.order("offered", id=number)
                events = await stack.enter_async_context(
                    self.client.subscribe(
                        "camera/webrtc/offer",
                        entity_id=self._entity_id,
                        offer=trickled(offer["sdp"]),
                    )
                )
                answered = asyncio.Event()
                following = asyncio.create_task(
                    self._follow(events, viewers, number, answered.set)
                )
                stack.callback(following.cancel)
                async with asyncio.timeout(20):
                    await answered.wait()
            yield

    @staticmethod
    async def _follow(
        events: asyncio.Queue[dict[str, Any]],
        viewers: Viewers,
        number: int,
        answered: Callable[[], None],
    ) -> None:
        while True:
            match await events.get():
                case {"type": "answer", "answer": answer}:
                    await viewers.order("answer", id=number, sdp=answer)
                    answered()
                case {"type": "candidate", "candidate": candidate}:
                    await viewers.order(
                        "candidate", id=number, candidate=candidate["candidate"]
                    )
                case {"type": "error"} as error:
                    print(f"ours: {error}", flush=True)


def trickled(offer: str) -> str:
    """Return the offer of a viewer that, as the frontend's, waits for no server.

    Else its answer would have to be complete, which here no server helps to be.
    """
    return offer.replace("\r\nm=", "\r\na=ice-options:trickle\r\nm=", 1)


def pid_of(process: Process) -> int:
    """Return a process's id."""
    assert process._process is not None  # noqa: SLF001
    return process._process.pid  # noqa: SLF001


def peers(url: str, pion: Path | None) -> list[Peer]:
    """Return the peers that this machine has."""
    found = [
        Peer("aiortc", [sys.executable, "-m", "scripts.benchmarks.media_aiortc", url]),
        Peer("gstreamer", [SYSTEM_PYTHON, HERE / "media_gstreamer.py", url]),
    ]
    return found if pion is None else [Peer("pion", [pion, url]), *found]


def cpu_time(pid: int) -> float:
    """Return the CPU time (s) of a process and its children."""
    content = Path(f"/proc/{pid}/stat").read_text()
    # The name, in parentheses, may hold blanks.
    fields = content.rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_time, _children(pid)))


def resident_mb(pid: int) -> float:
    """Return the memory (MB) that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
