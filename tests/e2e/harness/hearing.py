"""What a viewer made of aiortc hears, and how far that is from what it sees."""

from collections.abc import Callable
from typing import Any

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket
import numpy as np

from tests.helpers.sound import Ear, loudness, pitch_of

from .camera import BEEP_EVERY

_OPUS, _H264 = 96, 99
_SECOND = 50
_LOUD = 0.02
# A beep and a picture that are further apart belong to different seconds.
_FAR = 0.5


class Hearing:
    """Says each second of sound: how loud, at which pitch, how late (ms) to the picture.

    Beep and picture are told apart by the senders' reports, as a viewer does that plays
    them together; what was not played was not delayed.
    """

    def __init__(
        self, transport: RTCDtlsTransport, say: Callable[[dict[str, Any]], None]
    ) -> None:
        """Listen, from before the connection is there."""
        self._say = say
        self._ear = Ear()
        self._reports: dict[int, RtcpSrPacket] = {}
        self._origin: RtpPacket | None = None
        self._heard: list[tuple[RtpPacket, np.ndarray]] = []
        self._was_loud = True
        # When the beginnings of beeps, and the pictures that go with them, were captured.
        self._beeps: list[float] = []
        self._marks: list[float] = []
        self._stock = transport._handle_rtp_data
        self._stock_rtcp = transport._handle_rtcp_data
        vars(transport)["_handle_rtp_data"] = self._handle
        vars(transport)["_handle_rtcp_data"] = self._handle_rtcp

    def see(self, number: int, pts: int) -> None:
        """Take a picture by its number, and its time since the first one (1/90000 s)."""
        if number % BEEP_EVERY or self._origin is None:
            return
        timestamp = self._origin.timestamp + pts
        if (at := self._captured(self._origin.ssrc, timestamp, 90_000)) is not None:
            self._marks = [*self._marks[-5:], at]

    def _captured(self, ssrc: int, timestamp: int, rate: int) -> float | None:
        if (report := self._reports.get(ssrc)) is None:
            return None
        info = report.sender_info
        ahead = (timestamp - info.rtp_timestamp + (1 << 31)) & 0xFFFFFFFF
        return info.ntp_timestamp / (1 << 32) + (ahead - (1 << 31)) / rate

    async def _handle(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data)
        if packet.payload_type == _OPUS:
            self._hear(packet)
        elif packet.payload_type == _H264 and self._origin is None:
            self._origin = packet
        await self._stock(data, arrival_time_ms=arrival_time_ms)

    async def _handle_rtcp(self, data: bytes) -> None:
        for packet in RtcpPacket.parse(data):
            if isinstance(packet, RtcpSrPacket) and packet.sender_info.packet_count:
                self._reports[packet.ssrc] = packet
        await self._stock_rtcp(data)

    def _hear(self, packet: RtpPacket) -> None:
        samples = self._ear.hear(packet.payload)
        self._heard.append((packet, samples))
        is_loud = loudness(samples) > _LOUD
        if is_loud and not self._was_loud:
            first = packet.timestamp + int(np.argmax(np.abs(samples) > _LOUD))
            if (at := self._captured(packet.ssrc, first, self._ear.rate)) is not None:
                self._beeps.append(at)
        self._was_loud = is_loud
        if len(self._heard) == _SECOND:
            self._tell()

    def _tell(self) -> None:
        samples = [samples for _, samples in self._heard]
        loud = [each for each in samples if loudness(each) > _LOUD]
        lags = []
        for beep in tuple(self._beeps):
            near = min(self._marks, key=lambda at: abs(at - beep), default=None)
            if near is not None and abs(near - beep) < _FAR:
                lags.append(round((beep - near) * 1000, 1))
                self._beeps.remove(beep)
        # Pictures may come later than their sound, but not that late.
        self._beeps = self._beeps[-3:]
        self._say(
            {
                "loudness": round(loudness(np.concatenate(samples)), 4),
                "pitch": round(pitch_of(np.concatenate(loud), self._ear.rate), 1)
                if loud
                else None,
                "lags_ms": lags,
            }
        )
        self._heard.clear()
