"""A viewer that watches for long, and what it has missed since when."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
import json
import sys
from typing import Any

from .camera import CLIPS
from .clip import FRAMES, make_clip
from .echo import Echo


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What did not come to a viewer as it should have.

    pictures: gaps between numbered pictures, or pictures that were not whole.
    packets: what the network of this machine has lost. skipped: jumps of the sender's
    timestamps. stalled_ms: the longest time without a picture.
    """

    pictures: list[str] = field(default_factory=list)
    packets: int = 0
    skipped: int = 0
    stalled_ms: float = 0.0
    seen: int = 0

    @property
    def disturbed(self) -> bool:
        """Whether the sender has left something out.

        A busy machine may drop datagrams between the two, which costs pictures that
        were sent; the sequence numbers then say so.
        """
        return bool(self.skipped or (self.pictures and not self.packets))


class Watcher(Echo):
    """An Echo in its own process that reports each picture."""

    def __init__(self, *, camera: int = 1) -> None:
        super().__init__()
        # It is there since the camera is.
        clip = make_clip(CLIPS, camera=camera)
        module = "tests.e2e.harness.watch_process"
        self.command = [sys.executable, "-m", module, str(clip)]
        self._events: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()
        self.watch(self._note)

    def _note(self, line: str) -> None:
        if line.startswith('{"event": '):
            event = json.loads(line)
            if event["event"] in ("picture", "lost", "skipped", "ended", "state"):
                self._events.append(event)
                self._arrived.set()

    @property
    def ended(self) -> bool:
        """Tell whether the view is over."""
        return any(
            event["event"] == "ended"
            or (event["event"] == "state" and event["state"] in ("failed", "closed"))
            for event in self._events
        )

    async def over(self, *, timeout: float = 30) -> None:
        """Wait until the view is over by the other side's doing."""
        async with asyncio.timeout(timeout):
            while not self.ended:
                self._arrived.clear()
                await self._arrived.wait()

    def mark(self) -> int:
        """Return a point in time, to ask later what was missed since."""
        return len(self._events)

    async def see(self, count: int = 25, *, timeout: float = 30) -> None:
        """Wait until so many more pictures have come."""
        start = self.mark()
        async with asyncio.timeout(timeout):
            while len(self._pictures(start)) < count:
                assert not self.ended, "the view has ended"
                self._arrived.clear()
                await self._arrived.wait()

    def missed(self, since: int) -> Missed:
        """Return what was missed since a mark."""
        pictures = self._pictures(since)
        gaps: list[str] = []
        stalled = 0.0
        for earlier, later in pairwise(pictures):
            stalled = max(stalled, later["ms"] - earlier["ms"])
            if later["number"] is None:
                gaps.append(f"after {earlier['number']}: not whole")
            elif earlier["number"] is not None:
                step = (later["number"] - earlier["number"]) % FRAMES
                if step != 1:
                    gaps.append(f"{earlier['number']} -> {later['number']}")
        events = self._events[since:]
        return Missed(
            pictures=gaps,
            packets=sum(e["packets"] for e in events if e["event"] == "lost"),
            skipped=sum(e["event"] == "skipped" for e in events),
            stalled_ms=round(stalled, 1),
            seen=len(pictures),
        )

    def _pictures(self, since: int) -> list[dict[str, Any]]:
        return [event for event in self._events[since:] if event["event"] == "picture"]
