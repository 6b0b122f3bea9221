"""When what the camera captured at one moment would be here at the earliest."""

import time

_CLOCK_RATE = 90_000
# By how much of the difference the clock follows pictures that come later, as it has to
# where the camera's own clock is slow.
_FOLLOW = 1 / 500
# In seconds: more is another clock, here or there.
_JUMP = 1.0


def system_time(moment: float) -> float:
    """Return the system's time at a moment of the monotonic clock."""
    return time.time() - time.monotonic() + moment


class CaptureClock:
    """Maps the feed's timeline to the system's clock, for pictures and sound alike.

    Viewers bring both together by sender reports, which have to agree: what a picture
    was delayed by on its way must not be in them. For one thread to write, any to read.
    """

    def __init__(self) -> None:
        """Know nothing before the first picture."""
        self._offset: float | None = None

    def observe(self, timestamp: int) -> None:
        """Learn that a picture, by its place in 1/90000 s, has just come."""
        offset = time.monotonic() - timestamp / _CLOCK_RATE
        known = self._offset
        if known is None or offset < known or offset - known > _JUMP:
            self._offset = offset
        else:
            self._offset = known + (offset - known) * _FOLLOW

    @property
    def offset(self) -> float | None:
        """The monotonic clock's time at the place 0, once known: nobody sets that one."""
        return self._offset

    def time_of(self, timestamp: int) -> float:
        """Return the system's time of a place; without a picture, the time now."""
        if self._offset is None:
            return time.time()
        return system_time(self._offset + timestamp / _CLOCK_RATE)
