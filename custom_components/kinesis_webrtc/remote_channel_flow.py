"""Subentry flow of a remote channel: a camera elsewhere, seen through its channel."""

from typing import Any

from homeassistant.config_entries import SubentryFlowResult
from homeassistant.helpers.typing import UNDEFINED
import voluptuous as vol

from .channel_choice import channel_selector
from .channel_flow import ChannelFlow
from .const import (
    CONF_CHANNEL,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    DOCUMENTATION_URL,
)


class RemoteChannelFlow(ChannelFlow):
    """View the camera of a channel, or that of another one."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose a channel."""
        return await self._async_step_choose("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose another channel."""
        return await self._async_step_choose("reconfigure", user_input)

    async def _async_step_choose(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        if not await self._async_begin():
            return self.async_abort(reason="entry_not_loaded")
        if user_input is not None and await self._async_try(
            self._async_choose_channel(self._chosen(user_input))
        ):
            return self._finish()
        channels = await self._async_list_channels()
        schema = vol.Schema(
            {
                vol.Required(CONF_CHANNEL): channel_selector(
                    self.hass,
                    channels,
                    except_subentry_id=self._subentry_id,
                )
            }
        )
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or self._current_choice()
            ),
            errors=self._errors,
            description_placeholders={
                "documentation_url": DOCUMENTATION_URL,
                **self._placeholders,
            },
        )

    async def _async_choose_channel(self, choice: str) -> None:
        """Examine the channel that the user chose."""
        channel = await self._chooser().async_find(
            choice, except_subentry_id=self._subentry_id
        )
        self._channel_arn = channel.arn
        self._channel_name = channel.name

    def _finish(self) -> SubentryFlowResult:
        data = {
            CONF_CHANNEL_ARN: self._channel_arn,
            CONF_CHANNEL_NAME: self._channel_name,
        }
        # A channel that is made anew under its old name has another ARN.
        unique_id = f"channel_{self._channel_arn.rpartition('/')[0]}"
        subentry = self._subentry
        if subentry is None:
            return self.async_create_entry(
                title=self._channel_name, data=data, unique_id=unique_id
            )
        is_same = self._channel_name == subentry.data[CONF_CHANNEL_NAME]
        return self.async_update_and_abort(
            self._get_entry(),
            subentry,
            # A name that the user has given stays as long as the channel does.
            title=UNDEFINED if is_same else self._channel_name,
            data=data,
            unique_id=unique_id,
        )

    def _current_choice(self) -> dict[str, Any]:
        """Return what a subentry that is changed has now."""
        if (subentry := self._subentry) is None:
            return {}
        return {CONF_CHANNEL: self._shown(subentry.data[CONF_CHANNEL_ARN])}
