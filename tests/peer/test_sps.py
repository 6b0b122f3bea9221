"""What sequence parameter sets say, from FFmpeg's encoder and by hand."""

from fractions import Fraction

import av
import pytest

from custom_components.kinesis_webrtc.peer.h264 import nal_units
from custom_components.kinesis_webrtc.peer.sps import read_sequence


def encoded_set(width: int, height: int, pix_fmt: str, **options: str) -> bytes:
    """Return the parameter set of a stream that libx264 has made."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pix_fmt
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast"} | options
    frame = av.VideoFrame(width, height, pix_fmt)
    frame.pts = 0
    data = b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))
    (found,) = [data[begin:end] for kind, begin, end in nal_units(data) if kind == 7]
    return found


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (322, 242), (704, 576)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "gray"])
def test_size_is_that_of_the_pictures(size: tuple[int, int], pix_fmt: str) -> None:
    sequence = read_sequence(encoded_set(*size, pix_fmt))
    assert (sequence.width, sequence.height) == size
    assert not sequence.may_be_fields


def test_fields_are_told_and_count_as_half_a_picture() -> None:
    unit = encoded_set(720, 576, "yuv420p", **{"x264-params": "interlaced=1"})
    sequence = read_sequence(unit)
    assert (sequence.width, sequence.height) == (720, 576)
    assert sequence.may_be_fields


@pytest.mark.parametrize("matrices", ["jvt", "flat"])
def test_scaling_lists_are_skipped(matrices: str) -> None:
    params = {"x264-params": f"cqm={matrices}:8x8dct=1"}
    sequence = read_sequence(encoded_set(640, 480, "yuv420p", **params))
    assert (sequence.width, sequence.height) == (640, 480)


@pytest.mark.parametrize(
    "order",
    [
        "11",
        # A cycle of one offset.
        "0101101001000110",
    ],
    ids=["type 0", "type 1"],
)
def test_every_kind_of_picture_order(order: str) -> None:
    # Baseline 1.0; set 0, frame numbers of 4 bits; 1 reference; 20 x 15 macroblocks.
    bits = "11" + order + "0100000010100000111111001"
    bits += "0" * (-len(bits) % 8)
    unit = b"\x67\x42\x00\x0a" + int(bits, 2).to_bytes(len(bits) // 8)
    sequence = read_sequence(unit)
    assert (sequence.width, sequence.height) == (320, 240)


@pytest.mark.parametrize("length", range(9))
def test_short_set_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="no more"):
        read_sequence(encoded_set(1280, 720, "yuv420p")[:length])
