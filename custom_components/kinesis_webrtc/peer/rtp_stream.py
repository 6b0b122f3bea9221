"""One viewer's stream of RTP packets out of the ring that all share."""

import asyncio
from collections.abc import Callable
import contextlib
from dataclasses import replace
import logging
import secrets
import threading
import time
from typing import Protocol

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpsender import RTCRtpSender

from . import internals, takeover
from .history import History, Sent
from .limits import Limits
from .media import Media
from .packets import BURST, Assembly, Batch, Layout, fill
from .ring import Cursor, Frame, Ring
from .udp import Outlet

_LOGGER = logging.getLogger(__name__)

NEVER = float("inf")

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


class Dispatcher(Protocol):
    """What calls `step` whenever there is something to do."""

    def add(self, stream: RtpStream, /) -> None:
        """Begin with a stream."""

    def remove(self, stream: RtpStream, /) -> None:
        """Have done with a stream."""

    def wake(self) -> None:
        """Look at all streams, earlier than they have said."""


class RtpStream:
    """Sends a feed's pictures to one viewer; a `takeover.Medium`.

    `step` is for the fan-out's thread, all else for the event loop.
    """

    def __init__(
        self,
        *,
        sender: RTCRtpSender,
        media: Media,
        ring: Ring,
        fanout: Dispatcher,
        limits: Limits,
        on_key_frame: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        """Send in a sender's place, once there is a connection.

        The callbacks are called in the event loop: `on_key_frame` once a key picture
        has been sent, `on_failure` when there will be no more.
        """
        self._sender = sender
        self._media = media
        self._ring = ring
        self._limits = limits
        self._fanout = fanout
        self._on_failure = on_failure
        self._on_key_frame: Callable[[], None] | None = on_key_frame
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._cursor = Cursor(ring, limits.backlog)
        self._is_closed = False
        self._session: takeover.SharedSession | None = None
        self._outlet: Outlet | None = None
        self._layout: Layout | None = None
        self._rtx_layout: Layout | None = None
        self._identity = takeover.Identity(0, 0, None)
        self._sequence_number = _draw_sequence_number()
        self._rtx_sequence_number = _draw_sequence_number()
        self._origin = secrets.randbits(32)
        self._history = History()
        self._sent = Sent(0, 0, 0)
        self._frame: Frame | None = None
        self._assembly: Assembly | None = None
        self._batch = 0
        self._done = 0
        self._began = 0.0
        self._due = 0.0
        self._last_timestamp = 0
        self._rewound: tuple[int, int] | None = None
        self._key_at = float("-inf")
        self._traffic = [0, 0]
        takeover.take_over(sender, self)

    @property
    def dropped(self) -> int:
        """How many pictures this viewer was too slow for."""
        return self._cursor.dropped

    def start(self, payload_type: int) -> None:
        """Begin with the group of pictures in flight."""
        if self._is_closed:
            return
        transport: RTCDtlsTransport = self._sender.transport
        self._session = takeover.share_session(transport, self._lock)
        takeover.count_traffic(transport, self._take_traffic)
        self._identity = takeover.identity(self._sender)
        self._layout = Layout.create(
            payload_type=payload_type,
            extensions=self._media.extensions,
            mid=self._media.mid,
            trailer=self._session.find_trailer(
                self._identity.ssrc, self._sequence_number
            ),
        )
        if (rtx := self._identity.rtx_payload_type) is not None:
            self._rtx_layout = replace(self._layout, payload_type=rtx)
        self._outlet = Outlet(internals.ice_connection(transport), self._loop)
        self._fanout.add(self)

    def stop(self) -> None:
        """Send no more; may be called more than once."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._frame = self._assembly = None
            if self._outlet is not None:
                self._outlet.close()
        self._fanout.remove(self)

    def fail(self) -> None:
        """Tell that this viewer cannot be sent to any more; for any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_failure)

    def request_key_frame(self) -> None:
        """Go back to the latest key picture, unless one has just been sent."""
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
                self._rewound = start, key.unit.timestamp
            self._key_at = now
            self._frame = self._assembly = None
            self._due = 0.0
        self._fanout.wake()

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
            if self._rtx_layout is not None:
                # RFC 4588 section 4.
                payload = sequence_number.to_bytes(2) + payload
                layout, ssrc = self._rtx_layout, self._identity.rtx_ssrc
                self._rtx_sequence_number = (self._rtx_sequence_number + 1) & 0xFFFF
                sequence_number = self._rtx_sequence_number
                time_sent = _send_time()
            return layout.build(
                payload,
                marker=number == len(frame.payloads) - 1,
                sequence_number=sequence_number,
                timestamp=sent.timestamp,
                ssrc=ssrc,
                send_time=time_sent,
            )

    def step(
        self,
        now: float,
        scratch: takeover.Scratch,
        assemble: Callable[[Frame, Layout], Assembly],
    ) -> float:
        """Send what is due, and return when there will be more; NEVER: no matter when.

        Not more than one batch leaves at a time.
        """
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

    def _begin(self, now: float, assemble: Callable[[Frame, Layout], Assembly]) -> bool:
        assert self._layout is not None
        frame = self._cursor.take()
        # A picture without a payload has nothing that could be sent.
        while frame is not None and not frame.payloads:
            frame = self._cursor.take()
        if frame is None:
            return False
        self._frame = frame
        self._assembly = assemble(frame, self._layout)
        self._batch = self._done = 0
        self._began = now
        timestamp = frame.unit.timestamp
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
        self._sent = Sent(self._sequence_number, frame.number, timestamp)
        self._history.append(self._sent, self._ring.first)
        return True

    def _send(self, batch: Batch, scratch: takeover.Scratch) -> bool:
        assert self._session is not None
        assert self._layout is not None
        assert self._outlet is not None
        sent = self._sent
        if len(sent.times) == self._batch:
            sent.times.append(_send_time())
        fill(
            scratch.data,
            batch,
            sequence_number=self._sequence_number - self._done,
            timestamp=sent.timestamp,
            ssrc=self._identity.ssrc,
            send_time=sent.times[self._batch],
            send_time_at=self._layout.send_time_at,
        )
        scratch.protect(self._session, batch.spans)
        done = self._outlet.send(scratch.view, batch.runs, self._done)
        self._account(batch, self._done, done)
        self._sequence_number += done - self._done
        self._done = done
        if done < len(batch.spans):
            return False
        self._done = 0
        return True

    def _account(self, batch: Batch, begin: int, end: int) -> None:
        frame = self._frame
        assert frame is not None
        assert self._layout is not None
        octets = batch.octets
        if end - begin < len(batch.spans):
            header = self._layout.header_size
            octets = sum(size - header for _, size in batch.spans[begin:end])
        packets = end - begin
        takeover.report(
            self._sender,
            packets=packets,
            octets=octets,
            ntp=frame.ntp,
            # The camera's own, also where the picture is shown once more.
            timestamp=(self._origin + frame.unit.timestamp) & 0xFFFFFFFF,
        )
        size = self._layout.header_size + self._layout.trailer
        self._traffic[0] += packets
        self._traffic[1] += octets + packets * size

    def _finish(self) -> float:
        frame = self._frame
        assert frame is not None
        self._frame = self._assembly = None
        if self._on_key_frame is not None and frame.unit.is_key:
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

    def _take_traffic(self) -> tuple[int, int]:
        with self._lock:
            packets, octets = self._traffic
            self._traffic = [0, 0]
        return packets, octets


def _send_time() -> bytes:
    """Return the time now as abs-send-time: seconds in 6.18 bits."""
    return (int(time.time() * (1 << 18)) & 0xFFFFFF).to_bytes(3)


def _draw_sequence_number() -> int:
    # In the lower half, or a loss before the first roll-over breaks SRTP.
    return secrets.randbelow(1 << 15)
