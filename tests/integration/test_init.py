"""Accounts are set up without waiting for AWS, and leave nothing behind."""

import asyncio
from pathlib import Path
from unittest.mock import AsyncMock

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.loader import DATA_COMPONENTS
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.alexa import template
from custom_components.kinesis_webrtc.const import (
    CONF_REGION,
    CONF_SECRET_ACCESS_KEY,
    DOMAIN,
)
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    InvalidCredentialsError,
    NotAuthorizedError,
    SignalingError,
)

from .conftest import (
    Aws,
    add_camera,
    channel_arn,
    make_channel,
    make_entry,
    shared_camera_data,
)
from .masters import Masters

FRONT = channel_arn("ha-front-door")
BACK = channel_arn("ha-back-door")


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    aws: Aws,
    camera: er.RegistryEntry,
    our_tag: dict[str, str],
    created: CreatedChannels,
) -> MockConfigEntry:
    """Return a loaded account that shares a camera on a channel that we made."""
    template._template.cache_clear()
    aws.add(make_channel("ha-front-door"), our_tag)
    entry = make_entry(shared_camera_data(camera.id, "ha-front-door"))
    entry.add_to_hass(hass)
    await created.async_add(ChannelKey.from_entry(entry, "ha-front-door"), entry)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=False)
    return entry


@pytest.fixture
def subentry(entry: MockConfigEntry) -> ConfigSubentry:
    return next(iter(entry.subentries.values()))


def share_another(
    hass: HomeAssistant, entry: MockConfigEntry, entity_registry: er.EntityRegistry
) -> ConfigSubentry:
    camera = add_camera(hass, entity_registry, "back_door", "Back door")
    data = shared_camera_data(camera.id, "ha-back-door", title="Back door")
    subentry = ConfigSubentry(
        data=data["data"],
        subentry_type=data["subentry_type"],
        title=data["title"],
        unique_id=data["unique_id"],
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    return subentry


async def test_sets_up_and_unloads(
    hass: HomeAssistant, entry: MockConfigEntry, masters: Masters
) -> None:
    assert entry.state is ConfigEntryState.LOADED
    assert masters[FRONT].running

    assert await hass.config_entries.async_unload(entry.entry_id)

    assert entry.state is ConfigEntryState.NOT_LOADED
    assert not masters[FRONT].running
    assert masters[FRONT].peer.shutdown.called


async def test_what_is_added_while_all_stops_is_for_the_next_set_up(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    entity_registry: er.EntityRegistry,
) -> None:
    stopping, may_stop = asyncio.Event(), asyncio.Event()

    async def shutdown() -> None:
        stopping.set()
        await may_stop.wait()

    masters[FRONT].peer.shutdown.side_effect = shutdown
    unloading = hass.async_create_task(hass.config_entries.async_unload(entry.entry_id))
    await stopping.wait()
    share_another(hass, entry, entity_registry)
    may_stop.set()
    assert await unloading
    await hass.async_block_till_done()

    assert not any(master.running for master in masters.made)

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert masters[FRONT].running
    assert masters[BACK].running


async def test_cameras_stop_side_by_side(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    entity_registry: er.EntityRegistry,
) -> None:
    share_another(hass, entry, entity_registry)
    await hass.async_block_till_done()
    both = asyncio.Barrier(2)

    async def shutdown() -> None:
        async with asyncio.timeout(5):
            await both.wait()

    for arn in (FRONT, BACK):
        masters[arn].peer.shutdown.side_effect = shutdown

    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("platform", ["diagnostics", "repairs", "system_health"])
async def test_nothing_is_left_to_be_imported_once_an_update_may_have_replaced_it(
    hass: HomeAssistant, entry: MockConfigEntry, platform: str
) -> None:
    assert f"{DOMAIN}.{platform}" in hass.data[DATA_COMPONENTS]


async def test_the_backend_stays_that_of_the_running_code(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "_FOLDER", Path("replaced"))
    assert template.backend_version()


async def test_set_up_does_not_wait_for_aws(
    hass: HomeAssistant, mock_client: AsyncMock, masters: Masters
) -> None:
    never = hass.loop.create_future()

    async def wait() -> str:
        return await never

    mock_client.get_caller_account.side_effect = wait
    entry = make_entry()
    entry.add_to_hass(hass)

    assert await hass.config_entries.async_setup(entry.entry_id)

    assert entry.state is ConfigEntryState.LOADED
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert never.cancelled()


@pytest.mark.parametrize(
    ("error", "flows"), [(InvalidCredentialsError(), 1), (CannotConnectError(), 0)]
)
async def test_only_refused_keys_start_a_reauthentication(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    error: SignalingError,
    flows: int,
) -> None:
    mock_client.get_caller_account.side_effect = error
    entry = make_entry()
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert len(hass.config_entries.flow.async_progress()) == flows


async def test_adding_a_camera_leaves_the_others_alone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    entity_registry: er.EntityRegistry,
) -> None:
    front = masters[FRONT]
    share_another(hass, entry, entity_registry)
    await hass.async_block_till_done()

    assert masters[BACK].running
    assert hass.states.get("switch.back_door_sharing").state == "on"
    assert front.running
    assert masters.made == [front, masters[BACK]]


