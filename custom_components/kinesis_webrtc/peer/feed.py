"""One camera's media: opened by the first viewer, shared by all.

The stream is read once, in a thread of the feed's own. Joining viewers get the
group of pictures in flight first, so that they see a picture at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
import contextlib
import functools
import logging
import threading

from .events import EndReason
from .h264 import AccessUnit
from .limits import Limits
from .reader import Outcome, StreamFormat, StreamReader, Timeline
from .source import CAMERA_OFF, MediaSource, SourceError, Stills, StreamUrl
from .stills_reader import StillsReader

_LOGGER = logging.getLogger(__name__)

type EndCallback = Callable[[EndReason, str | None], None]


class SubscriptionEndedError(Exception):
    """There will be no more pictures."""


class Subscription:
    """One viewer's share of a feed."""

    def __init__(self, feed: CameraFeed, on_end: EndCallback, backlog: int) -> None:
        """Hold the feed open; pictures are kept from the first `next` on."""
        self._feed = feed
        self._on_end = on_end
        self._backlog = backlog
        self._units: deque[AccessUnit] = deque()
        self._limit = 0
        self._wants_key = True
        self._started = False
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        self.dropped = 0

    @property
    def waiting(self) -> AccessUnit | None:
        """The picture that `next` would return at once, if there is one."""
        return self._units[0] if self._units else None

    async def next(self) -> AccessUnit:
        """Return the next picture; the first one is a key picture.

        Raises SubscriptionEndedError. For one caller at a time.
        """
        if not self._started:
            self._started = True
            replay = self._feed.group_of_pictures
            self._limit = len(replay) + self._backlog
            self._units.extend(replay)
            self._wants_key = not replay
        while not self._units:
            if self._closed:
                raise SubscriptionEndedError
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._units.popleft()

    def push(self, unit: AccessUnit) -> None:
        """Take a picture, or lose whole ones when the viewer cannot keep up."""
        if not self._started or self._closed:
            return
        if unit.is_key and self._wants_key:
            # What still waits is older than what a new start makes good.
            self.dropped += len(self._units)
            self._units.clear()
            self._limit = self._backlog
            self._wants_key = False
        elif self._wants_key or len(self._units) >= self._limit:
            self._wants_key = True
            self.dropped += 1
            return
        self._units.append(unit)
        self._wake()

    def end(self, reason: EndReason, detail: str | None) -> None:
        """Tell the session that the camera has no more."""
        self._on_end(reason, detail)

    def close(self) -> None:
        """Leave the feed."""
        if self._closed:
            return
        self._closed = True
        self._units.clear()
        self._feed.unsubscribe(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class CameraFeed:
    """One camera's stream and those who watch it."""

    def __init__(self, *, source: MediaSource, limits: Limits) -> None:
        """Prepare; nothing is opened before the first subscription."""
        self._source = source
        self._limits = limits
        self._subscriptions: set[Subscription] = set()
        self._group: list[AccessUnit] = []
        self._group_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._timeline = Timeline()
        self._delivered_at: float | None = None
        self._closed = False
        self.format: StreamFormat | None = None
        self.opened = 0

    @property
    def profile(self) -> str | None:
        """The camera's profile-level-id, once it has been seen."""
        return self.format.profile if self.format is not None else None

    @property
    def group_of_pictures(self) -> list[AccessUnit]:
        """The pictures since the last key picture, that one first."""
        return list(self._group)

    @property
    def is_open(self) -> bool:
        """Whether the stream is read or about to be."""
        return self._task is not None

    def subscribe(self, on_end: EndCallback) -> Subscription:
        """Join; the first one opens the camera, beside whatever the caller does."""
        subscription = Subscription(self, on_end, self._limits.backlog)
        self._subscriptions.add(subscription)
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._ensure()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Leave; after the last one the camera stays open for a moment."""
        self._subscriptions.discard(subscription)
        if self._subscriptions or self._task is None or self._lingering is not None:
            return
        loop = asyncio.get_running_loop()
        self._lingering = loop.call_later(self._limits.linger, self._stop)

    async def close(self) -> None:
        """Close the camera's stream and wait for its thread."""
        self._closed = True
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        task = self._task
        self._stop()
        if task is not None:
            await asyncio.wait({task})

    def _ensure(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name="kinesis_webrtc feed")
            self._task.add_done_callback(self._finished)

    def _stop(self) -> None:
        self._lingering = None
        if self._task is not None:
            self._task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._forget_group()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("Feed stopped unexpectedly: %s", type(error).__name__)
            self._end_all(EndReason.SOURCE_FAILED, "unexpected")
        if self._subscriptions:
            self._ensure()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = self._limits.backoff_floor
        since = loop.time()
        while True:
            outcome = await self._open_and_read()
            self._forget_group()
            if outcome.is_unsupported:
                self._end_all(EndReason.UNSUPPORTED_CODEC, outcome.detail)
                return
            if outcome.detail == CAMERA_OFF:
                self._end_all(EndReason.CAMERA_OFF, None)
                return
            if self._delivered_at is not None:
                since, backoff = self._delivered_at, self._limits.backoff_floor
            _LOGGER.debug("Stream ended (%s)", outcome.detail or "end of stream")
            if loop.time() - since >= self._limits.source_patience:
                self._end_all(EndReason.SOURCE_FAILED, outcome.detail)
                return
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, self._limits.backoff_ceiling)

    async def _open_and_read(self) -> Outcome:
        self._delivered_at = None
        try:
            async with asyncio.timeout(self._limits.open_timeout):
                stream = await self._source.resolve()
        except SourceError as err:
            return Outcome(detail=err.reason)
        except TimeoutError:
            return Outcome(detail="no_stream_in_time")
        except Exception as err:  # noqa: BLE001
            _LOGGER.debug("A source failed: %s", type(err).__name__)
            return Outcome(detail=type(err).__name__)
        return await self._read(stream)

    async def _read(self, stream: StreamUrl | Stills) -> Outcome:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Outcome] = loop.create_future()
        reader = self._reader(
            stream,
            on_format=self._on_loop(loop, self._learn),
            on_unit=self._on_loop(loop, self._deliver),
        )

        def work() -> None:
            try:
                result = reader.run()
            except Exception as err:  # noqa: BLE001
                result = Outcome(detail=type(err).__name__)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set_result, result)

        self.opened += 1
        thread = threading.Thread(target=work, name="kinesis_webrtc feed", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(done)
        finally:
            # Also when cancelled: the camera is closed when this returns.
            reader.stop()
            while not done.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(done)
            # Telling was the last that it had to do.
            thread.join()

    def _reader(
        self,
        stream: StreamUrl | Stills,
        *,
        on_format: Callable[[StreamFormat], None],
        on_unit: Callable[[AccessUnit], None],
    ) -> StreamReader | StillsReader:
        if isinstance(stream, Stills):
            return StillsReader(
                stream,
                timeline=self._timeline,
                on_format=on_format,
                on_unit=on_unit,
                read_timeout=self._limits.read_timeout,
            )
        return StreamReader(
            stream,
            timeline=self._timeline,
            on_format=on_format,
            on_unit=on_unit,
            open_timeout=self._limits.open_timeout,
            read_timeout=self._limits.read_timeout,
        )

    @staticmethod
    def _on_loop[T](
        loop: asyncio.AbstractEventLoop, handle: Callable[[T], None]
    ) -> Callable[[T], None]:
        def hand_over(value: T) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(functools.partial(handle, value))

        return hand_over

    def _learn(self, stream_format: StreamFormat) -> None:
        self.format = stream_format

    def _deliver(self, unit: AccessUnit) -> None:
        self._delivered_at = asyncio.get_running_loop().time()
        is_part = self._group and self._group[-1].timestamp == unit.timestamp
        if unit.is_key and not is_part:
            self._forget_group()
        if unit.is_key or self._group:
            self._group.append(unit)
            self._group_bytes += len(unit.data)
            if self._group_bytes > self._limits.cached_bytes:
                self._forget_group()
        for subscription in tuple(self._subscriptions):
            subscription.push(unit)

    def _forget_group(self) -> None:
        self._group.clear()
        self._group_bytes = 0

    def _end_all(self, reason: EndReason, detail: str | None) -> None:
        for subscription in tuple(self._subscriptions):
            self._subscriptions.discard(subscription)
            subscription.end(reason, detail)
