"""A viewer's video: the feed's pictures, as aiortc takes them."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, override

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
import av

from .feed import Subscription, SubscriptionEndedError
from .reader import CLOCK_RATE

_TIME_BASE = Fraction(1, CLOCK_RATE)


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

    @override
    async def recv(self) -> av.Packet[Any]:
        """Return the next picture; aiortc has sent one when it asks for another."""
        if self._handed_out and self._on_key_frame is not None:
            self._on_key_frame()
            self._on_key_frame = None
        try:
            unit = await self._subscription.next()
        except SubscriptionEndedError:
            raise MediaStreamError from None
        packet = av.Packet(unit.data)
        packet.pts = unit.timestamp
        packet.time_base = _TIME_BASE
        self._handed_out = True
        return packet
