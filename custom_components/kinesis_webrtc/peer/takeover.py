"""The private names of aiortc, aioice and pylibsrtp that sending in their place needs.

ICE, DTLS, RTCP and statistics stay aiortc's. Where `moved` names something, the peer
lets aiortc send by itself.
"""

import asyncio
from collections.abc import Callable, Iterable
import contextlib
import inspect
import logging
import struct
import threading
from typing import Any, NamedTuple, Protocol, cast

import aioice.ice
import aioice.turn
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)
import pylibsrtp

from .internals import ice_connection

try:
    # mypy does not find it: it is a compiled module without stubs.
    from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]
except ImportError:
    ffi = lib = None

_LOGGER = logging.getLogger(__name__)

_RTP_STARTED = "_RTCRtpSender__rtp_started"
_RTP_EXITED = "_RTCRtpSender__rtp_exited"
_NTP_TIMESTAMP = "_RTCRtpSender__ntp_timestamp"
_RTP_TIMESTAMP = "_RTCRtpSender__rtp_timestamp"
_PACKET_COUNT = "_RTCRtpSender__packet_count"
_OCTET_COUNT = "_RTCRtpSender__octet_count"
_RTX_PAYLOAD_TYPE = "_RTCRtpSender__rtx_payload_type"
_TX_BYTES = "_RTCDtlsTransport__tx_bytes"
_TX_PACKETS = "_RTCDtlsTransport__tx_packets"
_INNER_PROTOCOL = "_TurnTransport__inner_protocol"
_SEND_TASKS = "_TurnTransport__send_tasks"
# Lost packets that one request may name; no more are ever sent again at once.
_MOST_ASKED = 500

_SENDER_NAMES = (
    _RTP_STARTED,
    _RTP_EXITED,
    _NTP_TIMESTAMP,
    _RTP_TIMESTAMP,
    _PACKET_COUNT,
    _OCTET_COUNT,
    _RTX_PAYLOAD_TYPE,
    "_ssrc",
    "_rtx_ssrc",
    "_run_rtp",
    "_retransmit",
    "_send_keyframe",
)
# Methods that have to go through the instance, for what is set there to count.
_CALLS = (
    (RTCRtpSender, "send", "_run_rtp"),
    (RTCRtpSender, "_handle_rtcp_packet", "_retransmit"),
    (RTCRtpSender, "_handle_rtcp_packet", "_send_keyframe"),
    (RTCRtpSender, "getStats", "_get_stats"),
    (RTCDtlsTransport, "_send_rtp", "_tx_srtp"),
    (RTCDtlsTransport, "_handle_rtcp_data", "_handle_rtcp_packet"),
    (RTCDtlsTransport, "_handle_rtcp_data", "route_rtcp"),
)


def moved() -> list[str]:
    """Return the names that are not where they are looked for.

    Must be called in the event loop.
    """
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = pc.addTransceiver("video").sender
    connection = ice_connection(sender.transport)
    turn = aioice.turn.TurnTransport(cast(Any, None))
    expected: list[tuple[object, tuple[str, ...]]] = [
        (sender, _SENDER_NAMES),
        (sender.transport, ("_tx_srtp", "_send_rtp", "_get_stats", "_rtp_router")),
        (sender.transport, (_TX_BYTES, _TX_PACKETS)),
        (connection, ("_nominated",)),
        (turn, (_INNER_PROTOCOL, _SEND_TASKS)),
        (pylibsrtp.Session(), ("_srtp", "protect", "protect_rtcp")),
    ]
    gone = [
        f"{type(owner).__name__}.{name}"
        for owner, names in expected
        for name in names
        if not hasattr(owner, name)
    ]
    gone += [
        f"{owner.__name__}.{method}()"
        for owner, method, name in _CALLS
        if not _mentions(getattr(owner, method, None), name)
    ]
    if not hasattr(lib, "srtp_protect") or not hasattr(ffi, "from_buffer"):
        gone.append("pylibsrtp._binding")
    return gone


def _mentions(function: object, name: str) -> bool:
    code = getattr(inspect.unwrap(cast(Any, function)), "__code__", None)
    return code is not None and name in code.co_names


class Medium(Protocol):
    """What sends in the place of aiortc; called in the event loop."""

    def start(self, payload_type: int) -> None:
        """Begin; the transport is connected."""

    def stop(self) -> None:
        """End, for good."""

    def find(self, sequence_number: int) -> bytes | None:
        """Return a packet that is to be sent once more."""

    def request_key_frame(self) -> None:
        """Take the viewer's wish for a key frame."""

    def take_report(self, lost: float, highest: int) -> None:
        """Take what the viewer says of the packets that it gets.

        The share (0 to 1) that was lost since the last report, and the highest sequence
        number that came.
        """

    def take_estimate(self, bitrate: int) -> None:
        """Take the viewer's estimate of what comes through, in bits per second."""


