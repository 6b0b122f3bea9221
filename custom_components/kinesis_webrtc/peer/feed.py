"""One camera's media: opened by the first viewer, shared by all.

The stream is read once, in a thread of the feed's own, and sent in another one.
Joining viewers get the group of pictures in flight first, so that they see a picture
at once.
"""

import asyncio
from collections.abc import Callable
import contextlib
import logging
import time

from aiortc.rtcrtpsender import RTCRtpSender

from .cpu import CpuMeter
from .events import EndReason
from .fanout import Fanout
from .h264 import AccessUnit
from .limits import Limits
from .media import Media
from .media_stream import MediaStream
from .patience import UNEXPECTED, Patience
from .reader import Outcome, StreamFormat
from .readers import make_reader, run_in_thread
from .ring import Ring
from .rtp_stream import RtpStream
from .small import SmallPictures
from .sound_fanout import SoundFanout
from .sound_stream import SoundStream
from .source import MediaSource, Stills
from .sources import Sources
from .stand_in import StandIn
from .subscription import EndCallback, Subscription
from .timeline import Timeline
from .webrtc_reader import WebRtcReader

_LOGGER = logging.getLogger(__name__)

_UNWATCHED = "nobody watches"


class CameraFeed:
    """One camera's stream and those who watch it."""

    def __init__(
        self,
        *,
        source: MediaSource,
        limits: Limits,
        fallback: MediaSource | None = None,
        fanout: Fanout | None = None,
        on_format: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; nothing is opened before the first subscription or hold.

        `fallback` is opened in turns with the source where that gives nothing;
        `fanout` is that of another feed of the same camera; `on_format` is called in
        the event loop when `format` is another one.
        """
        self._sources = Sources(source, fallback)
        self._on_format = on_format
        self._limits = limits
        self._subscriptions: set[Subscription] = set()
        self._listeners: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._holds: set[object] = set()
        self._patience = Patience(limits)
        self._has_stills = False
        self._timeline = Timeline()
        self._delivered_at: float | None = None
        self._closed = False
        self._ask_source: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ring = Ring(limits.cached_bytes)
        self.fanout = fanout or Fanout()
        self._stand_in = StandIn(
            ring=self.ring,
            timeline=self._timeline,
            limits=limits,
            on_shown=self._announce,
        )
        self.sound = SoundFanout(self.ring.clock, self.fanout.wake)
        self.small = SmallPictures(self.ring, limits=limits, on_picture=self._announce)
        self.cpu = CpuMeter()
        self.format: StreamFormat | None = None
        self.opened = 0

    @property
    def profile(self) -> str | None:
        """The camera's profile-level-id, once it has been seen."""
        return self.format.profile if self.format is not None else None

    @property
    def cpu_percent(self) -> float:
        """What encoding takes now, in percent of one core; 0 where nothing is encoded."""
        return self.cpu.percent + self.small.cpu_percent

    @property
    def is_fallback(self) -> bool:
        """Whether the source itself gave nothing when it was last tried."""
        return self._sources.is_fallback

    @property
    def is_open(self) -> bool:
        """Whether the stream is read or about to be."""
        return self._task is not None

    @property
    def is_held(self) -> bool:
        """Whether the stream is to be open also while nobody watches."""
        return bool(self._holds)

    def hold(self) -> Callable[[], None]:
        """Have the camera open without a viewer, until what is returned is called.

        While it fails it is opened again and again, after pauses; nobody is told. It
        does nothing for a camera of stills: those need no opening.
        """
        hold = object()
        self._holds.add(hold)
        if self._task is None:
            # It may have got a stream meanwhile.
            self._has_stills = False
        self._wish(to_watch=False)

        def release() -> None:
            self._holds.discard(hold)
            self._linger(self._limits.linger)

        return release

    def reopen(self) -> None:
        """Open the camera anew, if it is open: its source is another one now."""
        if self._task is not None:
            self._task.cancel()

    def subscribe(
        self, on_end: EndCallback, *, live_only: bool = False
    ) -> Subscription:
        """Join; the first one opens the camera, beside whatever the caller does."""
        joined = Subscription(self, on_end, self._limits.backlog, live_only=live_only)
        if not self._subscriptions:
            self._wish(to_watch=True)
        self._subscriptions.add(joined)
        self._show_stand_in()
        return joined

    def unsubscribe(self, subscription: Subscription) -> None:
        """Leave; after the last one the camera stays open for a moment."""
        self._subscriptions.discard(subscription)
        self._listeners.discard(subscription)
        self.small.remove(subscription)
        self._linger(self._limits.linger if subscription.may_return else 0.0)

    def send(
        self,
        sender: RTCRtpSender,
        media: Media,
        *,
        live_only: bool = False,
        is_small: bool = False,
        on_key_frame: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> MediaStream:
        """Send to a viewer in the place of a sender, once there is a connection.

        What it gets, and when it is called back, is as `RtpStream` says.
        """
        if media.kind != "video":
            return SoundStream(
                sender=sender,
                media=media,
                fanout=self.fanout,
                sound=self.sound,
                on_failure=on_failure,
            )
        return RtpStream(
            sender=sender,
            media=media,
            ring=self.ring,
            small=self.small,
            is_small=is_small,
            fanout=self.fanout,
            limits=self._limits,
            live_only=live_only,
            on_key_frame=on_key_frame,
            on_key_frame_wanted=self.request_key_frame,
            on_failure=on_failure,
        )

    def request_key_frame(self) -> None:
        """Ask the camera for a key picture where that can be; it may take its time."""
        if self._ask_source is not None:
            self._ask_source()

    def listen(self, subscription: Subscription) -> None:
        """Wake a subscription at each picture from now on."""
        if subscription in self._subscriptions:
            self._listeners.add(subscription)

    async def close(self) -> None:
        """Close the camera's stream and wait for its threads."""
        self._closed = True
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        task = self._task
        self._stop()
        if task is not None:
            await asyncio.wait({task})
        self.fanout.close()
        # It may be in the middle of a picture.
        await asyncio.to_thread(self.small.close)

    @property
    def _is_wanted(self) -> bool:
        return bool(self._subscriptions or (self._holds and not self._has_stills))

    def _wish(self, *, to_watch: bool) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._patience.wish(to_watch=to_watch)
        self._ensure()

    def _linger(self, pause: float) -> None:
        if self._is_wanted or self._task is None or self._lingering is not None:
            return
        loop = asyncio.get_running_loop()
        self._lingering = loop.call_later(pause, self._stop)

    def _ensure(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="kinesis_webrtc feed")
            self._task.add_done_callback(self._finished)

    def _stop(self) -> None:
        self._lingering = None
        if self._task is not None:
            self._task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self.ring.clear()
        self.small.forget()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("Feed stopped unexpectedly: %s", type(error).__name__)
            self._end_all(EndReason.SOURCE_FAILED, UNEXPECTED)
        if self._is_wanted:
            self._ensure()

    async def _run(self) -> None:
        self._patience.begin()
        self._sources.begin()
        while True:
            outcome = await self._attempt()
            self.ring.forget()
            self.small.forget()
            if self._delivered_at is not None:
                for subscription in self._subscriptions:
                    subscription.has_seen_live = True
                self._patience.delivered(self._delivered_at)
            elif self._subscriptions and self._sources.failed():
                continue
            _LOGGER.debug("Stream ended (%s)", outcome.detail or "end of stream")
            if (end := self._patience.end_for(outcome)) is not None:
                self._end_all(*end)
            if not self._is_wanted:
                return
            await self._patience.pause(is_watched=bool(self._subscriptions))

    async def _attempt(self) -> Outcome:
        try:
            return await self._open_and_read()
        except Exception as err:  # noqa: BLE001
            _LOGGER.error("Feed stopped unexpectedly: %s", type(err).__name__)
            return Outcome(detail=UNEXPECTED)
        finally:
            await self._stand_in.end()

    def _show_stand_in(self) -> None:
        # Who has seen the live stream is not to be taken back in time.
        if {each.has_seen_live for each in self._subscriptions} == {False}:
            self._stand_in.show()

    async def _open_and_read(self) -> Outcome:
        self._delivered_at = None
        stream = await self._sources.resolve(self._limits.open_timeout)
        if isinstance(stream, Outcome):
            return stream
        self._has_stills = isinstance(stream, Stills)
        if not self._is_wanted:
            return Outcome(detail=_UNWATCHED)
        self._stand_in.begin(stream, self.format)
        self._show_stand_in()
        reader = make_reader(
            stream,
            timeline=self._timeline,
            on_format=self._learn,
            on_unit=self._deliver,
            limits=self._limits,
            sound=self.sound,
            cpu=self.cpu,
        )
        if isinstance(reader, WebRtcReader):
            self._ask_source = reader.request_key_frame
        self.opened += 1
        try:
            return await run_in_thread(reader)
        finally:
            self._ask_source = None

    def _learn(self, stream_format: StreamFormat) -> None:
        """Take what the next picture begins, in the reader's thread."""
        self.small.learn(stream_format)
        self.format = stream_format
        self._call_soon(self._on_format)

    def _deliver(self, unit: AccessUnit) -> None:
        """Take a picture, in the reader's thread."""
        self._delivered_at = time.monotonic()
        self._stand_in.keep(unit)
        self.ring.push(unit)
        self._announce()

    def _announce(self) -> None:
        """Tell that there is a picture in a ring; for any thread."""
        self.small.wake()
        self.fanout.wake()
        if self._listeners:
            self._call_soon(self._wake_listeners)

    def _call_soon(self, handle: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(handle)

    def _wake_listeners(self) -> None:
        for subscription in tuple(self._listeners):
            subscription.wake()

    def _end_all(self, reason: EndReason, detail: str | None) -> None:
        for subscription in tuple(self._subscriptions):
            self._subscriptions.discard(subscription)
            self._listeners.discard(subscription)
            subscription.end(reason, detail)
