"""Repairs that name the rights in AWS which a shared camera's channel lacks."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOCUMENTATION_URL, DOMAIN
from .created_channels import ChannelKey
from .signaling import NotAuthorizedError, SignalingError


class MissingRights:
    """Comes with the first call that AWS refuses for lack of a right, goes with a good one.

    What is called is told apart, since one right may be there and another not.
    """

    def __init__(self, *, hass: HomeAssistant, channel_arn: str) -> None:
        """Bind a channel; there is no complaint yet."""
        self._hass = hass
        self._key = ChannelKey.from_arn(channel_arn)
        self._missing: set[str] = set()

    @callback
    def async_failed(self, what: str, error: SignalingError | None) -> None:
        """Complain, if a call failed since a right is missing."""
        if not isinstance(error, NotAuthorizedError):
            return
        self._missing.add(what)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id(what),
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key="right_missing",
            translation_placeholders={
                "channel": self._key.name,
                "account": self._key.account,
                "region": self._key.region,
                "action": error.action or f"kinesisvideo:{error.operation or '*'}",
                "documentation_url": DOCUMENTATION_URL,
            },
        )

    @callback
    def async_worked(self, what: str) -> None:
        """Take the complaint back."""
        if what in self._missing:
            self._missing.discard(what)
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id(what))

    @callback
    def async_clear(self) -> None:
        """Take all back."""
        for what in tuple(self._missing):
            self.async_worked(what)

    def _issue_id(self, what: str) -> str:
        key = self._key
        return f"right_missing_{what}_{key.account}_{key.region}_{key.name}"
