"""Pictures are turned as Home Assistant's own stream turns them."""

from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray
import pytest

from custom_components.kinesis_webrtc.peer import Orientation
from custom_components.kinesis_webrtc.peer.orientation import Turner

type Image = NDArray[np.uint8]

TURNS: dict[Orientation, Callable[[Image], Image]] = {
    Orientation.NONE: lambda image: image,
    Orientation.MIRROR: np.fliplr,
    Orientation.ROTATE_180: lambda image: np.rot90(image, 2),
    Orientation.FLIP: np.flipud,
    Orientation.ROTATE_LEFT_AND_FLIP: lambda image: np.flipud(np.rot90(image)),
    Orientation.ROTATE_LEFT: np.rot90,
    Orientation.ROTATE_RIGHT_AND_FLIP: lambda image: np.flipud(np.rot90(image, -1)),
    Orientation.ROTATE_RIGHT: lambda image: np.rot90(image, -1),
}


def picture(width: int, height: int) -> av.VideoFrame:
    """Return a picture of which no two corners are alike."""
    image = np.zeros((height, width), np.uint8)
    image[: height // 2, : width // 2] = 60
    image[: height // 2, width // 2 :] = 120
    image[height // 2 :, : width // 2] = 180
    image[height // 2 :, width // 2 :] = 240
    frame = av.VideoFrame.from_ndarray(image, format="gray")
    frame = frame.reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    return frame


def luma(frame: av.VideoFrame) -> Image:
    return frame.to_ndarray()[: frame.height, : frame.width]


@pytest.mark.parametrize("orientation", Orientation)
def test_every_orientation_is_what_it_says(orientation: Orientation) -> None:
    turner = Turner(orientation)
    for size in ((64, 32), (64, 32), (32, 48)):
        frame = picture(*size)
        turned = turner.turn(frame)
        assert (turned.width, turned.height) == orientation.turned(*size)
        assert turned.format.name == "yuv420p"
        assert np.array_equal(luma(turned), TURNS[orientation](luma(frame)))