def take_over(sender: RTCRtpSender, medium: Medium) -> None:
    """Have a medium send in the place of a sender that has not started."""
    names = vars(sender)

    async def run(codec: RTCRtpCodecParameters) -> None:
        names[_RTP_STARTED].set()
        try:
            medium.start(cast(int, codec.payloadType))
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass
        except Exception as err:  # noqa: BLE001
            _LOGGER.error("Sending could not start: %s", type(err).__name__)
        finally:
            medium.stop()
            # Without this, `RTCRtpSender.stop` would not return.
            names[_RTP_EXITED].set()

    async def retransmit(sequence_number: int) -> None:
        packet = medium.find(sequence_number)
        if packet is not None:
            # One that is too old to be encrypted once more holds no other back.
            with contextlib.suppress(pylibsrtp.Error):
                await sender.transport._send_rtp(packet)

    stock = sender._handle_rtcp_packet

    async def handle(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    lost = report.fraction_lost / 256
                    medium.take_report(lost, report.highest_sequence)
        elif isinstance(packet, RtcpRtpfbPacket):
            # It can name thousands, each of which is looked for in the event loop.
            del packet.lost[_MOST_ASKED:]
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            with contextlib.suppress(ValueError, IndexError, struct.error):
                bitrate, sources = unpack_remb_fci(packet.fci)
                if sender._ssrc in sources:
                    medium.take_estimate(bitrate)
        await stock(packet)

    names["_handle_rtcp_packet"] = handle
    names["_run_rtp"] = run
    names["_retransmit"] = retransmit
    names["_send_keyframe"] = medium.request_key_frame
    _hear_full_requests(sender)


def _hear_full_requests(sender: RTCRtpSender) -> None:
    """Have a sender told of what names it as RFC 5104 section 4.3.1 says.

    aiortc looks for its number where that has to be zero.
    """
    router = sender.transport._rtp_router
    stock = router.route_rtcp

    def route(packet: AnyRtcpPacket) -> set[Any]:
        recipients = stock(packet)
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_FIR:
            named = {packet.fci[at : at + 4] for at in range(0, len(packet.fci), 8)}
            if sender._ssrc.to_bytes(4) in named:
                recipients.add(sender)
        return recipients

    vars(router)["route_rtcp"] = route


class Identity(NamedTuple):
    """By what a sender's packets are told from others."""

    ssrc: int
    rtx_ssrc: int
    rtx_payload_type: int | None


def identity(sender: RTCRtpSender) -> Identity:
    """Return what has been negotiated, or drawn, for a sender that has started."""
    payload_type = vars(sender)[_RTX_PAYLOAD_TYPE]
    return Identity(sender._ssrc, sender._rtx_ssrc, payload_type)


def report(
    sender: RTCRtpSender, *, packets: int, octets: int, ntp: int, timestamp: int
) -> None:
    """Tell a sender what has been sent, for its reports (RFC 3550 section 6.4.1)."""
    names = vars(sender)
    names[_PACKET_COUNT] += packets
    names[_OCTET_COUNT] += octets
    names[_NTP_TIMESTAMP] = ntp
    names[_RTP_TIMESTAMP] = timestamp


class SharedSession:
    """An SRTP session that the event loop and another thread use.

    libsrtp's sessions are for one thread at a time, so both hold the lock.
    """

    def __init__(self, session: pylibsrtp.Session) -> None:
        """Stand in for a session."""
        self._session = session
        self.lock = threading.Lock()
        self.context = session._srtp[0]

    def protect(self, packet: bytes) -> bytes:
        """Encrypt a packet of RTP."""
        with self.lock:
            return self._session.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt a packet of RTCP."""
        with self.lock:
            return self._session.protect_rtcp(packet)

    def find_trailer(self, ssrc: int, sequence_number: int) -> int:
        """Return how many bytes are added to a packet. Raises pylibsrtp.Error.

        The number must be one that the stream has still to come to.
        """
        # That can be seen by trying; this never leaves the machine.
        probe = struct.pack("!BBHII", 0x80, 0, sequence_number, 0, ssrc) + b"\0"
        return len(self.protect(probe)) - len(probe)


def share_session(transport: RTCDtlsTransport) -> SharedSession:
    """Make the session of a connected transport one that others can use as well."""
    session: pylibsrtp.Session | SharedSession = transport._tx_srtp
    if isinstance(session, SharedSession):
        return session
    shared = vars(transport)["_tx_srtp"] = SharedSession(session)
    return shared


def count_traffic(
    transport: RTCDtlsTransport, take: Callable[[], tuple[int, int]]
) -> None:
    """Add packets and bytes that went past a transport whenever it is asked for them."""
    names = vars(transport)
    stock = transport._get_stats

    def get_stats() -> object:
        packets, octets = take()
        names[_TX_PACKETS] += packets
        names[_TX_BYTES] += octets
        return stock()

    names["_get_stats"] = get_stats


class Scratch:
    """Memory in which packets are encrypted where they are."""

    def __init__(self, size: int) -> None:
        """Take the memory; it is for one thread."""
        self.data = bytearray(size)
        self.view = memoryview(self.data)
        self._base = ffi.from_buffer("char[]", self.data, require_writable=True)
        self._length = ffi.new("int *")

    def protect(self, session: SharedSession, spans: Iterable[tuple[int, int]]) -> None:
        """Encrypt packets, by where they begin and their size.

        Raises pylibsrtp.Error.
        """
        protect, context = lib.srtp_protect, session.context
        base, length = self._base, self._length
        with session.lock:
            for at, size in spans:
                length[0] = size
                if status := protect(context, base + at, length):
                    raise pylibsrtp.Error(f"libsrtp's status is {status}")


class Path(NamedTuple):
    """The pair of addresses that ICE has selected."""

    transport: Any
    """An asyncio datagram transport, or what looks like one for a relay."""

    address: tuple[str, int]
    is_relayed: bool


def selected_path(connection: aioice.ice.Connection) -> Path | None:
    """Return what a connection sends by at this moment; for any thread."""
    pair = connection._nominated.get(1)
    if pair is None:
        return None
    transport = pair.protocol.transport
    is_relayed = isinstance(transport, aioice.turn.TurnTransport)
    return Path(transport, pair.remote_addr, is_relayed)


def relay_backlog(transport: aioice.turn.TurnTransport, size: int) -> int:
    """Return how many bytes wait on this side of a relay; tasks hold `size` each."""
    names = vars(transport)
    inner = names[_INNER_PROTOCOL].transport
    buffered = int(inner.get_write_buffer_size())
    return buffered + size * len(names[_SEND_TASKS])
