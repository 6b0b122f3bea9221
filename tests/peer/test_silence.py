"""Silence has the right size, the right pace, and decodes to nothing."""

import asyncio

from aiortc.mediastreams import MediaStreamError
import av
import pytest

from custom_components.kinesis_webrtc.peer.codecs import Codec
from custom_components.kinesis_webrtc.peer.silence import SilencePacker, SilenceTrack


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
    assert 0.07 < loop.time() - began < 0.3


async def test_stopped_track_gives_no_more() -> None:
    track = SilenceTrack(codec("opus"))
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()
