"""One clock for pictures and sound of streams that come and go."""

from collections.abc import Callable
import threading
import time
from typing import Final

CLOCK_RATE: Final = 90_000
_FALLBACK_FRAME = CLOCK_RATE // 25
_LONGEST_GAP = 10 * CLOCK_RATE


class Timeline:
    """Turns timestamps of streams that come and go into one that only grows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at zero."""
        self._clock = clock
        self._lock = threading.Lock()
        self._offset: int | None = None
        self._last = 0
        self._last_at = 0.0

    @property
    def last(self) -> int:
        """The place of the picture before."""
        return self._last

    def locate(self, timestamp: int) -> int | None:
        """Return the place of sound, once pictures of the same clock have one.

        A clock that has nothing to do with that of the pictures begins at the last one.
        """
        if self._offset is None:
            return None
        place = timestamp + self._offset
        if abs(place - self._last) > _LONGEST_GAP:
            return self._last
        return place

    def restart(self) -> None:
        """Expect a stream whose timestamps have nothing to do with the last one's."""
        self._offset = None

    def advance(self) -> int | None:
        """Return the place of what is shown now in the stead of a stream.

        None, if that has begun since it was expected; else all of it comes after.
        """
        with self._lock:
            if self._offset is not None:
                return None
            self._last = self._next(self._clock())
            return self._last

    def place(self, timestamp: int | None) -> int:
        """Return the place of a picture, in 1/90000 s."""
        with self._lock:
            now = self._clock()
            if timestamp is None:
                timestamp = self._last + _FALLBACK_FRAME - (self._offset or 0)
            if self._offset is not None:
                step = timestamp + self._offset - self._last
                if not 0 < step <= _LONGEST_GAP:
                    self._offset = None
            if self._offset is None:
                self._offset = self._next(now) - timestamp
            self._last = timestamp + self._offset
            self._last_at = now
            return self._last

    def _next(self, now: float) -> int:
        """Return the place of what follows the last picture now."""
        elapsed = int((now - self._last_at) * CLOCK_RATE) if self._last_at else 0
        self._last_at = now
        return self._last + max(elapsed, _FALLBACK_FRAME)