async def test_removing_a_camera_leaves_the_others_alone(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    entity_registry: er.EntityRegistry,
) -> None:
    back = share_another(hass, entry, entity_registry)
    await hass.async_block_till_done()
    hass.config_entries.async_remove_subentry(entry, back.subentry_id)
    await hass.async_block_till_done()

    assert not masters[BACK].running
    assert masters[BACK].peer.shutdown.called
    assert masters[FRONT].running
    assert not masters[FRONT].peer.shutdown.called


async def test_removing_a_camera_deletes_its_channel_device_and_entities(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    aws: Aws,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()

    assert aws.channels == {}
    assert not dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    assert not er.async_entries_for_config_entry(entity_registry, entry.entry_id)


@pytest.mark.parametrize("error", [CannotConnectError(), NotAuthorizedError()])
async def test_a_channel_that_cannot_be_deleted_is_named_and_tried_again(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    aws: Aws,
    mock_client: AsyncMock,
    issue_registry: ir.IssueRegistry,
    error: SignalingError,
) -> None:
    delete = mock_client.delete_channel.side_effect
    mock_client.delete_channel.side_effect = error
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()

    (issue,) = issue_registry.issues.values()
    assert issue.domain == DOMAIN
    assert issue.translation_placeholders["channel"] == "ha-front-door"

    mock_client.delete_channel.side_effect = delete
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)

    assert aws.channels == {}
    assert not issue_registry.issues


async def test_removing_the_account_deletes_what_was_made_for_it(
    hass: HomeAssistant, entry: MockConfigEntry, aws: Aws
) -> None:
    await hass.config_entries.async_remove(entry.entry_id)

    assert aws.channels == {}


async def test_removing_the_account_while_aws_is_away_names_what_stays(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mock_client: AsyncMock,
    issue_registry: ir.IssueRegistry,
) -> None:
    mock_client.get_tags.side_effect = CannotConnectError()
    await hass.config_entries.async_remove(entry.entry_id)

    (issue,) = issue_registry.issues.values()
    assert issue.translation_placeholders["channel"] == "ha-front-door"


async def test_other_keys_are_exchanged_while_the_views_go_on(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    masters: Masters,
    mock_client: AsyncMock,
    issue_registry: ir.IssueRegistry,
) -> None:
    front = masters[FRONT]
    front.fail(NotAuthorizedError(operation="ConnectAsMaster"))
    assert len(issue_registry.issues) == 1
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_SECRET_ACCESS_KEY: "other"}
    )
    await hass.async_block_till_done()

    (credentials,) = mock_client.exchange_credentials.call_args.args
    assert credentials.secret_access_key == "other"
    assert masters.made == [front]
    assert not front.peer.shutdown.called
    # Both are tried with the new keys at once, and who was told of old ones forgets it.
    assert front.running
    assert front.connection.run.await_count == 2
    assert front.ice.run.await_count == 2
    assert not issue_registry.issues


async def test_another_region_reloads_the_account(
    hass: HomeAssistant, entry: MockConfigEntry, masters: Masters
) -> None:
    front = masters[FRONT]
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, CONF_REGION: "us-east-1"}
    )
    await hass.async_block_till_done()

    assert not front.running
    assert masters[FRONT].running


async def test_a_new_title_reloads_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, masters: Masters
) -> None:
    hass.config_entries.async_update_entry(entry, title="Home")
    await hass.async_block_till_done()

    assert len(masters.made) == 1
    assert masters[FRONT].running


async def test_views_end_when_home_assistant_stops(
    hass: HomeAssistant, entry: MockConfigEntry, masters: Masters
) -> None:
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()

    assert masters[FRONT].peer.shutdown.called


@pytest.mark.parametrize(
    ("version", "state"),
    [(1, ConfigEntryState.LOADED), (2, ConfigEntryState.MIGRATION_ERROR)],
)
async def test_an_entry_of_a_newer_version_is_not_touched(
    hass: HomeAssistant, mock_client: AsyncMock, version: int, state: ConfigEntryState
) -> None:
    entry = make_entry(version=version, minor_version=2)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)

    assert entry.state is state
