"""Tests of the flow that views the camera of a channel."""

from typing import Any
from unittest.mock import AsyncMock

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_CHANNEL,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    SUBENTRY_TYPE_REMOTE_CHANNEL,
)
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    NotAuthorizedError,
)

from .conftest import (
    ACCOUNT,
    REGION,
    Aws,
    channel_arn,
    make_channel,
    make_entry,
    remote_channel_data,
    shared_camera_data,
)

OTHER_ACCOUNT = "999999999999"


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_TYPE_REMOTE_CHANNEL), context={"source": SOURCE_USER}
    )


async def choose(
    hass: HomeAssistant, flow: dict[str, Any], channel: str
) -> dict[str, Any]:
    return await hass.config_entries.subentries.async_configure(
        flow["flow_id"], {CONF_CHANNEL: channel}
    )


def offered(flow: dict[str, Any]) -> list[str]:
    """Return the channels that the form offers."""
    (selector,) = flow["data_schema"].schema.values()
    return list(selector.config["options"])


@pytest.fixture
async def loaded(hass: HomeAssistant, mock_setup_entry: AsyncMock) -> MockConfigEntry:
    """Return an account that shares a camera and views a channel."""
    entry = make_entry(
        shared_camera_data("camera-id", "ha-front-door"), remote_channel_data("cabin")
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


@pytest.fixture
def remote(loaded: MockConfigEntry) -> ConfigSubentry:
    return next(
        subentry
        for subentry in loaded.subentries.values()
        if subentry.subentry_type == SUBENTRY_TYPE_REMOTE_CHANNEL
    )


async def test_views_a_channel_of_the_list(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws
) -> None:
    for name in ("shed", "cabin", "ha-front-door"):
        aws.add(make_channel(name))
    aws.add(make_channel("gone", status="DELETING"))
    flow = await start(hass, loaded)
    assert offered(flow) == ["shed"]

    result = await choose(hass, flow, "shed")

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "shed"
    assert result["data"] == {
        CONF_CHANNEL_ARN: channel_arn("shed"),
        CONF_CHANNEL_NAME: "shed",
    }
    assert result["unique_id"] == (
        f"channel_arn:aws:kinesisvideo:{REGION}:{ACCOUNT}:channel/shed"
    )


async def test_views_a_channel_of_another_account(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws
) -> None:
    channel = aws.add(make_channel("shed", account=OTHER_ACCOUNT))
    result = await choose(hass, await start(hass, loaded), f" {channel.arn} ")
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_needs_no_right_to_read_tags(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws
) -> None:
    aws.add(make_channel("shed"))
    aws.client.get_tags.side_effect = NotAuthorizedError()
    result = await choose(hass, await start(hass, loaded), "shed")
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ("ha-front-door", "channel_in_use"),
        ("cabin", "channel_in_use"),
        ("elsewhere", "channel_not_found"),
        ("no such name!", "invalid_channel"),
        ("arn:junk", "invalid_channel"),
        (channel_arn("shed", region="us-east-1"), "wrong_region"),
    ],
)
async def test_refuses_what_cannot_be_viewed(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws, choice: str, error: str
) -> None:
    for name in ("shed", "cabin", "ha-front-door"):
        aws.add(make_channel(name))
    flow = await choose(hass, await start(hass, loaded), choice)
    assert flow["errors"] == {CONF_CHANNEL: error}

    result = await choose(hass, flow, "shed")
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_refuses_a_channel_with_media_storage(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws
) -> None:
    aws.add(make_channel("shed"))
    aws.client.is_media_storage_enabled.return_value = True
    flow = await choose(hass, await start(hass, loaded), "shed")
    assert flow["errors"] == {CONF_CHANNEL: "media_storage_enabled"}


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (NotAuthorizedError(action="kinesisvideo:Describe"), "not_authorized"),
        (CannotConnectError(operation="Describe"), "cannot_connect"),
        (RuntimeError("a defect"), "unknown"),
    ],
)
async def test_tells_what_aws_says(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws, error: Exception, key: str
) -> None:
    flow = await start(hass, loaded)
    aws.client.describe_channel.side_effect = error
    flow = await choose(hass, flow, "shed")
    assert flow["errors"] == {"base": key}


async def test_a_channel_can_be_typed_in_where_none_is_listed(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws
) -> None:
    aws.add(make_channel("shed"))
    aws.client.list_channels.side_effect = NotAuthorizedError()
    flow = await start(hass, loaded)
    assert flow["errors"] == {"base": "not_authorized"}
    result = await choose(hass, flow, "shed")
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_two_flows_do_not_take_the_same_channel(
    hass: HomeAssistant, loaded: MockConfigEntry, aws: Aws, created: CreatedChannels
) -> None:
    aws.add(make_channel("shed"))
    flow = await start(hass, loaded)
    key = ChannelKey(account=ACCOUNT, region=REGION, name="shed")
    other_flow = object()
    assert created.claim(key, other_flow)

    flow = await choose(hass, flow, "shed")

    assert flow["errors"] == {CONF_CHANNEL: "channel_in_use"}
    created.release(other_flow)
    result = await choose(hass, flow, "shed")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert created.claim(key, other_flow)


async def test_changes_to_another_channel(
    hass: HomeAssistant, loaded: MockConfigEntry, remote: ConfigSubentry, aws: Aws
) -> None:
    for name in ("cabin", "shed"):
        aws.add(make_channel(name))
    flow = await loaded.start_subentry_reconfigure_flow(hass, remote.subentry_id)
    assert offered(flow) == ["cabin", "shed"]
    (field,) = flow["data_schema"].schema
    assert field.description == {"suggested_value": "cabin"}

    result = await choose(hass, flow, "shed")

    assert result["reason"] == "reconfigure_successful"
    assert remote.data[CONF_CHANNEL_ARN] == channel_arn("shed")
    assert remote.title == "shed"
    assert remote.unique_id.endswith("/shed")


async def test_a_name_stays_with_its_channel(
    hass: HomeAssistant, loaded: MockConfigEntry, remote: ConfigSubentry, aws: Aws
) -> None:
    aws.add(make_channel("cabin"))
    flow = await loaded.start_subentry_reconfigure_flow(hass, remote.subentry_id)
    await choose(hass, flow, channel_arn("cabin"))
    assert remote.title == "Cabin"


async def test_needs_a_loaded_account(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    await hass.config_entries.async_unload(loaded.entry_id)
    assert loaded.state is ConfigEntryState.NOT_LOADED
    result = await start(hass, loaded)
    assert result["reason"] == "entry_not_loaded"
