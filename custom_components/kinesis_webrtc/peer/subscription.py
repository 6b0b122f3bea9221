"""One viewer's share of a feed."""

import asyncio
from collections.abc import Callable
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
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> AccessUnit | None:
        """The picture that `next` would return at once, if there is one."""
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
            if (frame := self._cursor.take()) is not None:
                return frame.unit
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

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
