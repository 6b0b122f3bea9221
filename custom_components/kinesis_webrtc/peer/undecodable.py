"""Whether one viewer gets the pictures and cannot show them, by what it asks for."""

from typing import Final

# In seconds. A viewer that shows nothing asks for a key frame again and again, several
# times a second as browsers do or once; one that asks from time to time, as some media
# servers do to have them in their recordings, leaves longer pauses.
_LONGEST_PAUSE: Final = 1.5
# In seconds: who has just joined, or was out of the line for a moment, is content long
# before, since a key frame is sent for every request that is a second after another.
_PATIENCE: Final = 8.0
# Share of the packets. Whoever lost some asks for that reason.
_NO_LOSS: Final = 0.01
# Reports without loss, of packets that came, that it takes.
_REPORTS: Final = 3


class Undecodable:
    """Takes a viewer's requests for key frames and its reports.

    A browser that cannot decode a stream says so nowhere else: its packets come, none is
    lost, and it asks without end. Loss, or a pause in the asking, begins it all anew.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._since: float | None = None
        self._asked_at = float("-inf")
        self._reports = 0
        self._highest: int | None = None

    def asked(self, now: float) -> bool:
        """Take a request for a key frame, and tell whether that is once too often."""
        if self._since is None or now - self._asked_at > _LONGEST_PAUSE:
            self._since, self._reports = now, 0
        self._asked_at = now
        return now - self._since >= _PATIENCE and self._reports >= _REPORTS

    def report(self, lost: float, highest: int) -> None:
        """Take the share that was lost, and the highest sequence number that came."""
        has_come, self._highest = highest != self._highest, highest
        if lost > _NO_LOSS:
            self._since, self._reports = None, 0
        elif has_come:
            self._reports += 1
