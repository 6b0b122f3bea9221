"""Gives one viewer what it can take, by what it reports of what it gets."""

from collections.abc import Callable, Coroutine
import logging
import time
from typing import Any

from .congestion import Congestion
from .equipment import Equipment
from .events import EndReason, KeyFrameSent
from .feed import CameraFeed
from .media_stream import MediaStream
from .offer import Offer
from .rtp_stream import RtpStream
from .subscription import Subscription, SubscriptionEndedError
from .timeline import CLOCK_RATE
from .undecodable import Undecodable

_LOGGER = logging.getLogger(__name__)


class Care:
    """One viewer's; nobody else's pictures change. For the event loop."""

    def __init__(
        self,
        equipment: Equipment,
        offer: Offer,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Prepare for the viewer of an offer; `start` runs what takes its time."""
        feed, small_feed = equipment.feed, equipment.small_feed
        self._stream: RtpStream | None = None
        self._feed = small_feed if offer.is_echo else feed
        self._relief = small_feed if small_feed is not self._feed else None
        self._is_small = offer.is_echo
        self._start = start
        self._congestion = Congestion()
        self._undecodable = Undecodable()
        self._subscription: Subscription | None = None
        self._has_moved = False
        self._congested_at = 0.0
        self._congested = 0.0
        self._is_closed = False
        self.is_encoded = False
        """Whether the pictures were encoded anew since it could not show them."""

    @property
    def is_congested(self) -> bool:
        """Whether it gets less than all, now."""
        return self._congestion.is_on and not self._is_closed

    @property
    def congested_seconds(self) -> float:
        """For how long it got less than all."""
        now = time.monotonic() - self._congested_at if self.is_congested else 0.0
        return self._congested + now

    def key_frame_sent(self, viewer_id: str) -> KeyFrameSent:
        """Return what to tell of its first picture."""
        return KeyFrameSent(
            viewer_id=viewer_id,
            is_small=self._is_small,
            shrunk_from=self._feed.small.shrunk_from,
        )

    def watch(self, stream: MediaStream) -> None:
        """Hear of what the viewer says of its pictures, from now on."""
        if isinstance(stream, RtpStream):
            self._stream = stream
            stream.observer = self

    def take_report(self, lost: float, highest: int) -> None:
        """Take a report: the share that was lost, and the highest sequence number."""
        self._undecodable.report(lost, highest)
        if self._is_closed or self._stream is None:
            return
        if self._congestion.report(time.monotonic(), lost):
            self._follow(self._stream)

    def take_estimate(self, bitrate: int) -> None:
        """Take the viewer's estimate of what comes through, in bits per second."""
        self._congestion.estimate(bitrate, self._feed.ring.bit_rate)

    def asked(self) -> None:
        """Take a wish for a key frame."""
        is_unable = self._undecodable.asked(time.monotonic())
        if not is_unable or self._is_closed or self.is_encoded or self.is_congested:
            return
        if self._stream is None:
            return
        known, small = self._feed.format, self._feed.small
        if (
            known is None
            or known.transcoded_from
            or (self._is_small and small.is_large)
        ):
            # It is encoded already: that is not why.
            return
        _LOGGER.debug("A viewer shows nothing of what it gets: transcoding for it")
        self.is_encoded = True
        small.add(self._stream, is_encoded=True)

    def close(self) -> None:
        """Have done with it."""
        self._congested = self.congested_seconds
        self._is_closed = True
        self._let_go()

    def _follow(self, stream: RtpStream) -> None:
        if not self._congestion.is_on:
            self._congested += time.monotonic() - self._congested_at
            self._let_go()
            if self._has_moved:
                self._has_moved = False
                stream.switch(self._feed.ring)
            stream.thin(is_thin=False)
            return
        _LOGGER.debug("A viewer loses too much: less for it")
        self._congested_at = time.monotonic()
        stream.thin(is_thin=True)
        if self._relief is not None and not self.is_encoded:
            self._start(self._move(stream, self._relief))

    async def _move(self, stream: RtpStream, relief: CameraFeed) -> None:
        """Send the smaller pictures as soon as there are some."""
        subscription = self._subscription = relief.subscribe(self._relief_ended)
        try:
            await subscription.next()
        except SubscriptionEndedError:
            return
        if not self.is_congested or self._subscription is not subscription:
            return
        here, there = self._feed.ring.clock.offset, relief.ring.clock.offset
        shift = round((there - here) * CLOCK_RATE) if here and there else 0
        self._has_moved = True
        stream.switch(relief.ring, shift=shift)
        stream.thin(is_thin=False)

    def _relief_ended(self, reason: EndReason, detail: str | None) -> None:
        """Go back to the key pictures of the camera's own."""
        _LOGGER.debug("No smaller pictures for a viewer: %s (%s)", reason, detail)
        self._let_go()
        if self._has_moved and self.is_congested and self._stream is not None:
            self._has_moved = False
            self._stream.thin(is_thin=True)
            self._stream.switch(self._feed.ring)

    def _let_go(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
