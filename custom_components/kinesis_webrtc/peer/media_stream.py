"""One viewer's packets of one medium: its own numbers, SRTP, and way out."""

import asyncio
from collections.abc import Callable
import contextlib
import secrets
import threading
import time
from typing import Protocol

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpsender import RTCRtpSender

from . import internals, takeover
from .media import Media
from .packets import Assembly, Batch, Layout, fill
from .ring import Frame
from .udp import Outlet

NEVER = float("inf")

type Assemble = Callable[[Frame, Layout], Assembly]


class Dispatcher(Protocol):
    """What calls `step` whenever there is something to do."""

    def add(self, stream: MediaStream, /) -> None:
        """Begin with a stream."""

    def remove(self, stream: MediaStream, /) -> None:
        """Have done with a stream."""

    def wake(self) -> None:
        """Look at all streams, earlier than they have said."""


class MediaStream:
    """Sends in the place of one of aiortc's senders; a `takeover.Medium`.

    `step` is for the fan-out's thread, all else for the event loop.
    """

    def __init__(
        self,
        *,
        sender: RTCRtpSender,
        media: Media,
        fanout: Dispatcher,
        on_failure: Callable[[], None],
    ) -> None:
        """Begin once there is a connection.

        `on_failure` is called in the event loop when there will be no more.
        """
        self._sender = sender
        self._media = media
        self._fanout = fanout
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._is_closed = False
        self._session: takeover.SharedSession | None = None
        self._outlet: Outlet | None = None
        self._layout: Layout | None = None
        self._identity = takeover.Identity(0, 0, None)
        self._sequence_number = draw_sequence_number()
        self._origin = secrets.randbits(32)
        self._traffic = [0, 0]
        takeover.take_over(sender, self)

    def start(self, payload_type: int) -> None:
        """Have everything ready that depends on the connection."""
        if self._is_closed:
            return
        transport: RTCDtlsTransport = self._sender.transport
        self._session = takeover.share_session(transport)
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
        self._outlet = Outlet(internals.ice_connection(transport), self._loop)
        try:
            self._fanout.add(self)
        except RuntimeError:
            # There may be too many threads: a viewer that gets nothing is to go.
            self.fail()
            raise

    def stop(self) -> None:
        """Send no more; may be called more than once."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._outlet is not None:
                self._outlet.close()
        self._fanout.remove(self)

    def fail(self) -> None:
        """Tell that this viewer cannot be sent to any more; for any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_failure)

    def request_key_frame(self) -> None:
        """Take the viewer's wish for a key frame."""

    def take_report(self, lost: float, highest: int) -> None:
        """Take what the viewer says of the packets that it gets."""

    def take_estimate(self, bitrate: int) -> None:
        """Take the viewer's estimate of what comes through, in bits per second."""

    def find(self, sequence_number: int) -> bytes | None:  # noqa: ARG002
        """Return a packet that the viewer has lost."""
        return None

    def step(self, now: float, scratch: takeover.Scratch, assemble: Assemble) -> float:
        """Send what is due, and return when there will be more; NEVER: no matter when.

        Not more than one batch leaves at a time.
        """
        raise NotImplementedError

    def _transmit(
        self,
        batch: Batch,
        scratch: takeover.Scratch,
        *,
        timestamp: int,
        send_time: bytes,
        begin: int,
        frame_ntp: int,
        frame_timestamp: int,
    ) -> int:
        """Send a batch from its packet `begin` on, and return where that ended.

        `frame_ntp` and `frame_timestamp` are one moment of the medium on both clocks.
        """
        assert self._session is not None
        assert self._layout is not None
        assert self._outlet is not None
        fill(
            scratch.data,
            batch,
            sequence_number=self._sequence_number - begin,
            timestamp=timestamp,
            ssrc=self._identity.ssrc,
            send_time=send_time,
            send_time_at=self._layout.send_time_at,
        )
        scratch.protect(self._session, batch.spans)
        end = self._outlet.send(scratch.view, batch.runs, begin)
        packets, octets = end - begin, batch.octets
        if packets < len(batch.spans):
            header = self._layout.header_size
            octets = sum(size - header for _, size in batch.spans[begin:end])
        self._sequence_number += packets
        takeover.report(
            self._sender,
            packets=packets,
            octets=octets,
            ntp=frame_ntp,
            timestamp=(self._origin + frame_timestamp) & 0xFFFFFFFF,
        )
        around = self._layout.header_size + self._layout.trailer
        self._traffic[0] += packets
        self._traffic[1] += octets + packets * around
        return end

    def _take_traffic(self) -> tuple[int, int]:
        with self._lock:
            packets, octets = self._traffic
            self._traffic = [0, 0]
        return packets, octets


def abs_send_time() -> bytes:
    """Return the time now as abs-send-time: seconds in 6.18 bits."""
    return (int(time.time() * (1 << 18)) & 0xFFFFFF).to_bytes(3)


def draw_sequence_number() -> int:
    """Return a sequence number to begin with."""
    # In the lower half, or a loss before the first roll-over breaks SRTP.
    return secrets.randbelow(1 << 15)
