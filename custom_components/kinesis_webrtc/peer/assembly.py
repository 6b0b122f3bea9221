"""Puts access units together from what a demuxer hands out without parsing it.

FFmpeg's parser knows that a picture is whole when it sees the next one, a frame late.
Here a picture is whole once it has as many slices as those before, each of them whole.
Where a stream is not that regular, pictures wait for the next one as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .h264 import Unit, has_recovery_point, split_units
from .sps import read_sequence

_IDR, _SEI, _SPS, _PPS, _DELIMITER = 5, 6, 7, 8, 9
_SLICES = range(1, 6)
# These stand before the slices of their picture (ITU-T H.264 section 7.4.1.2.3).
_LEADING = frozenset({_SEI, _SPS, _PPS, _DELIMITER, 14, 15, 16, 17, 18})
# What follows the slices: ends, fillers and extensions; all else has no meaning.
_TRAILING = frozenset({10, 11, 12, 13, 19, 20, 21})
_REPEATED = frozenset({_SPS, _PPS, _DELIMITER})

_START_CODE = 4
_UNITS_TO_TRUST = 3
# In bytes: no picture of a camera is as large.
_LARGEST = 8_000_000
# In 1/90000 s: sender reports move the timestamps of one picture by as much.
_JITTER = 90
_VARIES = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """An access unit as it came."""

    data: bytes = field(repr=False)
    timestamp: int | None
    is_key: bool
    is_part: bool
    """Whether it goes on with the picture before, which has been handed out."""


class _Fragments:
    """Tells by its size which fragment of a NAL unit is the last one.

    FFmpeg hands out fragments (RFC 6184 section 5.8) without saying so. Payloaders fill
    all of them but the last; one that does not, as a few balance them, is found out.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._full: int | None = None
        self._candidate = 0
        self._seen = 0
        self._largest_whole = 0
        self._is_regular = True

    def begin(self, size: int) -> bool:
        """Take what begins with a start code; tell whether it is surely whole."""
        self._learn()
        self._sizes = [size - _START_CODE - 1]
        if not self._is_regular:
            return False
        if self._full is not None:
            return self._sizes[0] != self._full
        # The first of several fragments would be as large as the network allows.
        return self._sizes[0] < self._largest_whole

    def go_on(self, size: int) -> bool:
        """Take what goes on; tell whether it is surely the last."""
        self._sizes.append(size)
        if self._full is None or not self._is_regular:
            return False
        self._is_regular = size <= self._full
        return size < self._full

    def skip(self) -> None:
        """Take several units at once, which are never fragments."""
        self._learn()
        self._sizes = []

    def give_up(self) -> None:
        """Trust sizes no more."""
        self._is_regular = False

    def _learn(self) -> None:
        sizes = self._sizes
        if len(sizes) == 1:
            self._largest_whole = max(self._largest_whole, sizes[0])
        if len(sizes) < 2 or self._full is not None:
            return
        first, *between, last = sizes
        is_regular = last <= first and all(size == first for size in between)
        if not is_regular or (self._candidate and first != self._candidate):
            self._is_regular = False
        elif between and last < first:
            self._candidate = first
            self._seen += 1
            if self._seen == _UNITS_TO_TRUST:
                self._full = first


