"""A viewer's video: the feed's pictures, as aiortc takes them."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
import av

from .feed import Subscription, SubscriptionEndedError
from .reader import CLOCK_RATE

_TIME_BASE = Fraction(1, CLOCK_RATE)
# Pictures that have waited, as those that a joining viewer gets first, leave no faster
# than this, in bits per second: one burst of them overflows the sockets on the way.
_PACING_RATE = 25_000_000
# In seconds; less than between two pictures of any live stream, which so never lags.
_LONGEST_PAUSE = 0.012


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
        self._next_at = 0.0

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
        self._handed_out = True
        pause = min(8 * len(unit.data) / _PACING_RATE, _LONGEST_PAUSE)
        self._next_at = asyncio.get_running_loop().time() + pause
        return packet

    async def _pace(self) -> None:
        """Wait until the last picture may have left the machine, if another waits."""
        if not self._subscription.has_waiting:
            return
        pause = self._next_at - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)
