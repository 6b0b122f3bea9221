"""The AWS account of a config entry: its client, and whether it may be used."""

from collections.abc import Mapping
import logging
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from .const import (
    CONF_ACCESS_KEY_ID,
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    CONF_SESSION_TOKEN,
)
from .created_channels import async_get_created_channels
from .created_stacks import account_of, async_get_created_stacks
from .signaling import (
    KEYS_REFUSED,
    Credentials,
    SignalingClient,
    SignalingError,
)

_LOGGER = logging.getLogger(__name__)


def async_create_client(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> SignalingClient:
    """Create the client of an account; no request is made."""
    return SignalingClient(
        region=data[CONF_REGION],
        credentials=credentials_of(data),
        execute=hass.async_add_executor_job,
    )


def credentials_of(data: Mapping[str, Any]) -> Credentials:
    """Return the keys of an account."""
    return Credentials(
        access_key_id=data[CONF_ACCESS_KEY_ID],
        secret_access_key=data[CONF_SECRET_ACCESS_KEY],
        session_token=data.get(CONF_SESSION_TOKEN) or None,
    )


def async_handle_refusal(
    hass: HomeAssistant, entry: ConfigEntry, error: SignalingError | None
) -> None:
    """Ask the user for new keys if AWS no longer takes the stored ones."""
    if isinstance(error, KEYS_REFUSED):
        entry.async_start_reauth(hass)


async def async_check_account(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Find out in the background whether AWS still takes the account's keys.

    What no subentry owns any more is deleted then too: it may have been left over
    while AWS was away.
    """
    client = entry.runtime_data.client
    try:
        await client.get_caller_account()
    except SignalingError as err:
        _LOGGER.debug("AWS did not confirm the account: %s", err)
        async_handle_refusal(hass, entry, err)
        return
    created = await async_get_created_channels(hass)
    await created.async_clean_up(hass, entry, client)
    stacks = await async_get_created_stacks(hass)
    await stacks.async_clean_up(account_of(entry), entry.data)
