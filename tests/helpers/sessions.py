"""Sessions opened and closed in all the ways in which they end, and what they leave."""

import asyncio
from collections import Counter
import contextlib
import ctypes
import gc
from pathlib import Path
import sys
import time

from aiortc import RTCPeerConnection

from custom_components.kinesis_webrtc.peer import (
    Ended,
    EndReason,
    MasterPeer,
    OfferRefused,
    SessionEvent,
)
from custom_components.kinesis_webrtc.peer.gathering import Gathering
from custom_components.kinesis_webrtc.peer.rtp_stream import RtpStream
from custom_components.kinesis_webrtc.peer.session import PeerSession
from custom_components.kinesis_webrtc.peer.shrink import Shrinker
from tests.helpers.crowd import Crowd
from tests.helpers.servers import Server

# Sessions that are begun at the same time.
_AT_ONCE = 8
# Sessions that have still to end, as those whose viewer has vanished. Memory that many at
# a time have taken is given back in part alone, as it is in pieces.
WAITING = 12
# Of each of these a session has one, or some.
_WATCHED = (PeerSession, RTCPeerConnection, RtpStream, Gathering, Shrinker)


class Sessions:
    """Opens sessions with one master, and waits until they have ended."""

    def __init__(
        self,
        master: MasterPeer,
        crowd: Crowd,
        servers: list[Server],
        *,
        without_camera: MasterPeer,
    ) -> None:
        """Prepare; `servers` is what a third of the sessions gets.

        `without_camera` is one whose camera gives nothing, and whose viewers do not wait
        for long.
        """
        self._master = master
        self._without_camera = without_camera
        self._crowd = crowd
        self._servers = servers
        self._opened = 0
        self._waiting = asyncio.Semaphore(WAITING)
        self._lost: dict[str, float] = {}
        self._ended: dict[str, asyncio.Future[Ended]] = {}
        self.ends: Counter[str] = Counter()
        self.slowest_loss = 0.0
        """Seconds from a viewer's vanishing to its session's end, at the most."""
        self._ways = (
            self._closed_by_viewer,
            self._ended_here,
            self._replaced,
            self._never_connected,
            self._refused,
            self._given_up,
            self._vanished,
            self._trickled,
            self._relayed,
            self._camera_gone,
        )

    def note(self, event: SessionEvent) -> None:
        """Take the master's events."""
        if not isinstance(event, Ended):
            return
        self.ends[event.reason] += 1
        waiter = self._ended.get(event.viewer_id)
        if event.reason is not EndReason.REPLACED and waiter and not waiter.done():
            waiter.set_result(event)

    async def run(self, count: int) -> None:
        """Open and close so many, one way after the other."""
        turn = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                await turn.acquire()
                number, self._opened = self._opened, self._opened + 1
                tasks.create_task(self._one(number, turn))

    async def _one(self, number: int, turn: asyncio.Semaphore) -> None:
        name = f"viewer {number}"
        kind = "echo" if number // len(self._ways) % 2 else "browser"
        servers = self._servers if number % 3 == 0 else []
        loop = asyncio.get_running_loop()
        ended = self._ended[name] = loop.create_future()
        try:
            waits = await self._ways[number % len(self._ways)](name, kind, servers)
            await self._waiting.acquire()
        finally:
            turn.release()
        try:
            if waits:
                async with asyncio.timeout(60):
                    event = await ended
                if event.reason is EndReason.VIEWER_LOST:
                    took = time.monotonic() - self._lost.pop(name)
                    self.slowest_loss = max(self.slowest_loss, took)
        finally:
            self._waiting.release()
        del self._ended[name]
        # What is over holds on to itself until the next collection. How many sessions
        # that are is up to chance, and so is how many pieces memory is left in.
        if not number % _AT_ONCE:
            gc.collect()

    async def _watch(self, name: str, kind: str, servers: list[Server]) -> None:
        offer = await self._crowd.offer(name, kind)
        answer = await self._master.answer(name, offer, servers)
        await self._crowd.accept(name, answer)

    async def _closed_by_viewer(
        self, name: str, kind: str, servers: list[Server]
    ) -> bool:
        await self._watch(name, kind, servers)
        await self._crowd.close(name)
        return True

    async def _ended_here(self, name: str, kind: str, servers: list[Server]) -> bool:
        await self._watch(name, kind, servers)
        await self._master.close(name)
        await self._crowd.close(name)
        return True

    async def _replaced(self, name: str, kind: str, servers: list[Server]) -> bool:
        await self._watch(name, kind, servers)
        second = f"{name} again"
        offer = await self._crowd.offer(second, kind)
        answer = await self._master.answer(name, offer, servers)
        await self._crowd.accept(second, answer)
        await self._crowd.close(name)
        await self._crowd.close(second)
        return True

    async def _never_connected(
        self, name: str, kind: str, servers: list[Server]
    ) -> bool:
        offer = await self._crowd.offer(name, kind)
        await self._crowd.close(name)
        await self._master.answer(name, offer, servers)
        return True

    async def _refused(self, name: str, kind: str, servers: list[Server]) -> bool:
        offer = await self._crowd.offer(name, kind)
        await self._crowd.close(name)
        with contextlib.suppress(OfferRefused):
            await self._master.answer(name, offer.replace("H264", "H266"), servers)
            raise AssertionError("no refusal")
        return False

    async def _given_up(self, name: str, kind: str, servers: list[Server]) -> bool:
        offer = await self._crowd.offer(name, kind)
        await self._crowd.close(name)
        answer = asyncio.create_task(self._master.answer(name, offer, servers))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answer
        return False

    async def _trickled(self, name: str, _kind: str, servers: list[Server]) -> bool:
        offer = await self._crowd.offer(name, "browser")
        lines = offer.splitlines(keepends=True)
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        lines = [line for line in lines if "candidate" not in line]
        lines.insert(4, "a=ice-options:trickle\r\n")
        # The first comes before its offer.
        await self._master.add_candidate(name, candidates[0][2:])
        answer = await self._master.answer(name, "".join(lines), servers)
        accepting = asyncio.create_task(self._crowd.accept(name, answer))
        for each in candidates[1:]:
            await self._master.add_candidate(name, each[2:])
        await accepting
        await self._crowd.close(name)
        return True

    async def _relayed(self, name: str, kind: str, _servers: list[Server]) -> bool:
        await self._watch(name, "relayed" if self._servers else kind, self._servers)
        await self._crowd.close(name)
        return True

    async def _camera_gone(self, name: str, kind: str, servers: list[Server]) -> bool:
        offer = await self._crowd.offer(name, kind)
        try:
            await self._without_camera.answer(name, offer, servers)
        except OfferRefused:
            # It was told of the camera before it was ready.
            return False
        finally:
            await self._crowd.close(name)
        return True

    async def _vanished(self, name: str, kind: str, servers: list[Server]) -> bool:
        await self._watch(name, kind, servers)
        self._lost[name] = time.monotonic()
        await self._crowd.vanish(name)
        return True


def taken() -> dict[str, float]:
    """Return what this process has: memory in MB, descriptors, threads."""
    for _ in range(3):
        gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
        "fds": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(status["Threads"]),
        "blocks": sys.getallocatedblocks(),
    }


async def settled(*masters: MasterPeer) -> dict[str, float]:
    """Return what this process has once goodbyes are said and the cameras are closed.

    Nobody may watch any more.
    """
    for master in masters:
        feed = master.feed
        async with asyncio.timeout(60):
            while pending := {*master._cleanups, *filter(None, [feed._task])}:
                await asyncio.wait(pending)
            if (thread := feed.fanout._thread) is not None:
                await asyncio.to_thread(thread.join)
            # What encoded for some of them ends by itself.
            await asyncio.to_thread(feed.small.close)
    return taken()


def alive(kinds: tuple[type, ...] = _WATCHED) -> dict[str, int]:
    """Return how many there are of what each session has one of."""
    gc.collect()
    counts: Counter[str] = Counter()
    for each in gc.get_objects():
        if isinstance(each, kinds):
            counts[type(each).__name__] += 1
    return dict(counts)
