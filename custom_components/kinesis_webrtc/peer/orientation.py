"""Pictures turned and mirrored as their user wants to see them."""

from enum import IntEnum
from fractions import Fraction
from typing import Final

import av
import av.filter

_TIME_BASE: Final = Fraction(1, 90_000)


class Orientation(IntEnum):
    """What is to be done with pictures; the numbers are those of EXIF's orientations."""

    NONE = 1
    MIRROR = 2
    ROTATE_180 = 3
    FLIP = 4
    ROTATE_LEFT_AND_FLIP = 5
    ROTATE_LEFT = 6
    ROTATE_RIGHT_AND_FLIP = 7
    ROTATE_RIGHT = 8

    @property
    def is_upright(self) -> bool:
        """Whether width and height change places."""
        return self >= Orientation.ROTATE_LEFT_AND_FLIP

    def turned(self, width: int, height: int) -> tuple[int, int]:
        """Return the size that a picture has afterwards, or had before."""
        return (height, width) if self.is_upright else (width, height)


# FFmpeg's filters; a picture is flipped after it was rotated.
_FILTERS: Final[dict[Orientation, tuple[tuple[str, str | None], ...]]] = {
    Orientation.MIRROR: (("hflip", None),),
    Orientation.ROTATE_180: (("hflip", None), ("vflip", None)),
    Orientation.FLIP: (("vflip", None),),
    Orientation.ROTATE_LEFT_AND_FLIP: (("transpose", "cclock_flip"),),
    Orientation.ROTATE_LEFT: (("transpose", "cclock"),),
    Orientation.ROTATE_RIGHT_AND_FLIP: (("transpose", "clock_flip"),),
    Orientation.ROTATE_RIGHT: (("transpose", "clock"),),
}


class Turner:
    """Turns pictures, whatever their size and pixel format. For one thread."""

    def __init__(self, orientation: Orientation) -> None:
        """Prepare for an orientation."""
        self.orientation = orientation
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def turn(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the picture as it is to be seen; its times are lost."""
        if self.orientation is Orientation.NONE:
            return frame
        shape = frame.width, frame.height, frame.format.name
        if self._graph is None or shape != self._shape:
            self._shape = shape
            self._graph = _graph(frame, _FILTERS[self.orientation])
        self._graph.push(frame)
        turned = self._graph.pull()
        assert isinstance(turned, av.VideoFrame)
        return turned


def _graph(
    frame: av.VideoFrame, filters: tuple[tuple[str, str | None], ...]
) -> av.filter.Graph:
    graph = av.filter.Graph()
    last = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        # Not the frame's, which may have none.
        time_base=_TIME_BASE,
    )
    for name, arguments in (*filters, ("buffersink", None)):
        added = graph.add(name, arguments)
        last.link_to(added)
        last = added
    graph.configure()
    return graph
