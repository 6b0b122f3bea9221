"""The repair that tells of a camera whose pictures are too large for Alexa."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .peer import CameraFeed, KeyFrameSent
from .self_test import is_self_test


class SizeIssue:
    """Comes when Alexa watches what has to be made smaller, goes when that has ended.

    Who never shows the camera on an Echo is not bothered.
    """

    def __init__(self, *, hass: HomeAssistant, subentry: ConfigSubentry) -> None:
        """Bind a shared camera; there is no complaint yet."""
        self._hass = hass
        self._subentry = subentry
        self._issue_id = f"camera_too_large_{subentry.subentry_id}"

    @callback
    def async_view_began(self, event: KeyFrameSent, feed: CameraFeed) -> None:
        """Complain, or take the complaint back; `feed` is what Echos get."""
        if not feed.small.is_large and not feed.is_fallback:
            self.async_clear()
            return
        if not event.is_small or is_self_test(event.viewer_id):
            return
        size = event.shrunk_from
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=(
                "alexa_stream_failed" if feed.is_fallback else "camera_too_large"
            ),
            translation_placeholders={
                "camera": self._subentry.title,
                "size": f"{size[0]}x{size[1]}" if size else "-",
            },
        )

    @callback
    def async_clear(self) -> None:
        """Take the complaint back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)
