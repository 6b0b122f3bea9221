"""A shared camera whose signaling channel is gone gets a new one by a fix flow."""

from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.components.repairs import DOMAIN as REPAIRS_DOMAIN
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import DOMAIN, MESSAGE_TTL
from custom_components.kinesis_webrtc.signaling import (
    Channel,
    NotAuthorizedError,
    ResourceInUseError,
    ResourceNotFoundError,
)

from .conftest import async_share, channel_arn, make_channel
from .masters import Masters

NAME = "ha-front-door"
NEW_ARN = f"{channel_arn(NAME).rpartition('/')[0]}/1800000000000"


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> MockConfigEntry:
    """Return an account that shares a camera on a channel that is gone."""
    assert await async_setup_component(hass, REPAIRS_DOMAIN, {})
    entry = await async_share(hass, camera)
    masters[channel_arn(NAME)].fail(ResourceNotFoundError())

    async def create(*, name: str, message_ttl: int, tags: dict[str, str]) -> Channel:
        return replace(make_channel(name, ttl=message_ttl), arn=NEW_ARN)

    mock_client.create_channel.side_effect = create
    return entry


async def fix(hass: HomeAssistant) -> dict[str, Any]:
    """Begin to fix the one repair that is there."""
    (issue_id,) = (
        issue.issue_id
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN
    )
    manager = hass.data[REPAIRS_DOMAIN]["flow_manager"]
    result: dict[str, Any] = await manager.async_init(
        DOMAIN, context={"issue_id": issue_id}
    )
    return result


async def submit(hass: HomeAssistant, result: dict[str, Any]) -> dict[str, Any]:
    manager = hass.data[REPAIRS_DOMAIN]["flow_manager"]
    result = await manager.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    return result


async def test_the_channel_is_made_anew_under_its_name(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    entry: MockConfigEntry,
    our_tag: dict[str, str],
) -> None:
    result = await fix(hass)
    assert result["step_id"] == "confirm"
    assert result["description_placeholders"]["channel"] == NAME

    result = await submit(hass, result)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    mock_client.create_channel.assert_awaited_once_with(
        name=NAME, message_ttl=MESSAGE_TTL, tags=our_tag
    )
    (subentry,) = entry.subentries.values()
    assert subentry.data["channel_arn"] == NEW_ARN
    assert subentry.data["channel_name"] == NAME
    # The master is on it, and nothing is wrong any more.
    assert masters[NEW_ARN].running
    assert not masters[channel_arn(NAME)].running
    assert not [
        issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN
    ]


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (ResourceInUseError(), "resource_in_use"),
        (NotAuthorizedError(operation="CreateSignalingChannel"), "not_authorized"),
    ],
)
async def test_what_aws_refuses_is_shown_and_can_be_repeated(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    entry: MockConfigEntry,
    error: Exception,
    key: str,
) -> None:
    create = mock_client.create_channel.side_effect
    mock_client.create_channel.side_effect = error
    result = await submit(hass, await fix(hass))
    assert result["errors"] == {"base": key}

    mock_client.create_channel.side_effect = create
    result = await submit(hass, result)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_an_account_that_is_not_loaded_cannot_make_it(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    result = await fix(hass)
    entry.mock_state(hass, ConfigEntryState.FAILED_UNLOAD)

    result = await submit(hass, result)

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"
    entry.mock_state(hass, ConfigEntryState.LOADED)
