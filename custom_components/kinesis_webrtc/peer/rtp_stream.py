"""One viewer's stream of RTP packets out of the ring that all share."""

from collections.abc import Callable
import contextlib
from dataclasses import replace
import time
from typing import Protocol, override

from aiortc.rtcrtpsender import RTCRtpSender

from . import takeover
from .history import History, Sent
from .limits import Limits
from .media import Media
from .media_stream import (
    NEVER,
    Assemble,
    Dispatcher,
    MediaStream,
    abs_send_time,
    draw_sequence_number,
)
from .packets import BURST, Assembly, Batch
from .ring import Cursor, Frame, Ring
from .small import SmallPictures

_CLOCK_RATE = 90_000
# Pictures that have waited, as those that a joining viewer gets first, are sent at this
# multiple of their own speed, and no faster than this many bits per second, or than
# this multiple of the stream's own rate: one burst of them overflows the sockets and
# the slow uplinks on the way.
_CATCH_UP = 4
_PACING_RATE = 25_000_000
_PACING_FACTOR = 3
# In seconds; less than between two pictures of any live stream, which so never lags.
_LONGEST_PAUSE = 0.016
# In seconds, until a way out that took no more is tried again.
_RETRY = 0.005
# A key frame that is sent again is a hundredth of a second younger than what was last.
_KEY_FRAME_STEP = 900


class Observer(Protocol):
    """What hears of what a viewer says; in the event loop."""

    def take_report(self, lost: float, highest: int) -> None:
        """Take the share that was lost, and the highest sequence number that came."""

    def take_estimate(self, bitrate: int) -> None:
        """Take an estimate of what comes through, in bits per second."""

    def asked(self) -> None:
        """Take a wish for a key frame."""