class Assembler:
    """Takes a stream in pieces, yields its access units."""

    def __init__(
        self, *, fragments: bool, timestamps: bool = True, extradata: bytes = b""
    ) -> None:
        """Begin a stream.

        `fragments`: pieces may be parts of NAL units, as FFmpeg's RTP demuxer has them;
        `timestamps`: all pieces of a picture have the same one, and no other picture;
        `extradata`: parameter sets that may not be in the stream.
        """
        self._fragments = _Fragments() if fragments else None
        self._timestamps = timestamps
        self._leading: list[tuple[int, list[bytes]]] = []
        self._parts: list[bytes] = []
        self._end: list[bytes] | None = None
        self._bytes = 0
        self._timestamp: int | None = None
        self._slices = 0
        self._is_key = False
        self._is_open = False
        self._is_begun = False
        self._expected: dict[bool, int] = {}
        self._may_be_fields = False
        self._is_damaged = False
        for unit in split_units(extradata):
            self._learn(unit)

    def push(self, piece: bytes, timestamp: int | None) -> Iterator[Picture]:
        """Take a piece, yield what is whole."""
        self._bytes += len(piece)
        if self._bytes > _LARGEST:
            self._drop()
        units = split_units(piece)
        if not units:
            yield from self._go_on(piece, timestamp)
            return
        is_whole = True
        if self._fragments is not None and len(units) == 1:
            is_whole = self._fragments.begin(len(piece))
        elif self._fragments is not None:
            self._fragments.skip()
        for unit in units:
            # What came before is whole, or nothing more of it will come.
            self._is_open = False
            yield from self._take(unit, timestamp)
        self._is_open = not is_whole
        yield from self._hand_out()

    def flush(self) -> Iterator[Picture]:
        """Yield what is held back, for the end of the stream."""
        yield from self._finish()

    def _go_on(self, piece: bytes, timestamp: int | None) -> Iterator[Picture]:
        if self._end is None:
            if self._is_begun and not self._has_moved(timestamp):
                # The picture has been handed out too early.
                self._expected = dict.fromkeys((True, False), _VARIES)
                if self._fragments is not None:
                    self._fragments.give_up()
            self._is_damaged = True
            return
        self._end.append(piece)
        if self._fragments is not None:
            self._is_open = not self._fragments.go_on(len(piece))
            yield from self._hand_out()

    def _take(self, unit: Unit, timestamp: int | None) -> Iterator[Picture]:
        if unit.kind in _LEADING:
            if unit.kind == _DELIMITER or self._has_moved(timestamp):
                yield from self._finish()
            self._learn(unit)
            self._end = [unit.data]
            self._leading.append((unit.kind, self._end))
        elif unit.kind in _SLICES and not unit.is_damaged:
            yield from self._take_slice(unit, timestamp)
        elif self._parts and unit.kind in _TRAILING and not unit.is_damaged:
            self._parts.append(unit.data)
            self._end = self._parts
        else:
            self._is_damaged = self._is_damaged or unit.is_damaged
            self._end = []

    def _take_slice(self, unit: Unit, timestamp: int | None) -> Iterator[Picture]:
        has_moved = self._has_moved(timestamp)
        is_first = unit.is_first_slice and (
            has_moved or not self._slices or not self._may_be_fields
        )
        if is_first:
            yield from self._finish()
            self._timestamp = timestamp
            self._is_key = unit.kind == _IDR or any(
                kind == _SEI and has_recovery_point(b"".join(parts))
                for kind, parts in self._leading
            )
            if self._is_key:
                self._is_damaged = False
            self._begin([part for _, parts in self._leading for part in parts])
        elif not self._slices or (has_moved and not self._expects_more):
            # The first slice of this picture was lost.
            yield from self._finish()
            self._is_damaged = True
            self._end = []
            return
        else:
            # GStreamer's payloader repeats the parameter sets before each slice.
            self._parts += (
                part
                for kind, parts in self._leading
                if kind not in _REPEATED
                for part in parts
            )
        self._leading.clear()
        self._parts.append(unit.data)
        self._end = self._parts
        self._slices += 1

    def _begin(self, parts: list[bytes]) -> None:
        self._parts = parts
        self._bytes = sum(map(len, parts))

    def _has_moved(self, timestamp: int | None) -> bool:
        if not self._timestamps or not self._slices:
            return False
        if timestamp is None or self._timestamp is None:
            return False
        return abs(timestamp - self._timestamp) > _JITTER

    @property
    def _expects_more(self) -> bool:
        return self._slices < self._expected.get(self._is_key, _VARIES)

    def _learn(self, unit: Unit) -> None:
        if unit.kind == _SPS:
            try:
                self._may_be_fields = read_sequence(unit.payload).may_be_fields
            except ValueError:
                self._may_be_fields = False

    def _hand_out(self) -> Iterator[Picture]:
        """Yield the picture in flight if it is known to be whole."""
        if (
            self._parts
            and not self._is_open
            and self._slices == self._expected.get(self._is_key)
        ):
            yield from self._picture()

    def _finish(self) -> Iterator[Picture]:
        """Yield what is left of the picture in flight: another one begins."""
        if not self._slices:
            return
        if not self._is_damaged:
            expected = self._expected.setdefault(self._is_key, self._slices)
            if self._slices != expected:
                self._expected[self._is_key] = _VARIES
        if self._parts:
            yield from self._picture()
        self._slices = 0
        self._is_begun = False

    def _picture(self) -> Iterator[Picture]:
        data = b"".join(self._parts)
        is_part, self._is_begun = self._is_begun, True
        self._begin([])
        self._end = None
        if not self._is_damaged:
            yield Picture(data, self._timestamp, self._is_key, is_part)

    def _drop(self) -> None:
        self._leading.clear()
        self._begin([])
        self._end = []
        self._slices = 0
        self._is_begun = False
        self._is_damaged = True
