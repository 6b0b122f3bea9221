"""The test camera's picture: each frame says which camera it is from and its number.

A strip of 24 black and white squares holds a sync word, the camera, the frame's number
and a check value; below it three colour fields stand in an order given by the camera.
All positions are parts of the picture's size, so scaled pictures can be read too.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

type Picture = NDArray[np.uint8]

FRAME_NUMBERS = 1024
CAMERAS = 64

_CELLS = 24
_SYNC = 0b1010
_STRIP_LEFT, _STRIP_RIGHT = 0.1, 0.9
_STRIP_TOP, _STRIP_BOTTOM = 0.06, 0.15
_FIELDS_TOP, _FIELDS_BOTTOM = 0.2, 0.35
_COLOURS = ((200, 30, 30), (30, 170, 30), (40, 40, 210))
_ORDERS = tuple(permutations(range(3)))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a frame says about itself."""

    camera: int
    number: int


def _check(camera: int, number: int) -> int:
    return (camera * 5 + number * 3 + (number >> 4) + 9) & 0b1111


def _code(reading: Reading) -> list[bool]:
    word = _SYNC << 20 | reading.camera << 14 | reading.number << 4
    word |= _check(reading.camera, reading.number)
    return [bool(word >> bit & 1) for bit in reversed(range(_CELLS))]


def _fields(camera: int) -> list[tuple[int, int, int]]:
    return [_COLOURS[index] for index in _ORDERS[camera % len(_ORDERS)]]


def draw(reading: Reading, *, width: int = 1920, height: int = 1080) -> Picture:
    """Return the frame as an RGB picture: a grey scene with a wandering white block."""
    rng = np.random.default_rng(reading.number)
    ramp = np.linspace(60, 150, width, dtype=np.float32)
    scene = np.roll(ramp, reading.number * 8)[None, :] + rng.integers(
        -6, 7, (height, width), dtype=np.int8
    )
    picture = np.repeat(scene.astype(np.uint8)[:, :, None], 3, axis=2)

    top, bottom = int(height * _STRIP_TOP), int(height * _STRIP_BOTTOM)
    edges = np.linspace(width * _STRIP_LEFT, width * _STRIP_RIGHT, _CELLS + 1)
    for index, bit in enumerate(_code(reading)):
        left, right = int(edges[index]), int(edges[index + 1])
        picture[top:bottom, left:right] = 235 if bit else 16

    top, bottom = int(height * _FIELDS_TOP), int(height * _FIELDS_BOTTOM)
    edges = np.linspace(width * _STRIP_LEFT, width * _STRIP_RIGHT, 4)
    for index, colour in enumerate(_fields(reading.camera)):
        picture[top:bottom, int(edges[index]) : int(edges[index + 1])] = colour

    side = height // 6
    left = (reading.number * 16) % (width - side)
    top = height // 2 + (reading.number * 4) % (height // 2 - side)
    picture[top : top + side, left : left + side] = 255
    return picture


def read(picture: Picture) -> Reading | None:
    """Read an RGB picture; None when it is not one of ours, or damaged."""
    height, width = picture.shape[:2]
    edges = np.linspace(width * _STRIP_LEFT, width * _STRIP_RIGHT, _CELLS + 1)
    word = 0
    for index in range(_CELLS):
        light = _middle(
            picture, edges[index], edges[index + 1], height, _STRIP_TOP, _STRIP_BOTTOM
        ).mean()
        if 90 < light < 165:
            return None
        word = word << 1 | int(light > 128)
    reading = Reading(camera=word >> 14 & 0x3F, number=word >> 4 & 0x3FF)
    if word >> 20 != _SYNC or word & 0xF != _check(reading.camera, reading.number):
        return None
    edges = np.linspace(width * _STRIP_LEFT, width * _STRIP_RIGHT, 4)
    for index, colour in enumerate(_fields(reading.camera)):
        seen = _middle(
            picture, edges[index], edges[index + 1], height, _FIELDS_TOP, _FIELDS_BOTTOM
        )
        if int(np.argmax(seen)) != int(np.argmax(colour)) or np.ptp(seen) < 60:
            return None
    return reading


def _middle(
    picture: Picture,
    left: float,
    right: float,
    height: int,
    top: float,
    bottom: float,
) -> NDArray[np.float64]:
    quarter = (right - left) / 4
    rows = slice(
        int(height * (top + (bottom - top) / 4)),
        int(height * (bottom - (bottom - top) / 4)) + 1,
    )
    columns = slice(int(left + quarter), int(right - quarter) + 1)
    mean: NDArray[np.float64] = picture[rows, columns, :3].mean(axis=(0, 1))
    return mean
