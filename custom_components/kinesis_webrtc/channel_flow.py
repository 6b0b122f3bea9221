"""What the subentry flows have in common: one channel of an account."""

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryFlow,
)
from homeassistant.core import callback

from .channel_choice import ChannelChooser, ChannelRefused
from .const import CONF_CHANNEL
from .created_channels import CreatedChannels, async_get_created_channels
from .errors import flow_errors
from .signaling import Channel, SignalingClient


class ChannelFlow(ConfigSubentryFlow):
    """Choose a channel, and keep it from others meanwhile."""

    def __init__(self) -> None:
        """Start without a choice."""
        self._channel_arn = ""
        self._channel_name = ""
        self._created: CreatedChannels | None = None
        self._listed: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    @callback
    @override
    def async_remove(self) -> None:
        """Let go of the channel."""
        if self._created is not None:
            self._created.release(self)

    async def _async_begin(self) -> bool:
        """Forget an earlier choice; false if the account is not loaded."""
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return False
        self._errors = {}
        self._created = await async_get_created_channels(self.hass)
        self._created.release(self)
        return True

    async def _async_try(self, action: Awaitable[None]) -> bool:
        """Await what may be refused, and keep the reason for the form."""
        try:
            await action
        except ChannelRefused as err:
            self._errors = {CONF_CHANNEL: err.key}
        except Exception as err:  # noqa: BLE001
            self._errors, self._placeholders = flow_errors(err)
        return not self._errors

    async def _async_list_channels(self) -> list[Channel]:
        """Return the account's channels; why there are none is kept for the form."""
        channels = []
        try:
            channels = await self._client.list_channels()
        except Exception as err:  # noqa: BLE001
            errors, placeholders = flow_errors(err)
            if not self._errors:
                self._errors, self._placeholders = errors, placeholders
        self._listed = {channel.name: channel.arn for channel in channels}
        return channels

    def _chosen(self, user_input: Mapping[str, Any]) -> str:
        """Return the ARN of a channel of the list, what was typed in, or nothing."""
        choice: str = user_input.get(CONF_CHANNEL, "").strip()
        return self._listed.get(choice, choice)

    def _shown(self, arn: str) -> str:
        """Return what the form shows for a channel: its name if it is of the list."""
        return next((name for name in self._listed if self._listed[name] == arn), arn)

    def _chooser(self) -> ChannelChooser:
        if TYPE_CHECKING:
            assert self._created is not None
        return ChannelChooser(
            hass=self.hass,
            entry=self._get_entry(),
            client=self._client,
            created=self._created,
            holder=self,
        )

    @property
    def _client(self) -> SignalingClient:
        client: SignalingClient = self._get_entry().runtime_data.client
        return client

    @property
    def _subentry(self) -> ConfigSubentry | None:
        """Return the subentry that is changed, if this is no new one."""
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._get_reconfigure_subentry()

    @property
    def _subentry_id(self) -> str | None:
        return self._subentry.subentry_id if self._subentry else None
