"""What has to be known of an H.264 byte stream to pass it on."""

from collections.abc import Iterator
from dataclasses import dataclass, field

_IDR, _SPS, _PPS, _DELIMITER = 5, 7, 8, 9
_START = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture with all that belongs to it, in Annex B form."""

    data: bytes = field(repr=False)
    timestamp: int
    """Units of 1/90000 s, growing for as long as the feed lives; parts of one
    picture share theirs."""

    is_key: bool


def nal_units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, start and end of each NAL unit, without its start code."""
    found = data.find(_START)
    while found != -1:
        begin = found + 3
        found = data.find(_START, begin)
        end = found if found != -1 else len(data)
        if found != -1 and data[found - 1] == 0:
            end -= 1
        if begin < end:
            yield data[begin] & 0x1F, begin, end


def continues_picture(data: bytes) -> bool:
    """Tell whether the first slice is not the first one of its picture.

    It then begins with a macroblock other than 0 (ITU-T H.264 section 7.4.3), which
    as an Exp-Golomb code has its first bit clear.
    """
    for kind, begin, end in nal_units(data):
        if 1 <= kind <= _IDR:
            return end - begin > 1 and not data[begin + 1] & 0x80
    return False


class ParameterSets:
    """Keeps the sets in force, and puts them before key pictures without them."""

    def __init__(self, extradata: bytes = b"") -> None:
        """Begin with what the container or the session description has told."""
        self._sps = b""
        self._pps: dict[bytes, bytes] = {}
        self._learn(extradata)

    @property
    def profile(self) -> str | None:
        """The stream's profile-level-id (RFC 6184 section 8.1)."""
        return self._sps[1:4].hex() if len(self._sps) >= 4 else None

    def complete(self, data: bytes, *, is_key: bool) -> tuple[bytes, bool]:
        """Return the access unit with its parameter sets, and whether it is key.

        `is_key` is the demuxer's word; it counts for streams that start their
        groups with something else than an IDR picture, if the sets are known.
        """
        kinds = self._learn(data)
        is_idr = _IDR in kinds
        if not (is_idr or (is_key and self._sps)):
            return data, False
        if _SPS in kinds and _PPS in kinds:
            return data, True
        if not self._sps or not self._pps:
            return data, False
        sets = b"".join(
            b"\x00" + _START + unit for unit in (self._sps, *self._pps.values())
        )
        at = self._end_of_delimiter(data)
        return data[:at] + sets + data[at:], True

    def _learn(self, data: bytes) -> set[int]:
        kinds = set()
        fresh: dict[bytes, bytes] = {}
        for kind, begin, end in nal_units(data):
            kinds.add(kind)
            if kind == _SPS:
                self._sps = data[begin:end].rstrip(b"\x00")
            elif kind == _PPS:
                unit = data[begin:end].rstrip(b"\x00")
                # The id is the first field of the set, an Exp-Golomb code.
                fresh[unit[1:2]] = unit
        if _SPS in kinds and fresh:
            self._pps = fresh
        else:
            self._pps.update(fresh)
        return kinds

    @staticmethod
    def _end_of_delimiter(data: bytes) -> int:
        first = next(nal_units(data), None)
        return first[2] if first is not None and first[0] == _DELIMITER else 0


class KeyPictureJoiner:
    """Puts key pictures together that come in parts.

    GStreamer's payloader repeats the parameter sets before each slice of a key
    picture, and FFmpeg's parser takes each repetition for a new picture. Only the
    first key picture of a stream is held back until the next one shows whether it
    was whole; from then on it is known of how many parts they consist.
    """

    def __init__(self) -> None:
        """Expect a stream's first key picture."""
        self._held: AccessUnit | None = None
        self._parts = 0
        self._expected: int | None = None

    def push(self, unit: AccessUnit) -> Iterator[AccessUnit]:
        """Take what was read, yield what is whole."""
        held = self._held
        if held is not None and unit.timestamp == held.timestamp:
            data = held.data + _without_sets(unit.data)
            self._held = AccessUnit(data, held.timestamp, is_key=True)
            self._parts += 1
            if self._parts == self._expected:
                yield from self.flush()
            return
        if held is not None:
            self._expected = self._parts
            yield from self.flush()
        if unit.is_key and self._expected != 1:
            self._held, self._parts = unit, 1
            return
        yield unit

    def flush(self) -> Iterator[AccessUnit]:
        """Yield what is held back, for the end of the stream."""
        if self._held is not None:
            yield self._held
            self._held = None


def _without_sets(data: bytes) -> bytes:
    return b"".join(
        b"\x00" + _START + data[begin:end]
        for kind, begin, end in nal_units(data)
        if kind not in (_SPS, _PPS)
    )
