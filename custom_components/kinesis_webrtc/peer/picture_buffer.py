"""Pictures out of RTP packets that may come late, twice, or not at all (RFC 6184)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .assembly import Picture
from .h264 import has_recovery_point, nal_units

# In seconds: how long a packet is waited for, and the pause between two requests.
PATIENCE: Final = 0.3
RETRY: Final = 0.1
# Packets that are kept at most, and that are asked for at once.
_LARGEST: Final = 4096
_REQUESTED: Final = 64
# A number that is older than this is one of another count.
_OLD: Final = 1024
_IDR, _SPS, _DELIMITER = 5, 7, 9
_SLICES: Final = range(1, 6)


@dataclass(frozen=True, slots=True)
class Packet:
    """What is known of a packet."""

    number: int
    timestamp: int
    is_last: bool
    """Whether it says that it is the last one of its picture."""

    data: bytes = field(repr=False)
    """NAL units in Annex B form, or more of the one in the packet before."""


class PictureBuffer:
    """Hands out pictures in their order, none of which lacks a packet.

    After one that cannot be had any more, it hands out none until the next key picture.
    """

    def __init__(self) -> None:
        """Wait for the first key picture."""
        self._packets: dict[int, Packet] = {}
        # The packet that the picture in front begins with, the first one that is not
        # there, and the newest one: numbers that go on where those of 16 bits roll over.
        self._next = self._scanned = self._newest = 0
        self._is_begun = False
        self._gap: tuple[int, float] | None = None
        self._requested_at = 0.0
        self._partial: int | None = None
        self._leading: list[bytes] = []
        self._place = 0
        self._last: int | None = None
        self.is_broken = True
        """Whether only a key picture helps."""

        self.lost = 0
        """How many times something was not to be had."""

    def push(self, packet: Packet, now: float) -> Iterator[Picture]:
        """Take a packet, yield what is whole; `now` is a time in seconds."""
        if not self._is_begun:
            self._begin(packet)
        number = self._newest + _difference(packet.number, self._newest, 16)
        if number < self._next - _OLD:
            self._lose(None)
            self._begin(packet)
            number = self._newest
        if number >= self._next:
            self._packets.setdefault(number, packet)
            self._newest = max(self._newest, number)
        yield from self.look(now)

    def look(self, now: float) -> Iterator[Picture]:
        """Yield what is whole, or what follows what has been waited for too long."""
        while True:
            while (end := self._end()) is not None:
                yield from self._hand_out(end)
            if self._scanned > self._newest:
                self._gap = None
                return
            if self._gap is None or self._gap[0] != self._scanned:
                self._gap = self._scanned, now
                self._requested_at = now
            is_late = now - self._gap[1] >= PATIENCE
            if not is_late and len(self._packets) < _LARGEST:
                return
            self._lose(min(n for n in self._packets if n > self._scanned))

    def missing(self, now: float) -> list[int]:
        """Return the numbers of packets that are to be asked for once more."""
        if self._gap is None or now - self._requested_at < RETRY:
            return []
        self._requested_at = now
        numbers = range(self._scanned, self._newest)
        wanted = [number for number in numbers if number not in self._packets]
        return [number & 0xFFFF for number in wanted[:_REQUESTED]]

    @property
    def is_waiting(self) -> bool:
        """Whether packets are missing that may come yet."""
        return self._gap is not None

    def _begin(self, packet: Packet) -> None:
        self._is_begun = True
        self._next = self._scanned = self._newest = packet.number
        self._partial = None if _begins(packet) else packet.timestamp

    def _end(self) -> int | None:
        """Return the end of the picture in front, if all of it is there."""
        while (packet := self._packets.get(self._scanned)) is not None:
            if packet.timestamp != self._packets[self._next].timestamp:
                return self._scanned
            self._scanned += 1
            if packet.is_last:
                return self._scanned
        return None

    def _hand_out(self, end: int) -> Iterator[Picture]:
        packets = [self._packets.pop(number) for number in range(self._next, end)]
        self._next = self._scanned = end
        timestamp = packets[0].timestamp
        if timestamp == self._partial:
            return
        self._partial = None
        data = b"".join(packet.data for packet in packets)
        kinds = {kind for kind, _, _ in nal_units(data)}
        if not kinds:
            return
        self._leading.append(data)
        if not kinds.intersection(_SLICES):
            return
        data = b"".join(self._leading)
        self._leading.clear()
        is_key = _IDR in kinds or has_recovery_point(data)
        if self.is_broken and not is_key:
            return
        self.is_broken = False
        is_part = timestamp == self._last
        if self._last is not None:
            self._place += _difference(timestamp, self._last, 32)
        else:
            self._place = timestamp
        self._last = timestamp
        yield Picture(data, self._place, is_key, is_part)

    def _lose(self, following: int | None) -> None:
        """Go on with the packet of this number, as one before it will not come."""
        self.lost += 1
        self.is_broken = True
        self._leading.clear()
        self._gap = None
        if following is None:
            self._packets.clear()
            return
        for number in range(self._next, self._scanned):
            del self._packets[number]
        self._next = self._scanned = following
        first = self._packets[following]
        # What was lost may have been the first part of this picture.
        self._partial = None if _begins(first) else first.timestamp


def _begins(packet: Packet) -> bool:
    """Tell whether a packet surely is the first one of its picture."""
    first = next(nal_units(packet.data), None)
    return first is not None and first[0] in (_SPS, _DELIMITER)


def _difference(number: int, before: int, bits: int) -> int:
    """Return how far a number is from another one, where numbers roll over."""
    half = 1 << (bits - 1)
    return ((number - before + half) & ((1 << bits) - 1)) - half
