"""The repair that tells of a camera which gave its viewers no pictures."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .errors import async_text
from .peer import EndReason, RefusalReason

_REASONS = frozenset(
    {
        EndReason.SOURCE_FAILED,
        EndReason.UNSUPPORTED_CODEC,
        RefusalReason.SOURCE_FAILED,
    }
)


class CameraIssue:
    """Comes with the first view that fails for the camera's sake, goes with a good one."""

    def __init__(self, *, hass: HomeAssistant, subentry: ConfigSubentry) -> None:
        """Bind a shared camera; there is no complaint yet."""
        self._hass = hass
        self._subentry = subentry
        self._issue_id = f"camera_failed_{subentry.subentry_id}"

    @callback
    def async_view_ended(
        self, reason: EndReason | RefusalReason, detail: str | None = None
    ) -> None:
        """Complain, if a view ended since the camera gave nothing to see."""
        if reason not in _REASONS:
            return
        # What happened to a stream has a text only where it is not FFmpeg's own word.
        cause = HomeAssistantError(
            translation_domain=DOMAIN, translation_key=detail or str(reason)
        )
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=(
                "camera_unsupported"
                if reason is EndReason.UNSUPPORTED_CODEC
                else "camera_failed"
            ),
            translation_placeholders={
                "camera": self._subentry.title,
                "cause": async_text(self._hass, cause),
            },
        )

    @callback
    def async_clear(self) -> None:
        """Take the complaint back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)
