"""Times to decode pictures at, where a stream has only those to show them at."""

import bisect

# In 1/90000 s.
_SECOND = 90_000


class DecodingOrder:
    """Makes times to decode at from times to show at, which RTP alone has.

    They differ where pictures are shown in another order than they come. Each picture
    gets the earliest time that is left of its own and those that have come early.
    """

    def __init__(self) -> None:
        """Expect pictures in the order in which they are shown."""
        self._times: list[int] = []
        self._latest: int | None = None
        self._last = 0
        self._early = 0

    def place(self, timestamp: int) -> int:
        """Return when to decode a picture, in the unit of its own time."""
        if self._latest is None or abs(timestamp - self._latest) > _SECOND:
            self._times.clear()
            self._latest = timestamp
            self._last = timestamp - 1
        bisect.insort(self._times, timestamp)
        if timestamp < self._latest:
            later = len(self._times) - bisect.bisect_right(self._times, timestamp)
            self._early = max(self._early, later, 1)
        self._latest = max(self._latest, timestamp)
        if not self._early:
            self._times.clear()
            self._last = timestamp
            return timestamp
        time = timestamp
        while len(self._times) > self._early:
            time = self._times.pop(0)
        self._last = max(self._last + 1, min(time, timestamp))
        return self._last
