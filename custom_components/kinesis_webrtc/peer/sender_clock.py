"""Places a camera's sound on the clock of its pictures (RFC 3550 section 6.4.1)."""

from typing import Final

PICTURE_RATE: Final = 90_000
SOUND_RATE: Final = 48_000
# In seconds: reports that put sound further away from the pictures that came with it
# are of clocks that have nothing to do with each other.
_APART: Final = 3.0
_FRACTION: Final = 1 << 32


class SenderClock:
    """Knows by both streams' reports which of their times are the same moment.

    Until there are such, what comes together counts as one moment. All times in the
    streams are of 32 bits.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._picture: tuple[int, float] | None = None
        self._picture_report: tuple[int, int] | None = None
        self._sound_report: tuple[int, int] | None = None
        self._sound: int | None = None
        self._met: tuple[int, float] | None = None

    def picture_came(self, place: int, now: float) -> None:
        """Note a picture's time, in 1/90000 s that do not roll over, and when it came."""
        self._picture = place, now

    def report_picture(self, ntp: int, timestamp: int) -> None:
        """Take what a report says of the pictures."""
        if ntp:
            self._picture_report = ntp, timestamp

    def report_sound(self, ntp: int, timestamp: int) -> None:
        """Take what a report says of the sound."""
        if ntp:
            self._sound_report = ntp, timestamp

    def place_sound(self, timestamp: int, now: float) -> int | None:
        """Return the time of sound on the clock of the pictures, once there is one."""
        if self._picture is None:
            return None
        if self._sound is None:
            self._sound = timestamp
        self._sound += _difference(timestamp, self._sound)
        place, came_at = self._picture
        live = place + (now - came_at) * PICTURE_RATE
        if self._met is None:
            self._met = self._sound, live
        reported = self._reported()
        if reported is not None and abs(reported - live) < _APART * PICTURE_RATE:
            return round(reported)
        began, met = self._met
        return round(met + (self._sound - began) * PICTURE_RATE / SOUND_RATE)

    def _reported(self) -> float | None:
        if self._picture_report is None or self._sound_report is None:
            return None
        assert self._picture is not None
        assert self._sound is not None
        picture_ntp, picture = self._picture_report
        sound_ntp, sound = self._sound_report
        seconds = (sound_ntp - picture_ntp) / _FRACTION
        seconds -= _difference(sound, self._sound) / SOUND_RATE
        place, _ = self._picture
        return place + _difference(picture, place) + seconds * PICTURE_RATE


def _difference(number: int, before: int) -> int:
    """Return how far a time of 32 bits is from another one."""
    return ((number - before + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
