"""What viewers are shown while their camera opens: its latest picture, if it is recent.

It goes into the ring as a group of its own, so that it is paced, sent once more and
reported as any other; it says of itself that it is not the live stream.
"""

import asyncio
from collections.abc import Callable
import logging
import time
from typing import Final

from .h264 import AccessUnit, is_idr
from .limits import Limits
from .orientation import Orientation
from .reader import StreamFormat
from .ring import Ring
from .source import FetchStill, Source, StreamUrl
from .stills_reader import decode
from .timeline import Timeline
from .transcode import Encoder

_LOGGER = logging.getLogger(__name__)

# Seconds. Who looks again after a few minutes expects what was there to be there still;
# the picture of an hour ago would tell of a visitor who has left, or hide one who came.
_RECENT: Final = 300.0
# Seconds after which the picture is sent again: some receivers let a picture wait for the
# one that follows it, and what was lost has another chance.
_FIRST_PAUSE: Final = 0.2
_PAUSE: Final = 1.0
# Pixels: a larger one would take longer to encode than cameras take to open.
_LARGEST: Final = 1920 * 1088
# By how much the proportions of two pictures of the same thing may differ.
_SIMILAR: Final = 0.02


class StandIn:
    """Puts a picture into a ring that has none yet; one attempt to open after another.

    `keep` is for the thread that reads the camera, all else for the event loop.
    """

    def __init__(
        self,
        *,
        ring: Ring,
        timeline: Timeline,
        limits: Limits,
        on_shown: Callable[[], None],
    ) -> None:
        """Prepare; `on_shown` is called once there is a picture in the ring."""
        self._ring = ring
        self._timeline = timeline
        self._limits = limits
        self._on_shown = on_shown
        self._kept: list[bytes] = []
        self._kept_place: int | None = None
        self._kept_at = float("-inf")
        self._is_opening = False
        self._fetch: FetchStill | None = None
        self._orientation = Orientation.NONE
        self._size: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    def keep(self, unit: AccessUnit) -> None:
        """Remember a picture of the stream, if it can be shown by itself."""
        if unit.timestamp == self._kept_place:
            self._kept.append(unit.data)
        elif unit.is_key and is_idr(unit.data):
            self._kept, self._kept_place = [unit.data], unit.timestamp
            self._kept_at = time.monotonic()
        else:
            self._kept_place = None

    def begin(self, stream: Source, known: StreamFormat | None) -> None:
        """Begin an attempt: no picture comes from the camera before this returns.

        What was known of its pictures is most likely what they will be like.
        """
        orientation = Orientation.NONE
        self._fetch = None
        if isinstance(stream, StreamUrl):
            orientation, self._fetch = stream.orientation, stream.still
        if orientation is not self._orientation:
            # What was kept is turned as it was to be then.
            self._orientation, self._kept_at = orientation, float("-inf")
        self._size = (known.width, known.height) if known is not None else None
        self._timeline.restart()
        self._is_opening = True

    def show(self) -> None:
        """Show what there is, unless there is a picture already."""
        if not self._is_opening or self._task is not None or self._ring.key is not None:
            return
        is_recent = time.monotonic() - self._kept_at < _RECENT
        kept = b"".join(self._kept) if is_recent else None
        if kept is not None or self._fetch is not None:
            self._task = asyncio.create_task(
                self._run(kept), name="kinesis_webrtc stand-in"
            )

    async def end(self) -> None:
        """End the attempt."""
        self._is_opening = False
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=self._limits.close_timeout)

    async def _run(self, kept: bytes | None) -> None:
        data = kept or await self._fetched()
        pause = _FIRST_PAUSE
        while data is not None and self._push(data):
            await asyncio.sleep(pause)
            pause = _PAUSE

    async def _fetched(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._limits.open_timeout):
                picture = await self._fetch() if self._fetch is not None else b""
                return await asyncio.to_thread(
                    encode, picture, self._size, self._orientation
                )
        except Exception as err:  # noqa: BLE001 - a camera raises what it likes
            _LOGGER.debug("No still while the camera opens: %s", type(err).__name__)
            return None

    def _push(self, data: bytes) -> bool:
        """Put the picture into the ring; false if the stream is there."""
        place = self._timeline.advance()
        if place is None:
            return False
        unit = AccessUnit(data, place, is_key=True, is_stand_in=True)
        is_shown = self._ring.push_stand_in(unit)
        if is_shown:
            self._on_shown()
        return is_shown


def encode(
    picture: bytes,
    size: tuple[int, int] | None,
    orientation: Orientation = Orientation.NONE,
) -> bytes:
    """Return a JPEG or PNG as a key picture, for which it blocks for some milliseconds.

    It gets the size that is given if it has those proportions when it is turned. Raises
    FFmpegError or ValueError.
    """
    frame = decode(picture)
    turned = orientation.turned(frame.width, frame.height)
    if size is not None and not _fits(size, turned):
        size = None
    encoder = Encoder(rate=1, size=size, orientation=orientation)
    for encoded in encoder.encode(frame, 0):
        return encoded.data
    raise ValueError("no picture")


def _fits(size: tuple[int, int], picture: tuple[int, int]) -> bool:
    width, height = size
    if not 0 < width * height <= _LARGEST:
        return False
    ratio = width * picture[1] / (height * picture[0])
    return abs(ratio - 1) <= _SIMILAR
