"""Silence has the right size, the right pace, and decodes to nothing."""

import asyncio
from itertools import pairwise

from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
import av
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer
from custom_components.kinesis_webrtc.peer.codecs import Codec
from custom_components.kinesis_webrtc.peer.silence import SilencePacker, SilenceTrack
from tests.helpers.viewers import EchoPeer


def codec(name: str) -> Codec:
    return Codec(name=name, clock="", payload_type=0)


@pytest.mark.parametrize(
    ("name", "decoder", "step"),
    [("opus", "libopus", 960), ("PCMU", "pcm_mulaw", 160), ("PCMA", "pcm_alaw", 160)],
)
async def test_frames_are_silent_and_in_time(
    name: str, decoder: str, step: int
) -> None:
    track = SilenceTrack(codec(name))
    loop = asyncio.get_running_loop()
    began = loop.time()
    stamps = []
    context = av.CodecContext.create(decoder, "r")
    context.sample_rate = 48000 if name == "opus" else 8000
    context.layout = "stereo" if name == "opus" else "mono"
    for _ in range(5):
        payloads, stamp = SilencePacker().pack(await track.recv())
        stamps.append(stamp)
        for frame in context.decode(av.Packet(payloads[0])):
            assert abs(frame.to_ndarray()).max() <= 8
    assert stamps == [step * number for number in range(5)]
    assert 0.07 < loop.time() - began < 3


async def test_stopped_track_gives_no_more() -> None:
    track = SilenceTrack(codec("opus"))
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()


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
