"""A viewer made of aiortc that notes what it hears and sees, and when that was captured."""

import asyncio
from collections.abc import Callable

from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket
import av
import numpy as np

from custom_components.kinesis_webrtc.peer import MasterPeer
from tests.helpers.sound import Ear, loudness
from tests.helpers.viewers import EchoPeer
from tests.peer.rtp_viewer import units_of

START_CODE = b"\0\0\0\1"


class Listener(EchoPeer):
    """Keeps packets and reports of sound and pictures, by payload type."""

    def __init__(self) -> None:
        """Listen, from before the connection is there."""
        super().__init__()
        self.packets: dict[int, list[RtpPacket]] = {}
        self.reports: dict[int, list[RtcpSrPacket]] = {}
        self._transport = self.pc.getTransceivers()[0].receiver.transport
        self._stock = self._transport._handle_rtp_data
        self._stock_rtcp = self._transport._handle_rtcp_data
        vars(self._transport)["_handle_rtp_data"] = self._handle
        vars(self._transport)["_handle_rtcp_data"] = self._handle_rtcp
        self._arrived = asyncio.Event()

    async def watch(self, master: MasterPeer, formats: str = "96 0 8") -> None:
        """Have a master answer an offer with these formats of sound."""
        offer = (await self.offer()).replace("96 0 8", formats)
        if "96" not in formats:
            offer = offer.replace("a=rtpmap:96 opus/48000/2\n", "")
        await self.accept(await master.answer("echo", offer, []))

    async def wait(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Wait for something that packets bring."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    def sounds(self, payload_type: int = 96) -> list[bytes]:
        """Return the frames of sound."""
        return [each.payload for each in self.packets.get(payload_type, [])]

    def heard(self, codec: str = "opus", payload_type: int = 96) -> np.ndarray:
        """Return the samples of all sound."""
        ear = Ear(codec)
        return np.concatenate([ear.hear(each) for each in self.sounds(payload_type)])

    def captured(self, packet: RtpPacket, rate: int) -> float:
        """Return when a packet's media was captured, by the report before the last."""
        info = self.reports[packet.ssrc][-1].sender_info
        ahead = (packet.timestamp - info.rtp_timestamp + (1 << 31)) & 0xFFFFFFFF
        return info.ntp_timestamp / (1 << 32) + (ahead - (1 << 31)) / rate

    async def _handle(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data)
        self.packets.setdefault(packet.payload_type, []).append(packet)
        await self._stock(data, arrival_time_ms=arrival_time_ms)
        self._arrived.set()

    async def _handle_rtcp(self, data: bytes) -> None:
        for packet in RtcpPacket.parse(data):
            if isinstance(packet, RtcpSrPacket) and packet.sender_info.packet_count:
                self.reports.setdefault(packet.ssrc, []).append(packet)
        await self._stock_rtcp(data)
        self._arrived.set()


def beeps_of(viewer: Listener) -> list[float]:
    """Return when tones that were heard had been captured, in seconds."""
    found: list[float] = []
    ear, was_loud = Ear(), True
    for packet in viewer.packets[96]:
        samples = ear.hear(packet.payload)
        is_loud = loudness(samples) > 0.05
        if is_loud and not was_loud:
            first = int(np.argmax(np.abs(samples) > 0.05))
            found.append(viewer.captured(packet, 48_000) + first / 48_000)
        was_loud = is_loud
    return found


def flashes_of(viewer: Listener) -> list[float]:
    """Return when white pictures that were seen had been captured, in seconds."""
    found: list[float] = []
    decoder, payloads, was_bright = av.CodecContext.create("h264", "r"), [], True
    for packet in viewer.packets[99]:
        payloads.append(packet.payload)
        if not packet.marker:
            continue
        data = b"".join(START_CODE + unit for unit in units_of(payloads))
        payloads = []
        for frame in decoder.decode(av.Packet(data)):
            is_bright = frame.to_ndarray(format="gray").mean() > 128
            if is_bright and not was_bright:
                found.append(viewer.captured(packet, 90_000))
            was_bright = is_bright
    return found