class RtpStream(MediaStream):
    """Sends a feed's pictures to one viewer."""

    def __init__(
        self,
        *,
        sender: RTCRtpSender,
        media: Media,
        ring: Ring,
        small: SmallPictures,
        is_small: bool,
        fanout: Dispatcher,
        limits: Limits,
        live_only: bool = False,
        on_key_frame: Callable[[], None],
        on_failure: Callable[[], None],
        on_key_frame_wanted: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with the group of pictures in flight once there is a connection.

        `is_small` is for a viewer that takes no larger ones than an Echo. The callbacks
        are called in the event loop: `on_key_frame` once a live key picture has been
        sent, `on_key_frame_wanted` when the viewer asks for one, `on_failure` when there
        will be no more.
        """
        super().__init__(
            sender=sender, media=media, fanout=fanout, on_failure=on_failure
        )
        self._ring = ring
        self._limits = limits
        self._on_key_frame: Callable[[], None] | None = on_key_frame
        self._on_key_frame_wanted = on_key_frame_wanted
        self._cursor = Cursor(ring, limits.backlog, live_only=live_only)
        self._rtx_sequence_number = draw_sequence_number()
        self._history = History()
        self._sent = Sent(0, 0, 0)
        self._frame: Frame | None = None
        self._assembly: Assembly | None = None
        self._batch = 0
        self._done = 0
        self._began = 0.0
        self._due = 0.0
        self._last_timestamp = 0
        self._has_moved = False
        self._rewound: tuple[int, int] | None = None
        self._key_at = float("-inf")
        self._shift = 0
        self._is_thin = self._skips = False
        self._key_timestamp: int | None = None
        self.observer: Observer | None = None
        """What hears of the viewer's reports."""
        self._small = small
        if is_small:
            small.add(self)

    @property
    def dropped(self) -> int:
        """How many pictures this viewer was too slow for."""
        return self._cursor.dropped

    @override
    def stop(self) -> None:
        """Send no more; nothing is encoded for this viewer any more."""
        super().stop()
        self._small.remove(self)

    def switch(self, ring: Ring, not_before: int = 0, shift: int = 0) -> None:
        """Go on with another ring, from its picture of this number on.

        Its timestamps are shifted by so much, in 1/90000 s, to be of the same clock. The
        picture in flight is still sent. For any thread.
        """
        with self._lock:
            self._ring, self._shift = ring, shift
            self._cursor.move(ring, not_before)
            # What was lost of the pictures before is none that the next ones need.
            self._history = History()
            self._has_moved = True
        self._fanout.wake()

    def thin(self, *, is_thin: bool) -> None:
        """Send key pictures alone, or all again, from the next key picture on."""
        with self._lock:
            self._is_thin = is_thin
            self._skips = self._skips or is_thin

    @override
    def take_report(self, lost: float, highest: int) -> None:
        """Pass on what the viewer says of the packets that it gets."""
        if self.observer is not None:
            self.observer.take_report(lost, highest)

    @override
    def take_estimate(self, bitrate: int) -> None:
        """Pass on the viewer's estimate of what comes through."""
        if self.observer is not None:
            self.observer.take_estimate(bitrate)

    @override
    def request_key_frame(self) -> None:
        """Go back to the latest key picture, unless one has just been sent."""
        if self.observer is not None:
            self.observer.asked()
        self._on_key_frame_wanted()
        now = time.monotonic()
        with self._lock:
            if self._rewound is not None:
                return
            if now - self._key_at < self._limits.key_frame_interval:
                return
            if not self._cursor.rewind():
                return
            # The group is shown once more, faster than life, until it meets what is
            # live: time must not go back for the viewer.
            key = self._ring.get(self._ring.key or 0)
            if key is not None:
                start = self._last_timestamp + _KEY_FRAME_STEP
                self._rewound = start, key.unit.timestamp + self._shift
            self._key_at = now
            self._frame = self._assembly = None
            self._due = 0.0
        self._fanout.wake()

    @override
    def find(self, sequence_number: int) -> bytes | None:
        """Return a packet that the viewer has lost, in the form that it takes."""
        with self._lock:
            found = self._history.find(sequence_number, self._sequence_number)
            if found is None or self._layout is None:
                return None
            sent, number = found
            frame = self._ring.get(sent.frame)
            if frame is None or not self._history.allows(time.monotonic()):
                return None
            payload = frame.payloads[number]
            layout, ssrc = self._layout, self._identity.ssrc
            time_sent = sent.times[number // BURST]
            if (rtx := self._identity.rtx_payload_type) is not None:
                # RFC 4588 section 4.
                payload = sequence_number.to_bytes(2) + payload
                layout = replace(layout, payload_type=rtx)
                ssrc = self._identity.rtx_ssrc
                self._rtx_sequence_number = (self._rtx_sequence_number + 1) & 0xFFFF
                sequence_number = self._rtx_sequence_number
                time_sent = abs_send_time()
            return layout.build(
                payload,
                marker=number == len(frame.payloads) - 1,
                sequence_number=sequence_number,
                timestamp=sent.timestamp,
                ssrc=ssrc,
                send_time=time_sent,
            )

    @override
    def step(
        self,
        now: float,
        scratch: takeover.Scratch,
        assemble: Assemble,
    ) -> float:
        """Send the next batch of a picture."""
        with self._lock:
            if self._is_closed:
                return NEVER
            if now < self._due:
                return self._due
            if self._frame is None and not self._begin(now, assemble):
                return NEVER
            assert self._assembly is not None
            batch = self._assembly.batches[self._batch]
            if not self._send(batch, scratch):
                self._due = now + _RETRY
                # What it is too slow for now, it need not get later.
                if self._cursor.is_behind():
                    self._frame = self._assembly = None
                return self._due
            self._due = now + self._pause(8 * len(batch.data))
            self._batch += 1
            if self._batch == len(self._assembly.batches):
                return self._finish()
            return self._due

    def _begin(self, now: float, assemble: Assemble) -> bool:
        assert self._layout is not None
        frame = self._cursor.take()
        while frame is not None and not self._is_wanted(frame):
            frame = self._cursor.take()
        if frame is None:
            return False
        self._frame = frame
        self._assembly = assemble(frame, self._layout)
        self._batch = self._done = 0
        self._began = now
        timestamp = frame.unit.timestamp + self._shift
        if self._has_moved:
            self._has_moved, self._rewound = False, None
            if timestamp <= self._last_timestamp:
                self._rewound = self._last_timestamp + _KEY_FRAME_STEP, timestamp
        if self._rewound is not None:
            start, key = self._rewound
            shifted = start + (timestamp - key) // _CATCH_UP
            if shifted <= timestamp:
                self._rewound = None
            else:
                timestamp = shifted
        if frame.unit.is_key:
            self._key_at = now
        self._last_timestamp = timestamp
        timestamp = (self._origin + timestamp) & 0xFFFFFFFF
        place = frame.unit.timestamp + self._shift
        self._sent = Sent(self._sequence_number, frame.number, timestamp, place)
        self._history.append(self._sent, self._ring.first)
        return True

    def _is_wanted(self, frame: Frame) -> bool:
        unit = frame.unit
        if unit.is_key:
            self._skips, self._key_timestamp = self._is_thin, unit.timestamp
        # What goes on with a key picture is part of it.
        elif self._skips and unit.timestamp != self._key_timestamp:
            return False
        # A picture without a payload has nothing that could be sent.
        return bool(frame.payloads)

    def _send(self, batch: Batch, scratch: takeover.Scratch) -> bool:
        frame, sent = self._frame, self._sent
        assert frame is not None
        if len(sent.times) == self._batch:
            sent.times.append(abs_send_time())
        self._done = self._transmit(
            batch,
            scratch,
            timestamp=sent.timestamp,
            send_time=sent.times[self._batch],
            begin=self._done,
            frame_ntp=frame.ntp,
            # The camera's own, also where the picture is shown once more.
            frame_timestamp=sent.place,
        )
        if self._done < len(batch.spans):
            return False
        self._done = 0
        return True

    def _finish(self) -> float:
        frame = self._frame
        assert frame is not None
        self._frame = self._assembly = None
        is_live_key = frame.unit.is_key and not frame.unit.is_stand_in
        if self._on_key_frame is not None and is_live_key:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_key_frame)
            self._on_key_frame = None
        following = self._cursor.peek()
        if following is None:
            return NEVER
        ahead = (following.unit.timestamp - frame.unit.timestamp) / _CLOCK_RATE
        pause = min(max(ahead / _CATCH_UP, 0.0), _LONGEST_PAUSE)
        self._due = max(self._due, self._began + pause)
        return self._due

    def _pause(self, bits: int) -> float:
        rate = max(_PACING_RATE, _PACING_FACTOR * self._ring.bit_rate)
        return min(bits / rate, _LONGEST_PAUSE)
