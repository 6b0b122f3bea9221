"""Silence has the right size, has no gap, and decodes to nothing."""

import asyncio
from itertools import pairwise

from aiortc.rtp import RtpPacket
import av
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer
from custom_components.kinesis_webrtc.peer.silence import FRAMES
from tests.helpers.viewers import EchoPeer


@pytest.mark.parametrize(
    ("name", "decoder"),
    [("opus", "libopus"), ("PCMU", "pcm_mulaw"), ("PCMA", "pcm_alaw")],
)
def test_frames_are_silent_and_as_long_as_they_should_be(
    name: str, decoder: str
) -> None:
    rate, frame = FRAMES[name]
    context = av.CodecContext.create(decoder, "r")
    context.sample_rate = rate
    context.layout = "stereo" if name == "opus" else "mono"
    for _ in range(5):
        [decoded] = context.decode(av.Packet(frame))
        assert abs(decoded.to_ndarray()).max() <= 8
        assert decoded.samples == rate // 50


@pytest.mark.parametrize(
    ("formats", "samples", "frame"),
    [("96 0 8", 960, b"\xf8\xff\xfe"), ("0 8", 160, b"\xff" * 160)],
)
async def test_viewers_get_it_without_a_gap_and_with_reports(
    master: MasterPeer, formats: str, samples: int, frame: bytes
) -> None:
    packets: list[RtpPacket] = []
    enough = asyncio.Event()
    async with EchoPeer() as echo:
        receiver = echo.pc.getTransceivers()[0].receiver
        stock = receiver._handle_rtp_packet

        async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
            packets.append(packet)
            if len(packets) == 60:
                enough.set()
            await stock(packet, arrival_time_ms)

        receiver._handle_rtp_packet = handle
        offer = (await echo.offer()).replace("96 0 8", formats)
        if not formats.startswith("96"):
            offer = offer.replace("a=rtpmap:96 opus/48000/2\n", "")
        await echo.accept(await master.answer("echo", offer, []))
        await asyncio.wait_for(enough.wait(), 15)
        sender = master._sessions["echo"]._pc.getTransceivers()[0].sender
        stats = {each.type: each for each in (await sender.getStats()).values()}
        # What has just been sent may be counted a moment later.
        assert stats["outbound-rtp"].packetsSent >= 59
        sent = stats["outbound-rtp"].packetsSent
        assert stats["outbound-rtp"].bytesSent == sent * len(frame)
    assert {packet.payload for packet in packets} == {frame}
    for before, after in pairwise(packets):
        assert (after.sequence_number - before.sequence_number) & 0xFFFF == 1
        step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        assert step
        assert step % samples == 0
