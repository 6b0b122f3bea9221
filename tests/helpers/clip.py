"""Makes short H.264 clips whose pictures can be told apart."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np


def make_clip(
    path: Path,
    *,
    seconds: float = 4.0,
    fps: int = 25,
    size: tuple[int, int] = (320, 240),
    gop: int = 25,
    codec: str = "libx264",
    profile: str = "baseline",
    slices: int = 1,
    b_pictures: int = 0,
    tools: str = "",
) -> Path:
    """Write a clip; its container follows from the path's suffix.

    A bright bar moves from left to right, one step each picture, over a picture
    that gets brighter, so that no two pictures are alike. `tools`: x264's, as in
    "cabac=1", without which a stream has the lowest profile that will do.
    """
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = gop
        stream.time_base = Fraction(1, fps)
        if codec == "libx264":
            stream.profile = profile.capitalize()
            stream.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "x264-params": f"scenecut=0:keyint={gop}:min-keyint={gop}:sliced-threads=0"
                f":slices={slices}:bframes={b_pictures}:b-adapt=0:{tools}",
            }
        for number in range(round(seconds * fps)):
            picture = np.full((height, width, 3), 40 + number % 64, dtype=np.uint8)
            left = number * 4 % (width - 16)
            picture[:, left : left + 16] = (220, 180, 60)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_unknown_clip(folder: Path) -> Path:
    """Write a clip of a codec that nobody has a decoder for."""
    path = make_clip(folder / "unknown.avi", seconds=0.2, codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ"))
    return path


def make_still(
    brightness: int, *, codec: str = "mjpeg", size: int | tuple[int, int] = 64
) -> bytes:
    """Return a JPEG or PNG of one grey, square if the size is one number."""
    width, height = (size, size) if isinstance(size, int) else size
    pixels = np.full((height, width, 3), brightness, dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    output = BytesIO()
    with av.open(output, "w", format="image2pipe") as container:
        stream = container.add_stream(codec, rate=1)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
        container.mux(
            stream.encode(frame.reformat(format=stream.pix_fmt, dst_color_range="JPEG"))
        )
        container.mux(stream.encode(None))
    return output.getvalue()


def number_of(frame: av.VideoFrame, width: int) -> int:
    """Return the number of a clip's picture; `width` is that of the clip."""
    columns = frame.to_ndarray(format="gray").mean(axis=0)
    [bright] = np.nonzero(columns > (columns.max() + columns.min()) / 2)
    return round(int(bright[0]) * width / frame.width / 4)


def is_moving(frames: list[av.VideoFrame]) -> bool:
    """Tell whether decoded pictures show the bar, at more than one place."""
    places = set()
    for frame in frames:
        picture = frame.to_ndarray(format="gray")
        columns = picture.mean(axis=0)
        if columns.max() - columns.min() < 40:
            return False
        places.add(int(columns.argmax()))
    return len(places) > 5
