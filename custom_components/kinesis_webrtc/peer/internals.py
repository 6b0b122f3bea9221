"""Every private name of aiortc and aioice that the peer leans on.

aiortc has no bounded gathering, no outward trickle, no way to pass a certificate
in, and no end of its own background tasks. What is needed for these stands here
and nowhere else. `missing` says which names a release of theirs has moved.

aiortc also sends each packet of each viewer by itself, in the event loop. What is
needed to send in its place stands in `takeover`, which has a check of its own:
without it there is still aiortc's way.
"""

import asyncio
from collections.abc import Awaitable, Callable
import logging
from typing import Any, cast, override

import aioice.ice
import aioice.stun
import aioice.turn
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtcrtptransceiver import RTCRtpTransceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

_LOGGER = logging.getLogger(__name__)

_CERTIFICATES = "_RTCPeerConnection__certificates"
_CONNECT = "_RTCPeerConnection__connect"
_ACTIVE_SSRC = "_RTCRtpReceiver__active_ssrc"
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_ENCODER = "_RTCRtpSender__encoder"
_CLOSE_TASK = "_TurnTransport__close_task"
_INNER_PROTOCOL = "_TurnTransport__inner_protocol"
_SEND_TASKS = "_TurnTransport__send_tasks"

_CONNECTION_NAMES = (
    "_check_list",
    "_closing",
    "_local_candidates",
    "_local_candidates_end",
    "_local_candidates_start",
    "_nominated",
    "_pair_remote_candidate",
    "_protocols",
    "_queue",
    "_remote_candidates",
    "build_request",
    "gather_candidates",
    "protocol_lost",
    "remote_password",
    "sort_check_list",
)


# Datagrams that may wait for DTLS, which takes them as they come: hundreds of them are
# no handshake but a flood, which would fill the memory until the session's time is up.
_MOST_WAITING = 256
# Addresses that checks have come from. A viewer has one for each of its networks and
# NATs; each costs a pair per socket of ours, and is only ever forgotten with its session.
_MOST_LEARNT = 64
# The first byte of what is not STUN (RFC 7983).
_AFTER_STUN = 4


class IncompatibleLibraryError(Exception):
    """The installed aiortc or aioice has moved what the peer leans on."""


def missing() -> list[str]:
    """Return the names that are not where they are looked for.

    Must be called in the event loop.
    """
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = pc.addTransceiver("video")
    connection = ice_connection(transceiver.receiver.transport)
    protocol = aioice.ice.StunProtocol(connection)
    turn = aioice.turn.TurnTransport(cast(Any, None))
    client = aioice.turn.TurnClientUdpProtocol(("", 0), None, None, 0, 0)
    expected: list[tuple[object, tuple[str, ...]]] = [
        (pc, (_CERTIFICATES, _CONNECT)),
        (transceiver, ("_codecs",)),
        (
            transceiver.receiver,
            (
                _ACTIVE_SSRC,
                _JITTER_BUFFER,
                "_enabled",
                "_handle_rtcp_packet",
                "_handle_rtp_packet",
                "_send_rtcp_nack",
                "_send_rtcp_pli",
            ),
        ),
        (transceiver.sender, (_ENCODER,)),
        (
            transceiver.receiver.transport,
            ("_get_stats", "_handle_rtcp_data", "_handle_rtp_data"),
        ),
        (connection, _CONNECTION_NAMES),
        (protocol, ("request", "transactions", "close")),
        (turn, (_CLOSE_TASK, _INNER_PROTOCOL, _SEND_TASKS)),
        (client, ("channel_bind", "channel_refresh_at", "channel_to_peer")),
        (aioice.ice, ("get_host_addresses", "CONSENT_FAILURES", "CONSENT_INTERVAL")),
        (aioice.turn, ("create_turn_endpoint", "UDP_SOCKET_BUFFER_SIZE")),
        (aioice.stun, ("Message", "Method", "Class", "TransactionError")),
    ]
    return [
        f"{type(owner).__name__}.{name}"
        for owner, names in expected
        for name in names
        if not hasattr(owner, name)
    ]


