"""The fix flow of a shared camera whose signaling channel is gone."""

from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import issue_registry as ir
import voluptuous as vol

from .alexa_fields import AlexaFields
from .channel_choice import ChannelChooser
from .const import (
    CONF_ALEXA_NAME,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    DOCUMENTATION_URL,
    DOMAIN,
)
from .created_channels import async_get_created_channels
from .errors import flow_errors


class ChannelGoneFlow(RepairsFlow):
    """Make the channel anew, as it was; the skill then finds the same camera."""

    data: dict[str, Any]

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> RepairsFlowResult:
        """Ask first; what this step is given comes from no form."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Make it, and have the camera use it."""
        entry = self.hass.config_entries.async_get_entry(self.data["entry_id"])
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        subentry = entry.subentries.get(self.data["subentry_id"])
        if subentry is None:
            return self.async_create_entry(data={})
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            created = await async_get_created_channels(self.hass)
            chooser = ChannelChooser(
                hass=self.hass,
                entry=entry,
                client=entry.runtime_data.client,
                created=created,
                holder=self,
            )
            fields = AlexaFields.from_data(subentry.data, title=subentry.title)
            try:
                channel = await chooser.async_create_again(
                    subentry.data[CONF_CHANNEL_NAME],
                    fields.tags if CONF_ALEXA_NAME in subentry.data else {},
                )
            except Exception as err:  # noqa: BLE001
                errors, placeholders = flow_errors(err)
            else:
                self.hass.config_entries.async_update_subentry(
                    entry,
                    subentry,
                    data={**subentry.data, CONF_CHANNEL_ARN: channel.arn},
                )
                return self.async_create_entry(data={})
            finally:
                created.release(self)
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            errors=errors,
            description_placeholders={
                **((issue and issue.translation_placeholders) or {}),
                "documentation_url": DOCUMENTATION_URL,
                **placeholders,
            },
        )
