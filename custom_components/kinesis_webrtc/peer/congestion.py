"""Whether one viewer's way takes all that it is sent, by what the viewer reports."""

from typing import Final

# Shares of the packets. WebRTC's own senders go down with their rate above the first and
# up below the second; what is in between may be a bad line that carries enough.
_HEAVY: Final = 0.10
_LIGHT: Final = 0.02
# Of the rate that is needed. By itself an estimate proves nothing: after a quiet scene it
# is low, since it follows what comes.
_SHORT: Final = 0.8
# In seconds. One burst of loss is repaired by sending again, and is over by then.
_TO_BEGIN: Final = 3.0
# In seconds. That all goes well with less says little of how it will go with all of it,
# so whoever has a relapse waits twice as long.
_TO_END: Final = 10.0
_LONGEST: Final = 160.0
_RELAPSE: Final = 60.0


class Congestion:
    """Begins late and ends later, so that no viewer goes back and forth."""

    def __init__(self) -> None:
        """Take the way for a good one."""
        self.is_on = False
        self._since: float | None = None
        self._ended_at = float("-inf")
        self._to_end = _TO_END
        self._is_short = False

    def estimate(self, bitrate: float, needed: float) -> None:
        """Take what the viewer thinks comes through, and what would be needed."""
        self._is_short = bitrate < _SHORT * needed

    def report(self, now: float, lost: float) -> bool:
        """Take the share that was lost since the last report; tell of a change.

        `now` is in seconds, `lost` from 0 to 1.
        """
        if self.is_on:
            counts = lost < _LIGHT
        else:
            counts = lost >= (_LIGHT if self._is_short else _HEAVY)
        if not counts:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < (self._to_end if self.is_on else _TO_BEGIN):
            return False
        self._since = None
        self.is_on = not self.is_on
        if not self.is_on:
            self._ended_at = now
        elif now - self._ended_at < _RELAPSE:
            self._to_end = min(2 * self._to_end, _LONGEST)
        else:
            self._to_end = _TO_END
        return True
