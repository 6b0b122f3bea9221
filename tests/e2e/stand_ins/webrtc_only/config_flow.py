"""Asks for the camera's name and address."""

from typing import Any, override

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_NAME, CONF_URL
import voluptuous as vol


class WebRtcOnlyFlow(ConfigFlow, domain="webrtc_only"):
    """Takes what it is told."""

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask, or take the answer."""
        if user_input is not None:
            return self.async_create_entry(title=user_input[CONF_NAME], data=user_input)
        schema = vol.Schema({vol.Required(CONF_NAME): str, vol.Required(CONF_URL): str})
        return self.async_show_form(step_id="user", data_schema=schema)
