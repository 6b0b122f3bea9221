"""What has to be known of an H.264 byte stream to pass it on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .sps import Bits, Sequence, read_sequence

_SLICE, _IDR, _SEI, _SPS, _PPS, _DELIMITER = 1, 5, 6, 7, 8, 9
# Slices of B pictures: some of the picture's slices, or all (table 7-6).
_B = frozenset({1, 6})
# Bytes in which the first two numbers of a slice's header surely are.
_SLICE_HEADER = 12
# Slices that say where they begin: whole ones, and the first parts of divided ones.
_FIRST = (1, 2, _IDR)
_RECOVERY_POINT = 6
_START = b"\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture with all that belongs to it, in Annex B form."""

    data: bytes = field(repr=False)
    timestamp: int
    """Units of 1/90000 s, growing for as long as the feed lives; parts of one
    picture share theirs."""

    is_key: bool
    is_stand_in: bool = False
    """Whether it is shown for want of the live stream."""


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


@dataclass(frozen=True, slots=True)
class Unit:
    """A NAL unit with its start code, and with zeros that may follow it."""

    data: bytes = field(repr=False)
    header: int

    @property
    def payload(self) -> bytes:
        """The unit from its header on."""
        return self.data[self.header :]

    @property
    def kind(self) -> int:
        """Its nal_unit_type."""
        return self.data[self.header] & 0x1F

    @property
    def is_damaged(self) -> bool:
        """Whether the bit is set that says so (RFC 6184 section 1.3)."""
        return bool(self.data[self.header] & 0x80)

    @property
    def is_first_slice(self) -> bool:
        """Whether it begins with macroblock 0.

        As an Exp-Golomb code that is a single set bit (ITU-T H.264 section 7.4.3).
        """
        header = self.header + 1
        return self.kind in _FIRST and self.data[header : header + 1] >= b"\x80"


def split_units(data: bytes) -> list[Unit]:
    """Return the NAL units, which together are the data, if it begins with one."""
    if not data.startswith((_START, b"\x00" + _START)):
        return []
    begins = []
    found = data.find(_START)
    while found != -1:
        begins.append(found - (found > 0 and data[found - 1] == 0))
        found = data.find(_START, found + 3)
    begins.append(len(data))
    units = []
    for begin, end in pairwise(begins):
        header = 3 if data[begin + 2] else 4
        if begin + header < end:
            units.append(Unit(data[begin:end], header))
    return units


def is_idr(data: bytes) -> bool:
    """Tell whether a picture is whole by itself, and so is all that follows it."""
    return any(kind == _IDR for kind, _, _ in nal_units(data))


def has_b_slice(data: bytes) -> bool:
    """Tell whether pictures are predicted from later ones, and so come out of order.

    RTP has one time a picture, and WebRTC's receivers show pictures as they come.
    """
    return any(
        kind == _SLICE and _slice_type(data[begin + 1 : begin + _SLICE_HEADER]) in _B
        for kind, begin, end in nal_units(data)
    )


def _slice_type(header: bytes) -> int:
    """Return the second number of a slice's header (ITU-T H.264 section 7.3.3)."""
    bits = Bits(header)
    try:
        bits.unsigned()
        return bits.unsigned()
    except ValueError:
        return -1


def has_recovery_point(data: bytes) -> bool:
    """Tell whether supplemental information says that decoding may begin here.

    Streams without IDR pictures have it (ITU-T H.264 section D.2.8).
    """
    for kind, begin, end in nal_units(data):
        if kind == _SEI and _RECOVERY_POINT in _messages(data[begin + 1 : end]):
            return True
    return False


def _messages(payload: bytes) -> Iterator[int]:
    """Yield the types of supplemental messages (ITU-T H.264 section 7.3.2.3.1)."""
    at = 0

    def number() -> int:
        nonlocal at
        total = 0
        while at < len(payload):
            at += 1
            total += payload[at - 1]
            if payload[at - 1] != 0xFF:
                break
        return total

    # What is left in the end is one byte that ends the unit.
    while at < len(payload) - 1:
        kind, size = number(), number()
        yield kind
        at += size


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

    @property
    def sequence(self) -> Sequence | None:
        """What the set in force says of the pictures, if it can be read."""
        try:
            return read_sequence(self._sps)
        except ValueError:
            return None

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
