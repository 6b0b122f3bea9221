"""The test camera's clip, encoded once and kept."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

from .pattern import Picture, Reading, draw

FRAME_RATE = 25
KEY_FRAME_INTERVAL = 50
FRAMES = 200
# The largest that an Echo takes, which is so passed through to it.
SIZE = (1280, 720)

# Part of the file's name: to be raised when the pictures or the encoding change.
_VERSION = 1
_ACCESS_UNIT_DELIMITER = b"\0\0\0\1\x09"

type Codec = Literal["h264", "h265"]

# Main profile and no B-frames, as IP cameras send; the delimiters are for access_units.
_ENCODER = {
    "preset": "veryfast",
    "profile": "main",
    "x264-params": (
        "keyint={interval}:min-keyint={interval}:scenecut=0:"
        "bframes=0:slices=1:sliced-threads=0:repeat-headers=1:aud=1"
    ),
}
_H265_ENCODER = {
    "preset": "ultrafast",
    "x265-params": (
        "keyint={interval}:min-keyint={interval}:scenecut=0:"
        "bframes=0:repeat-headers=1:aud=1:log-level=none"
    ),
}


def make_clip(
    folder: Path,
    *,
    camera: int = 1,
    codec: Codec = "h264",
    key_frame_interval: int = KEY_FRAME_INTERVAL,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Return a file of Annex B, 25 frames a second."""
    kind = "" if key_frame_interval == KEY_FRAME_INTERVAL else f"-{key_frame_interval}"
    width, height = size
    path = folder / f"camera-{camera}-{width}x{height}-{_VERSION}{kind}.{codec}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for unit in _encode(camera, codec, key_frame_interval, size):
            file.write(unit)
    part.rename(path)
    return path


def _encode(
    camera: int, codec: Codec, interval: int, size: tuple[int, int]
) -> Iterator[bytes]:
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(FRAME_RATE)
    encoder.time_base = Fraction(1, FRAME_RATE)
    encoder.bit_rate = 3_000_000
    options = _ENCODER if codec == "h264" else _H265_ENCODER
    encoder.options = {
        name: value.format(interval=interval) for name, value in options.items()
    }
    for number in range(FRAMES):
        frame = to_frame(draw(Reading(camera, number))).reformat(
            encoder.width, encoder.height
        )
        frame.pts = number
        yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))


def to_frame(picture: Picture) -> av.VideoFrame:
    """Return an RGB picture as a frame to encode."""
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def access_units(path: Path) -> list[bytes]:
    """Return the clip's access units, each in Annex B without its delimiter."""
    _, *units = path.read_bytes().split(_ACCESS_UNIT_DELIMITER)
    # What is left of the delimiter is its one byte of payload.
    return [unit[1:] for unit in units]
