"""The camera's latest pictures, written by one thread and read by many.

About two groups of pictures are kept: the one in flight for those who join and for
those who ask for a key frame, and the one before for those who have lost packets.
"""

from functools import cached_property
import threading
import time

from .capture_clock import CaptureClock
from .h264 import AccessUnit
from .packets import packetise

# From 1900 to 1970 (RFC 5905 section 6).
_NTP_OFFSET = 2_208_988_800
_CLOCK_RATE = 90_000


def ntp(seconds: float) -> int:
    """Return a time of the system's clock as a timestamp of 64 bits."""
    return int((seconds + _NTP_OFFSET) * (1 << 20)) << 12


class Frame:
    """One picture in the ring."""

    def __init__(
        self, number: int, unit: AccessUnit, captured: float | None = None
    ) -> None:
        """Note the system's time that the picture has for reports, else the time now."""
        self.number = number
        self.unit = unit
        self.ntp = ntp(time.time() if captured is None else captured)

    @cached_property
    def payloads(self) -> list[bytes]:
        """The picture as RTP payloads."""
        return packetise(self.unit.data)


class Ring:
    """Numbers pictures, and keeps the latest.

    `push` is for one thread, `forget` and `clear` for any while that one does not; all
    else is for any.
    """

    def __init__(self, max_bytes: int, clock: CaptureClock | None = None) -> None:
        """Keep at most so many bytes of pictures, but always the latest one.

        `clock` is that of the ring whose pictures come here later: when they were
        captured has nothing to do with what was done to them since.
        """
        self._max_bytes = max_bytes
        self._frames: dict[int, Frame] = {}
        self._bytes = 0
        self._previous_key = 0
        self._is_broken = True
        self._lock = threading.Lock()
        self._is_first = clock is None
        self.clock = clock or CaptureClock()
        self.key: int | None = None
        """The number of the latest key picture, if all since then is there."""
        self.first = 0
        """The number of the oldest picture that is kept."""
        self.end = 0
        """The number of the next picture."""

    def push(self, unit: AccessUnit) -> None:
        """Add a picture; after a break, none before the next key picture counts."""
        if self._is_broken and not unit.is_key:
            return
        with self._lock:
            last = self._frames.get(self.end - 1)
            is_part = (
                last is not None
                and not self._is_broken
                and last.unit.timestamp == unit.timestamp
            )
            self._is_broken = False
            if self._is_first:
                self.clock.observe(unit.timestamp)
            captured = self.clock.time_of(unit.timestamp)
            self._append(unit, captured, begins=unit.is_key and not is_part)

    def push_stand_in(self, unit: AccessUnit) -> bool:
        """Add a key picture that counts until the stream's next; false if that is there.

        Its timestamp is that of now.
        """
        with self._lock:
            if not self._is_broken:
                return False
            self._append(unit, None, begins=True)
            return True

    def _append(
        self, unit: AccessUnit, captured: float | None, *, begins: bool
    ) -> None:
        self._frames[self.end] = Frame(self.end, unit, captured)
        self._bytes += len(unit.data)
        self.end += 1
        if begins:
            self._drop_before(self._previous_key)
            self._previous_key = self.key = self.end - 1
        while self._bytes > self._max_bytes and self.first < self.end - 1:
            self._drop_before(self.first + 1)

    def forget(self) -> None:
        """Break the stream: what follows has nothing to do with what was."""
        self._is_broken = True
        self.key = None

    def clear(self) -> None:
        """Break the stream and give back what is kept: nobody watches any more."""
        self.forget()
        self._drop_before(self.end)

    def get(self, number: int) -> Frame | None:
        """Return a picture, while it is kept."""
        return self._frames.get(number)

    def group(self) -> list[AccessUnit]:
        """Return the pictures since the last key picture, that one first."""
        if self.key is None:
            return []
        frames = map(self.get, range(self.key, self.end))
        return [frame.unit for frame in frames if frame is not None]

    @property
    def bit_rate(self) -> float:
        """Bits per second of what is kept, or 0 when that is too little to tell."""
        first, last = self.get(self.first), self.get(self.end - 1)
        if first is None or last is None:
            return 0.0
        span = last.unit.timestamp - first.unit.timestamp
        if span < _CLOCK_RATE // 2:
            return 0.0
        return 8 * self._bytes * _CLOCK_RATE / span

    def _drop_before(self, number: int) -> None:
        for gone in range(self.first, number):
            if self.key == gone:
                self.key = None
            self._bytes -= len(self._frames.pop(gone).unit.data)
            self.first = gone + 1


class Cursor:
    """One viewer's place in the ring. For one thread at a time.

    A viewer that falls too far behind loses whole pictures: all until the latest
    key picture, or until the next one.
    """

    def __init__(
        self,
        ring: Ring,
        backlog: int,
        not_before: int = 0,
        *,
        live_only: bool = False,
    ) -> None:
        """Begin at the latest key picture, or at the next one.

        None counts before the picture of the number `not_before`, and with `live_only`
        none in the stead of the stream's.
        """
        self._ring = ring
        self._live_only = live_only
        self._backlog = backlog
        self._place: int | None = None
        self._floor = self._not_before = not_before
        self._lost_at: int | None = None
        self._limit = backlog
        self.dropped = 0

    def move(self, ring: Ring, not_before: int = 0) -> None:
        """Begin anew, in another ring."""
        self._ring = ring
        self._place = self._lost_at = None
        self._floor = self._not_before = not_before

    def peek(self) -> Frame | None:
        """Return the picture that `take` would."""
        place = self._place
        if place is None:
            return self._start()
        behind = self._ring.end - place
        if behind <= 0:
            return None
        self._limit = min(self._limit, behind + self._backlog)
        frame = self._ring.get(place)
        if frame is not None and behind <= self._limit:
            return frame
        self._place, self._lost_at, self._not_before = None, place, place + 1
        return self._start()

    def take(self) -> Frame | None:
        """Return the next picture and go on, or None when there is none yet."""
        frame = self.peek()
        if frame is not None:
            self._place = frame.number + 1
        return frame

    def is_behind(self) -> bool:
        """Tell whether the next `take` will pass pictures over."""
        return self._place is not None and self._ring.end - self._place > self._limit

    def rewind(self) -> bool:
        """Go back to the latest key picture, and tell whether there is one."""
        if self._ring.key is None or self._ring.key < self._floor:
            return False
        self._place, self._not_before = None, self._floor
        return True

    def _start(self) -> Frame | None:
        key = self._ring.key
        if key is None or key < self._not_before:
            return None
        frame = self._ring.get(key)
        if frame is None or (self._live_only and frame.unit.is_stand_in):
            return None
        self._place = key
        self._limit = self._ring.end - key + self._backlog
        if self._lost_at is not None:
            self.dropped += key - self._lost_at
            self._lost_at = None
        return frame