def new_connection(
    certificate: RTCCertificate, on_task: Callable[[asyncio.Task[None]], None]
) -> RTCPeerConnection:
    """Return a peer connection with this certificate and one transport for all.

    `on_task` gets the tasks that connect and close, which aiortc starts and forgets.
    """
    pc = RTCPeerConnection(
        RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )
    names = vars(pc)
    names[_CERTIFICATES] = [certificate]
    stock = getattr(pc, _CONNECT)

    def connect() -> asyncio.Task[None]:
        task = asyncio.create_task(stock(), name="kinesis_webrtc connect")
        on_task(task)
        return task

    # aiortc wraps what this returns in ensure_future, which keeps a task as it is.
    names[_CONNECT] = connect
    closing: asyncio.Task[None] | None = None

    async def close() -> None:
        # aiortc closes by itself after a goodbye; whoever then gives up waiting for
        # that would cancel the future that it still has to set.
        nonlocal closing
        if closing is None:
            closing = asyncio.create_task(
                type(pc).close(pc), name="kinesis_webrtc close"
            )
            on_task(closing)
        await asyncio.shield(closing)

    names["close"] = close
    return pc


def ice_connection(transport: RTCDtlsTransport) -> aioice.ice.Connection:
    """Return the ICE connection below a DTLS transport."""
    return transport.transport._connection


class GuardedProtocol(aioice.ice.StunProtocol):
    """What anybody can send datagrams to, without knowing any secret.

    aioice lets through what cannot be read, and aiortc ends a session that gets an
    empty one.
    """

    @override
    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Take a datagram, or pass it over."""
        if not data or not isinstance(data, bytes):
            return
        connection = self.receiver
        if data[0] >= _AFTER_STUN and connection._queue.qsize() >= _MOST_WAITING:
            return
        known = connection._remote_candidates
        if (
            data[0] < _AFTER_STUN
            and len(known) >= _MOST_LEARNT
            # Responses and errors have that bit.
            and not data[0] & 1
            and not any(addr[:2] == (each.host, each.port) for each in known)
        ):
            return
        try:
            super().datagram_received(data, addr)
        except Exception as err:  # noqa: BLE001 - struct.error, KeyError and others
            # Only the type: the text may hold what the datagram held.
            _LOGGER.debug("A datagram cannot be read: %s", type(err).__name__)


def guard_media(transport: RTCDtlsTransport, *, takes_rtp: bool) -> None:
    """Pass over RTP and RTCP that are damaged, and RTP where nothing is to be received.

    aiortc would end a session for one packet that it cannot read.
    """
    names = vars(transport)
    take_report, take_media = transport._handle_rtcp_data, transport._handle_rtp_data

    async def take(handled: Awaitable[None]) -> None:
        try:
            await handled
        except ConnectionError:
            raise
        except Exception as err:  # noqa: BLE001 - struct.error and others
            # Only the type: the text may hold what the packet held.
            _LOGGER.debug("A packet cannot be read: %s", type(err).__name__)

    async def handle_report(data: bytes) -> None:
        await take(take_report(data))

    async def handle_media(data: bytes, arrival_time_ms: int) -> None:
        if takes_rtp:
            await take(take_media(data, arrival_time_ms=arrival_time_ms))

    names["_handle_rtcp_data"] = handle_report
    names["_handle_rtp_data"] = handle_media


def set_gatherer(
    connection: aioice.ice.Connection, gather: Callable[[], Awaitable[None]]
) -> None:
    """Have candidates gathered by someone else."""
    vars(connection)["gather_candidates"] = gather


def begin_gathering(connection: aioice.ice.Connection) -> None:
    """Mark gathering as begun and done, so that checks may start."""
    connection._local_candidates_start = True
    connection._local_candidates_end = True


def add_protocol(
    connection: aioice.ice.Connection, protocol: aioice.ice.StunProtocol
) -> None:
    """Let a connection use one more local candidate, also while it checks."""
    connection._protocols.append(protocol)
    connection._local_candidates.append(protocol.local_candidate)
    for remote in list(connection._remote_candidates):
        connection._pair_remote_candidate(remote)
    connection.sort_check_list()


def has_lost_consent(connection: aioice.ice.Connection) -> bool:
    """Tell whether ICE has closed by itself, so that not the viewer said goodbye."""
    return connection._closing


def selected_types(
    connection: aioice.ice.Connection,
) -> tuple[str | None, str | None]:
    """Return the types of the selected pair's local and remote candidate."""
    pair = connection._nominated.get(1)
    if pair is None:
        return None, None
    return pair.local_candidate.type, pair.remote_candidate.type


