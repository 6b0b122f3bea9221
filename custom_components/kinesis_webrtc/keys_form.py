"""Fields for the keys of an AWS account."""

from collections.abc import Mapping
from typing import Final

from homeassistant.helpers.selector import (
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio
import voluptuous as vol

from .const import CONF_ACCESS_KEY_ID, CONF_SECRET_ACCESS_KEY, CONF_SESSION_TOKEN

# Keeps a value out of the texts of validation errors, where Home Assistant has it.
secret = getattr(probatio, "Secret", str)

PASSWORD: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
)
KEYS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACCESS_KEY_ID): TextSelector(
            TextSelectorConfig(autocomplete="off")
        ),
        vol.Required(secret(CONF_SECRET_ACCESS_KEY)): PASSWORD,
        vol.Optional(secret(CONF_SESSION_TOKEN)): PASSWORD,
    }
)


def cleaned(user_input: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed or pasted, without blanks around it."""
    data = {key: value.strip() for key, value in user_input.items()}
    if not data.get(CONF_SESSION_TOKEN):
        data.pop(CONF_SESSION_TOKEN, None)
    return data
