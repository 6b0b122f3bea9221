"""Viewers that keep the packets they get, and lose some of them if told to."""

import asyncio
from collections.abc import Callable, Iterable
import struct

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpSrPacket, RtpPacket, unwrap_rtx
import pylibsrtp

from custom_components.kinesis_webrtc.peer.h264 import nal_units
from tests.helpers.viewers import EchoPeer, Viewer


class _Lossy:
    """A viewer's SRTP session that never hears of some packets."""

    def __init__(self, session: pylibsrtp.Session, packets: Packets) -> None:
        self._session = session
        self._packets = packets
        self.unprotect_rtcp = session.unprotect_rtcp

    def unprotect(self, data: bytes) -> bytes:
        self._packets.check(data)
        return self._session.unprotect(data)


class Packets:
    """What has come of one viewer's video, in order of arrival."""

    def __init__(self, viewer: Viewer) -> None:
        """Listen, from before the connection is there."""
        self.rtp: list[RtpPacket] = []
        self.repaired: list[RtpPacket] = []
        self.lost: dict[int, bytes] = {}
        self.again: dict[int, bytes] = {}
        self.reports: list[tuple[int, RtcpSrPacket]] = []
        self.lose: Callable[[int], bool] = lambda _: False
        self.receiver: RTCRtpReceiver = viewer.pc.getTransceivers()[-1].receiver
        self._transport: RTCDtlsTransport = self.receiver.transport
        self._stock = self._transport._handle_rtp_data
        self._stock_rtcp = self._transport._handle_rtcp_data
        vars(self._transport)["_handle_rtp_data"] = self._handle
        vars(self._transport)["_handle_rtcp_data"] = self._handle_rtcp
        self._map = self._transport._rtp_header_extensions_map
        self._changed = asyncio.Condition()
        self._ssrc: int | None = None

    @property
    def ssrc(self) -> int:
        assert self._ssrc is not None
        return self._ssrc

    async def wait(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(condition)

    async def ask_for_key_frame(self) -> None:
        await self.receiver._send_rtcp_pli(self.ssrc)

    async def ask_for_all_of_it(self, number: int) -> None:
        """Ask for a key frame as conferences do (RFC 5104 section 4.3.1)."""
        who = vars(self.receiver)["_RTCRtpReceiver__rtcp_ssrc"]
        fci = struct.pack("!LBxxx", self.ssrc, number)
        await self.receiver._send_rtcp(
            RtcpPsfbPacket(fmt=4, ssrc=who, media_ssrc=0, fci=fci)
        )

    def check(self, data: bytes) -> None:
        """Lose a packet of the video, once, as it was on its way."""
        number, ssrc = int.from_bytes(data[2:4]), int.from_bytes(data[8:12])
        if ssrc != self._ssrc:
            return
        if number in self.lost:
            self.again[number] = data
        elif self.lose(number):
            self.lost[number] = data
            raise pylibsrtp.Error("lost")

    async def _handle(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data, self._map)
        # Frames of silence have 160 bytes at the most.
        if self._ssrc is None and len(packet.payload) > 200:
            self._ssrc = packet.ssrc
            session = self._transport._rx_srtp
            self._transport._rx_srtp = _Lossy(session, self)
        if packet.ssrc == self._ssrc:
            known = packet.sequence_number in self.lost
            (self.repaired if known else self.rtp).append(packet)
        elif int.from_bytes(packet.payload[:2]) in self.lost:
            self.repaired.append(
                unwrap_rtx(packet, self.rtp[0].payload_type, self.ssrc)
            )
        await self._stock(data, arrival_time_ms=arrival_time_ms)
        await self._tell()

    async def _handle_rtcp(self, data: bytes) -> None:
        self.reports += [
            (len(self.rtp), packet)
            for packet in RtcpPacket.parse(data)
            if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._ssrc
        ]
        await self._stock_rtcp(data)
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def pictures(self) -> list[tuple[int, list[bytes]]]:
        """Return timestamp and NAL units of each picture that is whole."""
        pictures: list[tuple[int, list[bytes]]] = []
        payloads: list[bytes] = []
        first = self.rtp[0].sequence_number if self.rtp else 0
        whole = sorted(
            self.rtp + self.repaired,
            key=lambda packet: (packet.sequence_number - first) & 0xFFFF,
        )
        for packet in whole:
            payloads.append(packet.payload)
            if packet.marker:
                pictures.append((packet.timestamp, list(units_of(payloads))))
                payloads = []
        return pictures

    def keys(self) -> int:
        return sum(any(u[0] & 31 == 5 for u in units) for _, units in self.pictures())


class PlainViewer(Viewer):
    """A viewer as a browser is one, with its packets."""

    def __init__(self) -> None:
        super().__init__()
        self.packets = Packets(self)


class PlainEcho(EchoPeer):
    """A viewer as an Echo is one, with its packets."""

    def __init__(self) -> None:
        super().__init__()
        self.packets = Packets(self)


def units_of(payloads: Iterable[bytes]) -> Iterable[bytes]:
    """Put NAL units together (RFC 6184 section 5)."""
    fragments: list[bytes] = []
    for payload in payloads:
        kind = payload[0] & 31
        if kind == 24:
            rest = payload[1:]
            while rest:
                size = int.from_bytes(rest[:2])
                yield rest[2 : 2 + size]
                rest = rest[2 + size :]
        elif kind == 28:
            if payload[1] & 0x80:
                assert not fragments
                fragments = [bytes([payload[0] & 0xE0 | payload[1] & 0x1F])]
            assert fragments
            fragments.append(payload[2:])
            if payload[1] & 0x40:
                yield b"".join(fragments)
                fragments = []
        else:
            assert 1 <= kind <= 23
            yield payload
    assert not fragments


def units_in(data: bytes) -> list[bytes]:
    """Return the NAL units of an access unit in Annex B form."""
    return [data[begin:end] for _, begin, end in nal_units(data)]
