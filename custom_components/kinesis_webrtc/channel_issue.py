"""The repair that tells of a signaling channel which is not in AWS any more."""

from typing import Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_CHANNEL_ARN, DOMAIN, SUBENTRY_TYPE_SHARED_CAMERA
from .created_channels import ChannelKey
from .signaling import ResourceNotFoundError, SignalingError

KIND_CHANNEL: Final = "channel"


class ChannelIssue:
    """Comes when AWS does not know a subentry's channel, goes when it is used again.

    A shared camera's is made anew by a fix flow; a viewer's is not ours to make.
    """

    def __init__(
        self, *, hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry
    ) -> None:
        """Bind a subentry with a channel; there is no complaint yet."""
        self._hass = hass
        self._entry = entry
        self._subentry = subentry
        self._key = ChannelKey.from_arn(subentry.data[CONF_CHANNEL_ARN])
        self._issue_id = f"channel_gone_{subentry.subentry_id}"

    @callback
    def async_follow(self, error: SignalingError | None) -> None:
        """Take how the last use of the channel came out; other errors say nothing."""
        if error is None:
            self.async_clear()
        elif isinstance(error, ResourceNotFoundError):
            self._async_complain()

    @callback
    def _async_complain(self) -> None:
        key = self._key
        is_fixable = (
            self._subentry.subentry_type == SUBENTRY_TYPE_SHARED_CAMERA
            and key == ChannelKey.from_entry(self._entry, key.name)
        )
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id,
            data={
                "kind": KIND_CHANNEL,
                "entry_id": self._entry.entry_id,
                "subentry_id": self._subentry.subentry_id,
            },
            is_fixable=is_fixable,
            severity=ir.IssueSeverity.ERROR,
            translation_key="channel_gone" if is_fixable else "channel_gone_elsewhere",
            translation_placeholders={
                "name": self._subentry.title,
                "channel": key.name,
                "account": key.account,
                "region": key.region,
            },
        )

    @callback
    def async_clear(self) -> None:
        """Take the complaint back."""
        ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)
