"""One viewer's share of a feed."""

import asyncio
from collections.abc import Callable
import threading
from typing import Protocol

from .events import EndReason
from .h264 import AccessUnit
from .ring import Cursor, Ring

type EndCallback = Callable[[EndReason, str | None], None]


class SubscriptionEndedError(Exception):
    """There will be no more pictures."""


class Feed(Protocol):
    """What a subscription is to."""

    ring: Ring

    def listen(self, subscription: Subscription, /) -> None:
        """Wake a subscription at each picture from now on."""

    def unsubscribe(self, subscription: Subscription, /) -> None:
        """Let it go."""


class Subscription:
    """One viewer's share of a feed."""

    def __init__(
        self,
        feed: Feed,
        on_end: EndCallback,
        backlog: int,
        *,
        live_only: bool = False,
    ) -> None:
        """Hold the feed open; pictures are kept from the first `next` on."""
        self._feed = feed
        self._on_end = on_end
        self._cursor = Cursor(feed.ring, backlog, live_only=live_only)
        self._lock = threading.Lock()
        self._has_begun = False
        self._closed = False
        self.may_return = True
        """Whether the camera is to stay open for a moment after this viewer."""
        self.has_seen_live = False
        """Whether the camera's stream has broken off since this one is there."""
        self._waiter: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> AccessUnit | None:
        """The picture that `next` would return at once, if there is one."""
        with self._lock:
            frame = self._cursor.peek()
        return frame.unit if frame is not None else None

    @property
    def dropped(self) -> int:
        """How many pictures this viewer was too slow for."""
        return self._cursor.dropped

    async def next(self) -> AccessUnit:
        """Return the next picture; the first one is a key picture.

        Raises SubscriptionEndedError. For one caller at a time.
        """
        self._feed.listen(self)
        while True:
            if self._closed:
                raise SubscriptionEndedError
            with self._lock:
                frame = self._cursor.take()
            if frame is not None:
                self._has_begun = True
                return frame.unit
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def switch(self, ring: Ring, not_before: int = 0) -> None:
        """Go on with another ring, from its picture of this number on.

        For any thread.
        """
        # What is there already would take time back for a viewer that has seen some.
        begin = max(not_before, ring.end) if self._has_begun else not_before
        with self._lock:
            self._cursor.move(ring, begin)

    def wake(self) -> None:
        """Look for pictures again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, reason: EndReason, detail: str | None) -> None:
        """Tell the session that the camera has no more."""
        self._on_end(reason, detail)

    def close(self) -> None:
        """Leave the feed."""
        if self._closed:
            return
        self._closed = True
        self._feed.unsubscribe(self)
        self.wake()
