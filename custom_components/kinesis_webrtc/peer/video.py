"""A viewer's video: the feed's pictures, as aiortc takes them."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
import av

from .h264 import AccessUnit
from .subscription import Subscription, SubscriptionEndedError
from .timeline import CLOCK_RATE

_TIME_BASE = Fraction(1, CLOCK_RATE)
# Pictures that have waited, as those that a joining viewer gets first, are sent at this
# multiple of their own speed, and no faster than this many bits per second: one burst of
# them overflows the sockets and the slow uplinks on the way.
_CATCH_UP = 4
_PACING_RATE = 25_000_000
# In seconds; less than between two pictures of any live stream, which so never lags.
_LONGEST_PAUSE = 0.016


class VideoTrack(MediaStreamTrack):
    """The pictures of a subscription, encoded as they came."""

    kind = "video"

    def __init__(
        self, subscription: Subscription, on_key_frame: Callable[[], None]
    ) -> None:
        """Tell of the first key picture once it has been sent."""
        super().__init__()
        self._subscription = subscription
        self._on_key_frame: Callable[[], None] | None = on_key_frame
        self._handed_out = False
        self._last: AccessUnit | None = None
        self._last_at = 0.0

    @override
    async def recv(self) -> av.Packet[Any]:
        """Return the next picture; aiortc has sent one when it asks for another."""
        if self._handed_out and self._on_key_frame is not None:
            self._on_key_frame()
            self._on_key_frame = None
        await self._pace()
        try:
            unit = await self._subscription.next()
        except SubscriptionEndedError:
            raise MediaStreamError from None
        packet = av.Packet(unit.data)
        packet.pts = unit.timestamp
        packet.time_base = _TIME_BASE
        self._handed_out = self._handed_out or not unit.is_stand_in
        self._last, self._last_at = unit, asyncio.get_running_loop().time()
        return packet

    async def _pace(self) -> None:
        """Wait until the last picture may have left the machine, if another waits."""
        last, waiting = self._last, self._subscription.waiting
        if last is None or waiting is None:
            return
        pause = max(
            (waiting.timestamp - last.timestamp) / CLOCK_RATE / _CATCH_UP,
            8 * len(last.data) / _PACING_RATE,
        )
        passed = asyncio.get_running_loop().time() - self._last_at
        if (left := min(pause, _LONGEST_PAUSE) - passed) > 0:
            await asyncio.sleep(left)