def bytes_sent(transport: RTCDtlsTransport) -> int:
    """Return what a DTLS transport has sent, in bytes of its own payload."""
    return sum(stats.bytesSent for stats in transport._get_stats().values())


def set_payload_type(transceiver: RTCRtpTransceiver, old: int, new: int) -> None:
    """Send a codec under a payload type that aiortc would not take over."""
    for codec in transceiver._codecs:
        if codec.payloadType == old:
            codec.payloadType = new
        if codec.parameters.get("apt") == old:
            codec.parameters["apt"] = new


def set_packer(sender: RTCRtpSender, packer: object) -> None:
    """Have packets that are encoded already cut into payloads by this object."""
    vars(sender)[_ENCODER] = packer


async def request_key_frame(receiver: RTCRtpReceiver) -> None:
    """Ask the far side for a key frame (RFC 4585 section 6.3.1)."""
    for ssrc in tuple(getattr(receiver, _ACTIVE_SSRC)):
        await receiver._send_rtcp_pli(ssrc)


def watch_packets(
    receiver: RTCRtpReceiver, on_packet: Callable[[int, bytes], None]
) -> None:
    """Tell of each RTP packet, by payload type and payload, before it is handled."""
    stock = receiver._handle_rtp_packet

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
        on_packet(packet.payload_type, packet.payload)
        await stock(packet, arrival_time_ms=arrival_time_ms)

    vars(receiver)["_handle_rtp_packet"] = handle


def discard_packets(receiver: RTCRtpReceiver) -> None:
    """Have a receiver throw away what comes, before it is decoded."""
    receiver._enabled = False


class _Diversion:
    """Stands where a receiver keeps packets until there is something to decode."""

    def __init__(self, take: Callable[[RtpPacket, bytes], None]) -> None:
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take a packet; nothing ever needs a key frame, or is there to decode."""
        data: bytes = vars(packet)["_data"]
        self._take(packet, data)
        return False, None


def divert_packets(
    receiver: RTCRtpReceiver, take: Callable[[RtpPacket, bytes], None]
) -> None:
    """Take packets as they come, out of their order, so that nothing is decoded.

    `take` also gets what is in the packet: for H.264 the NAL units in Annex B form, or
    more of the last one. Statistics, reports and first requests for what is missing
    stay aiortc's.
    """
    vars(receiver)[_JITTER_BUFFER] = _Diversion(take)


def watch_reports(
    receiver: RTCRtpReceiver, on_report: Callable[[int, int], None]
) -> None:
    """Tell of each sender report: the time as NTP has it, and that of the medium."""
    stock = receiver._handle_rtcp_packet

    async def handle(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            info = packet.sender_info
            on_report(info.ntp_timestamp, info.rtp_timestamp)
        await stock(packet)

    vars(receiver)["_handle_rtcp_packet"] = handle


async def request_packets(
    receiver: RTCRtpReceiver, ssrc: int, numbers: list[int]
) -> None:
    """Ask for packets once more (RFC 4585 section 6.2.1)."""
    await receiver._send_rtcp_nack(ssrc, numbers)
