"""Encodes one camera's H.264 anew, for those of its viewers that need it smaller."""

from collections.abc import Callable
from dataclasses import replace
import logging
import threading
import time
from typing import Final

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from .cpu import CpuMeter
from .h264 import AccessUnit, ParameterSets
from .ring import Cursor, Frame, Ring
from .transcode import CLOCK_RATE, Encoder, Selection, yield_to_others

_LOGGER = logging.getLogger(__name__)

# The most that is encoded of any camera; more are left out, see `transcode`.
_RATE: Final = 30
# In 1/90000 s: who joins, or has lost something, waits for no more pictures than these.
_KEY_INTERVAL: Final = 2 * CLOCK_RATE
# In seconds: for so long at most, the pictures that were there before are only decoded.
_CATCHING_UP: Final = 1.0


class Shrinker:
    """Takes pictures out of one ring and puts them, encoded anew, into one of its own.

    It has a thread from `start` to `stop`, of a lower priority than all others. The
    pictures keep their times. A machine that is too slow for all leaves some out.
    """

    def __init__(
        self,
        source: Ring,
        *,
        not_before: int = 0,
        max_bytes: int,
        backlog: int,
        on_picture: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        """Prepare to begin with the source's latest key picture, or its next one.

        `not_before` is the number of the first picture of the source that counts. The
        callbacks are called in the thread: `on_failure` is the last, if nothing can be
        encoded here.
        """
        self.ring = Ring(max_bytes, source.clock)
        self.cpu = CpuMeter()
        self._source = source
        self._cursor = Cursor(source, backlog, not_before)
        self._on_picture = on_picture
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._is_stopped = False
        self._is_fresh = True
        self._is_broken = False
        self._decoder: VideoCodecContext | None = None
        self._encoder = Encoder(rate=_RATE, key_interval=10)
        self._selection: Selection | None = None
        self._sets = ParameterSets()
        self._key_at: int | None = None
        self._was_stand_in = False
        self._began = 0.0
        self.thread = threading.Thread(
            target=self._run, name="kinesis_webrtc shrink", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self) -> None:
        """End soon; for any thread."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def wake(self) -> None:
        """Look for pictures in the source; for any thread."""
        with self._changed:
            self._is_fresh = True
            self._changed.notify()

    def forget(self) -> None:
        """Break the stream, as the source was; for any thread."""
        with self._changed:
            self._is_broken = True
            self._changed.notify()

    def _run(self) -> None:
        yield_to_others()
        self._began = time.monotonic()
        try:
            with self.cpu.measuring():
                while self._wait():
                    while (frame := self._next()) is not None:
                        self._take(frame)
                        self.cpu.lap()
        except Exception as err:  # noqa: BLE001
            _LOGGER.error("Pictures could not be made smaller: %s", type(err).__name__)
            self._on_failure()

    def _wait(self) -> bool:
        with self._changed:
            while not (self._is_fresh or self._is_broken or self._is_stopped):
                self._changed.wait()
            self._is_fresh = False
            return not self._is_stopped

    def _next(self) -> Frame | None:
        with self._changed:
            if self._is_stopped:
                return None
            if self._is_broken:
                self._is_broken = False
                self.ring.forget()
        return self._cursor.take()

    def _take(self, frame: Frame) -> None:
        for picture in self._decode(frame.unit):
            if self._is_wanted(frame):
                self._encode(picture, frame.unit)

    def _decode(self, unit: AccessUnit) -> list[av.VideoFrame]:
        if self._decoder is None:
            self._decoder = av.CodecContext.create("h264", "r")
            # More threads would keep a picture each, and their time would not be seen.
            self._decoder.thread_count = 1
            self._decoder.flags |= av.codec.context.Flags.low_delay
        try:
            return self._decoder.decode(av.Packet(unit.data))
        except av.error.InvalidDataError:
            return []

    def _is_wanted(self, frame: Frame) -> bool:
        if self._selection is None:
            # What was there before is needed to decode what is live, and for no more.
            waiting = self._source.end - frame.number - 1
            if waiting and time.monotonic() - self._began < _CATCHING_UP:
                return False
            self._selection = Selection()
        return self._selection.takes(frame.unit.timestamp)

    def _encode(self, picture: av.VideoFrame, unit: AccessUnit) -> None:
        timestamp = unit.timestamp
        is_due = (
            self.ring.key is None
            or self._key_at is None
            or not 0 <= timestamp - self._key_at < _KEY_INTERVAL
            # What counts as live has to begin with a key picture.
            or unit.is_stand_in
            or self._was_stand_in
        )
        self._was_stand_in = unit.is_stand_in
        for encoded in self._encoder.encode(picture, timestamp, is_key=is_due):
            data, is_key = self._sets.complete(encoded.data, is_key=encoded.is_key)
            if is_key:
                self._key_at = timestamp
            if self._is_stopped:
                return
            self.ring.push(replace(unit, data=data, is_key=is_key))
            self._on_picture()
