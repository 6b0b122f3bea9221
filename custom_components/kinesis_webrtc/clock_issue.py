"""The repair that tells of a machine whose clock is wrong."""

from datetime import timedelta
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN

# There is one clock, however many accounts notice it.
_ISSUE_ID: Final = "clock_skew"
_NOTICED_BY: HassKey[set[ClockIssue]] = HassKey(f"{DOMAIN}.clock_noticed_by")


class ClockIssue:
    """Comes when AWS says that it is much later or earlier, goes when that has ended.

    Until then requests are dated by AWS's clock; but logs, certificates and automations
    go by the machine's own.
    """

    def __init__(self, *, hass: HomeAssistant) -> None:
        """Start without a complaint of this account's."""
        self._hass = hass
        self._noticed_by = hass.data.setdefault(_NOTICED_BY, set())

    @callback
    def async_corrected(self, correction: timedelta) -> None:
        """Follow how much AWS is ahead; nothing where the clocks agree."""
        if not correction:
            self._noticed_by.clear()
            self.async_clear()
            return
        self._noticed_by.add(self)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _ISSUE_ID,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="clock_skew",
            translation_placeholders={
                "offset": f"{abs(correction.total_seconds()):.0f}"
            },
        )

    @callback
    def async_clear(self) -> None:
        """Take the complaint back, unless another account goes on with it."""
        self._noticed_by.discard(self)
        if self._noticed_by:
            return
        ir.async_delete_issue(self._hass, DOMAIN, _ISSUE_ID)
