"""Which of a sensor's states tell that somebody has rung, or that something moves."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.event import ATTR_EVENT_TYPE, ATTR_EVENT_TYPES
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, Platform
from homeassistant.core import State
from homeassistant.util import dt as dt_util

# An announcement that comes later than that is about nobody at the door.
STALE: Final = timedelta(seconds=30)

# A doorbell may tell of more than its button.
_RING: Final = "ring"


class Doorbell:
    """Knows the presses of one doorbell."""

    def __init__(self) -> None:
        """Know of no press yet."""
        self._rung = dt_util.utc_from_timestamp(0)

    def pressed_at(self, old: State | None, new: State | None) -> datetime | None:
        """Return when the doorbell was pressed, once, if that is what a change tells.

        What was restored, or has come back, is no press.
        """
        at = _told(old, new)
        if at is None or at == self._rung or dt_util.utcnow() - at > STALE:
            return None
        self._rung = at
        return at


def begins(old: State | None, new: State | None) -> bool:
    """Return whether a binary sensor has just seen what it looks for.

    One that comes back with it has not.
    """
    return (
        old is not None
        and new is not None
        and (old.state, new.state) == (STATE_OFF, STATE_ON)
    )


def _told(old: State | None, new: State | None) -> datetime | None:
    """Return the time of a press that a change tells of, however old it is."""
    if old is None or new is None or old.state == STATE_UNAVAILABLE:
        return None
    if new.domain != Platform.EVENT:
        return new.last_changed if begins(old, new) else None
    is_ring = new.attributes.get(ATTR_EVENT_TYPE) == _RING
    if _RING in new.attributes.get(ATTR_EVENT_TYPES, ()) and not is_ring:
        return None
    return dt_util.parse_datetime(new.state)
