"""Pictures of any kind as H.264 that every viewer can show, an Echo included."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
import os
import sys
import threading
import time
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from .orientation import Orientation, Turner

CLOCK_RATE: Final = 90_000
# The most that level 3.1 takes (ITU-T H.264 table A-1), which every viewer's offer has.
_MAX_WIDTH, _MAX_HEIGHT = 1280, 720
_MAX_RATE: Final = 30
# In bit/s; an Echo's offer names 2.5 Mbit/s for all media.
_MAX_BITRATE: Final = 2_000_000
_KEY_INTERVAL: Final = 2
# Added to the thread's niceness: Home Assistant itself goes first.
_NICENESS: Final = 10
# Seconds behind the camera at which pictures are left out, and at which no more are.
_TOO_LATE, _IN_TIME = 0.5, 0.1
# In 1/90000 s: how far the times of pictures that come together are drawn apart.
_DRAWN_APART: Final = CLOCK_RATE // 4
# The most pictures that decoders hold back to put them in order (ITU-T H.264 A.3.1).
_MAX_HELD: Final = 16


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture in Annex B form, key pictures with their parameter sets."""

    data: bytes = field(repr=False)
    timestamp: int
    """Units of 1/90000 s, on the camera's own clock."""

    is_key: bool


class Encoder:
    """Encodes pictures of one camera, whatever their size and pixel format.

    They are made to fit into 1280x720 in their own proportions, and never enlarged.
    """

    def __init__(
        self,
        *,
        rate: float,
        key_interval: float = _KEY_INTERVAL,
        size: tuple[int, int] | None = None,
        orientation: Orientation = Orientation.NONE,
    ) -> None:
        """Prepare for so many pictures a second, and a key picture every so often.

        `key_interval` is in seconds; `size` is what comes out, if not what fits.
        """
        self._turner = Turner(orientation)
        self._fixed_size = size
        self._rate = max(1, round(rate))
        self._group = max(1, round(rate * key_interval))
        self._context: VideoCodecContext | None = None
        self._source_size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out; zeros before the first picture."""
        if self._context is None:
            return 0, 0
        return self._context.width, self._context.height

    def encode(
        self, frame: av.VideoFrame, timestamp: int, *, is_key: bool = False
    ) -> Iterator[EncodedPicture]:
        """Yield the picture; `timestamp` is in 1/90000 s and has to grow.

        `is_key` has it be a key picture whether or not it is time for one.
        """
        if self._context is None or (frame.width, frame.height) != self._source_size:
            self._source_size = frame.width, frame.height
            size = self._fixed_size or _fit(*self._turned(frame.width, frame.height))
            self._context = self._create(*size)
        picture = frame.reformat(
            *self._turned(*self.size),
            format="yuv420p",
            dst_color_range="MPEG",
            interpolation="AREA",
        )
        picture = self._turner.turn(picture)
        kinds = av.video.frame.PictureType
        picture.pict_type = kinds.I if is_key else kinds.NONE
        picture.pts = timestamp
        picture.time_base = Fraction(1, CLOCK_RATE)
        for packet in self._context.encode(picture):
            yield EncodedPicture(bytes(packet), timestamp, packet.is_keyframe)

    def _turned(self, width: int, height: int) -> tuple[int, int]:
        return self._turner.orientation.turned(width, height)

    def _create(self, width: int, height: int) -> VideoCodecContext:
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, CLOCK_RATE)
        context.framerate = Fraction(self._rate)
        context.gop_size = self._group
        context.profile = "Baseline"
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "level": "3.1",
            "crf": "24",
            "maxrate": str(_MAX_BITRATE),
            "bufsize": str(_MAX_BITRATE // 2),
            # One slice a picture; more threads would keep a picture each.
            "x264-params": "sliced-threads=0:threads=1:scenecut=0",
        }
        return context


class ArrivalClock:
    """Gives each picture of a stream without times the one at which it came.

    FFmpeg makes such times up, by 25 pictures a second, however many a camera sends.
    """

    def __init__(self) -> None:
        """Begin with the first picture."""
        self._last = 0

    def read(self) -> int:
        """Return the next picture's time, in 1/90000 s."""
        now = int(time.monotonic() * CLOCK_RATE)
        # What the network brings together was not captured together.
        apart = min(self._last + CLOCK_RATE // _MAX_RATE, now + _DRAWN_APART)
        self._last = max(now, apart)
        return self._last


class Transcoder:
    """Decodes a stream of whatever codec and encodes it anew, as it comes."""

    def __init__(
        self,
        stream: VideoStream,
        *,
        timeout: float,
        orientation: Orientation = Orientation.NONE,
        clock: ArrivalClock | None = None,
    ) -> None:
        """Prepare for a stream that was opened; a `clock` is for one without times.

        `timeout` (in s) is how long a stream may give nothing that can be decoded.
        """
        self._stream = stream
        self._timeout = timeout
        self._clock = clock
        self._decoder = stream.codec_context
        # One picture per thread would be as many pictures late.
        self._decoder.thread_type = "SLICE"
        self._decoder.flags |= av.codec.context.Flags.low_delay
        rate = float(stream.average_rate or stream.guessed_rate or _MAX_RATE)
        self._encoder = Encoder(rate=min(rate, _MAX_RATE), orientation=orientation)
        self._selection = Selection()
        self._decoded_at = time.monotonic()
        self._undecoded = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out; zeros before the first picture."""
        return self._encoder.size

    def push(self, packet: av.Packet[VideoStream]) -> Iterator[EncodedPicture]:
        """Take a packet of the stream, yield the pictures that it completes.

        What cannot be decoded is left out, as are pictures for which the machine is
        too slow. Raises TimeoutError where nothing else has come for the time-out.
        """
        self._undecoded += 1
        is_long = time.monotonic() - self._decoded_at > self._timeout
        if is_long and self._undecoded > _MAX_HELD:
            raise TimeoutError
        try:
            frames = self._decoder.decode(packet)
        except av.error.InvalidDataError:
            return
        for frame in frames:
            self._decoded_at, self._undecoded = time.monotonic(), 0
            timestamp = self._timestamp(frame)
            if self._selection.takes(timestamp):
                yield from self._encoder.encode(frame, timestamp)

    def _timestamp(self, frame: av.VideoFrame) -> int:
        if self._clock is not None:
            return self._clock.read()
        base = frame.time_base or self._stream.time_base
        if frame.pts is None or base is None:
            last = self._selection.last
            return last + CLOCK_RATE // _MAX_RATE if last is not None else 0
        return frame.pts * base.numerator * CLOCK_RATE // base.denominator


class Selection:
    """Chooses the pictures that are encoded: no more than thirty a second, none late."""

    def __init__(self) -> None:
        """Take the first picture for punctual."""
        self._lag = Lag()
        self.last: int | None = None
        """The timestamp of the latest picture that was taken, in 1/90000 s."""

    def takes(self, timestamp: int) -> bool:
        """Tell whether the next picture is to be encoded."""
        if self._lag.is_too_late(timestamp / CLOCK_RATE):
            return False
        if self.last is not None:
            step = timestamp - self.last
            # A clock that went back is a new one; a little less than a step is jitter.
            if 0 <= step * _MAX_RATE < CLOCK_RATE * 0.9:
                return False
        self.last = timestamp
        return True


class Lag:
    """Knows when the pictures come later than they did before."""

    def __init__(self) -> None:
        """Take the first picture for punctual."""
        self._least: float | None = None
        self._is_late = False

    def is_too_late(self, seconds: float) -> bool:
        """Tell whether the picture of this time on the camera's clock is to be left out."""
        behind = time.monotonic() - seconds
        if self._least is None or abs(behind - self._least) > 10 * _TOO_LATE:
            # So much is no slowness but another clock.
            self._least, self._is_late = behind, False
        self._least = min(self._least, behind)
        lag = behind - self._least
        self._is_late = lag > (_IN_TIME if self._is_late else _TOO_LATE)
        return self._is_late


def yield_to_others() -> None:
    """Lower the priority of the calling thread and of those that it starts.

    Threads have one of their own on Linux alone.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        current = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, current + _NICENESS)
    except OSError:
        return


def fits(width: int, height: int) -> bool:
    """Tell whether every viewer takes pictures of this size as they are."""
    longer, shorter = max(width, height), min(width, height)
    return longer <= _MAX_WIDTH and shorter <= _MAX_HEIGHT


def _fit(width: int, height: int) -> tuple[int, int]:
    """Return the size that fits, both even as 4:2:0 needs."""
    longer, shorter = max(width, height), min(width, height)
    scale = min(1.0, _MAX_WIDTH / longer, _MAX_HEIGHT / shorter)
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
