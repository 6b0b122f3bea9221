"""The repair that tells of a machine whose clock is wrong."""

from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN

# There is one clock, however many accounts notice it.
_ISSUE_ID: Final = "clock_skew"


class ClockIssue:
    """Comes when AWS says that it is much later or earlier, goes when that has ended.

    Until then requests are dated by AWS's clock; but logs, certificates and automations
    go by the machine's own.
    """

    def __init__(self, *, hass: HomeAssistant) -> None:
        """Start without a complaint."""
        self._hass = hass

    @callback
    def async_corrected(self, correction: timedelta) -> None:
        """Follow how much AWS is ahead; nothing where the clocks agree."""
        if not correction:
            self.async_clear()
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _ISSUE_ID,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="clock_skew",
            translation_placeholders={"offset": f"{correction.total_seconds():+.0f}"},
        )

    @callback
    def async_clear(self) -> None:
        """Take the complaint back."""
        ir.async_delete_issue(self._hass, DOMAIN, _ISSUE_ID)
