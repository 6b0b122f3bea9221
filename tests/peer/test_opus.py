"""What is taken for a packet of Opus is what a decoder takes."""

import av
import av.error
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.kinesis_webrtc.peer import opus
from custom_components.kinesis_webrtc.peer.silence import FRAMES


@pytest.fixture(scope="module")
def decoder() -> av.AudioCodecContext:
    """Have the decoder that viewers' sound goes to."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "stereo", 48_000
    return decoder


def code_3(head: int, count: int, padding: list[int], rest: bytes) -> bytes:
    """Return a packet that tells how many frames it has, or nearly one."""
    return bytes([head | 3, count, *padding]) + rest


PACKETS = st.binary(min_size=1, max_size=60) | st.builds(
    code_3,
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(st.sampled_from([255, 0, 1, 2, 254]), max_size=3),
    st.binary(max_size=60).map(lambda part: part * 30) | st.binary(max_size=60),
)


@settings(max_examples=500, deadline=None)
@given(packet=PACKETS)
def test_what_is_a_packet_is_what_decodes(
    decoder: av.AudioCodecContext, packet: bytes
) -> None:
    try:
        decoder.decode(av.Packet(packet))
    except av.error.FFmpegError:
        decodes = False
    else:
        decodes = True
    assert opus.is_packet(packet) is decodes


def test_silence_is_a_packet() -> None:
    assert opus.is_packet(FRAMES["opus"][1])


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00" + bytes(1276), id="frame too long"),
        pytest.param(b"\x01" + bytes(3), id="halves that differ"),
        pytest.param(b"\x02", id="no length"),
        pytest.param(b"\x02\x05ab", id="length of more than there is"),
        pytest.param(b"\x03", id="no number"),
        pytest.param(b"\x03\x00", id="no frames"),
        pytest.param(b"\x03\x0d" + bytes(13), id="more than 120 ms"),
        pytest.param(b"\x03\x41\x05ab", id="more padding than there is"),
    ],
)
def test_what_breaks_the_framing_is_none(packet: bytes) -> None:
    assert not opus.is_packet(packet)
