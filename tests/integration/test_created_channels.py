"""Tests of the list of created channels: nothing of ours is left behind in AWS."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import CONF_REGION, DOMAIN, TAG_CREATED_BY
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
    async_get_created_channels,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidCredentialsError,
    NotAuthorizedError,
    ResourceInUseError,
    SignalingError,
)

from .conftest import (
    ACCOUNT,
    KEYS,
    REGION,
    TRANSLATIONS,
    Aws,
    async_speak_german,
    channel_arn,
    check_text,
    make_channel,
    make_entry,
    shared_camera_data,
)

OTHER_ACCOUNT = "999999999999"
STORAGE_KEY = f"{DOMAIN}.created_channels"


def key(name: str = "ha-hall") -> ChannelKey:
    """Return the key of a channel in the account."""
    return ChannelKey(account=ACCOUNT, region=REGION, name=name)


def issue_id(name: str = "ha-hall") -> str:
    """Return the id of the repair that names a channel."""
    return f"channel_not_deleted_{ACCOUNT}_{REGION}_{name}"


@pytest.fixture
async def made(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> CreatedChannels:
    """Return the list with one channel that was made here and that nobody uses."""
    await make(created, loaded_entry, aws, "ha-hall", our_tag)
    return created


async def make(
    created: CreatedChannels,
    entry: MockConfigEntry,
    aws: Aws,
    name: str,
    tags: dict[str, str],
) -> None:
    """Have a channel that was made here."""
    channel = aws.add(make_channel(name), tags)
    assert await created.async_add(key(name), entry)
    await created.async_set_arn(key(name), channel.arn)


def use(
    hass: HomeAssistant, name: str, *, account: str = ACCOUNT, title: str = "other"
) -> MockConfigEntry:
    """Have an account, of another region or number, that uses a channel."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id=f"{account}_{title}",
        data={CONF_REGION: REGION, **KEYS},
        subentries_data=[shared_camera_data("camera", name)],
    )
    entry.add_to_hass(hass)
    return entry


async def test_a_channel_that_nobody_uses_is_deleted(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    await made.async_clean_up(hass, loaded_entry, aws.client)

    aws.client.delete_channel.assert_awaited_once_with(channel_arn("ha-hall"))
    assert made.get(key()) is None


async def test_a_channel_in_use_stays_until_its_camera_is_removed(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    entry = make_entry(shared_camera_data("camera", "ha-hall"))
    entry.add_to_hass(hass)
    await make(created, entry, aws, "ha-hall", our_tag)

    await created.async_clean_up(hass, entry, aws.client)
    assert aws.channels

    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await created.async_clean_up(hass, entry, aws.client)
    assert not aws.channels


async def test_a_channel_that_another_account_uses_stays(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    use(hass, "ha-hall", account=OTHER_ACCOUNT)

    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert aws.channels
    assert made.get(key()) is not None


async def test_what_was_not_made_here_is_never_deleted(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    aws.add(make_channel("ha-hall"), our_tag)

    await created.async_clean_up(hass, loaded_entry, aws.client)

    assert aws.channels


@pytest.mark.parametrize("tags", [{}, {TAG_CREATED_BY: "another home"}])
async def test_a_channel_without_our_tag_is_left_to_its_new_owner(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
    tags: dict[str, str],
) -> None:
    aws.tags[channel_arn("ha-hall")] = tags

    await made.async_clean_up(hass, loaded_entry, aws.client)

    aws.client.delete_channel.assert_not_awaited()
    assert made.get(key()) is None


async def test_another_channel_of_the_same_name_is_not_ours(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    aws.channels.clear()
    other = channel_arn("ha-hall").replace("1790000000000", "1790000009999")
    aws.channels[other] = make_channel("ha-hall")
    aws.tags[other] = {}

    await made.async_clean_up(hass, loaded_entry, aws.client)

    aws.client.delete_channel.assert_not_awaited()
    assert made.get(key()) is None


@pytest.mark.parametrize("exists", [True, False])
async def test_a_channel_whose_creation_was_cut_short_is_found_by_name(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
    exists: bool,
) -> None:
    if exists:
        aws.add(make_channel("ha-hall"), our_tag)
    await created.async_add(key(), loaded_entry)

    await created.async_clean_up(hass, loaded_entry, aws.client)

    assert not aws.channels
    assert created.get(key()) is None


@pytest.mark.parametrize(
    "other",
    [
        ChannelKey(account=OTHER_ACCOUNT, region=REGION, name="ha-hall"),
        ChannelKey(account=ACCOUNT, region="us-east-1", name="ha-hall"),
    ],
)
async def test_channels_of_other_accounts_and_regions_are_not_touched(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    aws: Aws,
    created: CreatedChannels,
    other: ChannelKey,
) -> None:
    await created.async_add(other, loaded_entry)

    await created.async_clean_up(hass, loaded_entry, aws.client)

    assert created.get(other) is not None
    aws.client.describe_channel.assert_not_awaited()


@pytest.mark.parametrize(
    "error",
    [
        CannotConnectError(operation="DeleteSignalingChannel"),
        NotAuthorizedError(operation="DeleteSignalingChannel"),
        InvalidCredentialsError(operation="DeleteSignalingChannel"),
        ResourceInUseError(operation="DeleteSignalingChannel"),
    ],
    ids=lambda error: error.key,
)
@pytest.mark.parametrize("method", ["get_tags", "delete_channel"])
async def test_what_cannot_be_deleted_is_named_until_it_can(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
    method: str,
    error: SignalingError,
) -> None:
    refusing = getattr(aws.client, method)
    works = refusing.side_effect
    refusing.side_effect = error

    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert made.get(key()) is not None
    issue = issue_registry.async_get_issue(DOMAIN, issue_id())
    assert issue is not None
    assert issue.is_persistent
    assert issue.severity is ir.IssueSeverity.WARNING
    placeholders = issue.translation_placeholders or {}
    assert placeholders["channel"] == "ha-hall"
    assert placeholders["region"] == REGION
    assert placeholders["reason"]
    for text in TRANSLATIONS["issues"]["channel_not_deleted"].values():
        check_text(text, placeholders)

    refusing.side_effect = works
    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert made.get(key()) is None
    assert issue_registry.async_get_issue(DOMAIN, issue_id()) is None


async def test_the_repair_says_why_in_words(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
) -> None:
    texts = await async_speak_german(hass)
    aws.client.delete_channel.side_effect = NotAuthorizedError(
        action="kinesisvideo:DeleteSignalingChannel"
    )

    await made.async_clean_up(hass, loaded_entry, aws.client)

    issue = issue_registry.async_get_issue(DOMAIN, issue_id())
    assert issue is not None
    assert issue.translation_placeholders is not None
    text = texts["exceptions"]["not_authorized"]["message"]
    assert issue.translation_placeholders["reason"] == text.format(
        action="kinesisvideo:DeleteSignalingChannel"
    )


async def test_a_channel_that_is_used_again_is_no_longer_complained_about(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
) -> None:
    aws.client.delete_channel.side_effect = CannotConnectError
    await made.async_clean_up(hass, loaded_entry, aws.client)
    assert issue_registry.async_get_issue(DOMAIN, issue_id())
    use(hass, "ha-hall")

    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert issue_registry.async_get_issue(DOMAIN, issue_id()) is None
    assert made.get(key()) is not None


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (CannotConnectError(), 1),
        (ClockSkewError(), 1),
        (ExpiredTokenError(), 1),
        (InvalidCredentialsError(), 1),
        (NotAuthorizedError(), 2),
    ],
    ids=lambda value: getattr(value, "key", None),
)
async def test_an_outage_is_not_waited_for_twice(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
    our_tag: dict[str, str],
    error: SignalingError,
    calls: int,
) -> None:
    await make(made, loaded_entry, aws, "ha-attic", our_tag)
    aws.client.get_tags.side_effect = error

    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert aws.client.get_tags.await_count == calls
    assert issue_registry.async_get_issue(DOMAIN, issue_id("ha-hall"))
    assert issue_registry.async_get_issue(DOMAIN, issue_id("ha-attic"))


async def test_a_channel_that_a_flow_holds_is_not_deleted(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    flow = object()
    assert made.claim(key(), flow)

    await made.async_clean_up(hass, loaded_entry, aws.client)
    assert aws.channels

    made.release(flow)
    await made.async_clean_up(hass, loaded_entry, aws.client)
    assert not aws.channels


async def test_a_channel_that_is_being_deleted_cannot_be_taken(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    delete = aws.client.delete_channel.side_effect
    deleting, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(arn: str) -> None:
        deleting.set()
        await go_on.wait()
        await delete(arn)

    aws.client.delete_channel.side_effect = slowly
    clean_up = hass.async_create_task(
        made.async_clean_up(hass, loaded_entry, aws.client)
    )
    await deleting.wait()

    assert not made.claim(key(), "flow")
    # Another run leaves the channel to the first one.
    await made.async_clean_up(hass, loaded_entry, aws.client)
    assert aws.client.delete_channel.await_count == 1

    go_on.set()
    await clean_up
    assert made.claim(key(), "flow")


async def test_runs_that_overlap_do_each_channel_once(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    await make(made, loaded_entry, aws, "ha-attic", our_tag)
    delete = aws.client.delete_channel.side_effect

    async def overtaken(arn: str) -> None:
        aws.client.delete_channel.side_effect = delete
        await made.async_clean_up(hass, loaded_entry, aws.client)
        await delete(arn)

    aws.client.delete_channel.side_effect = overtaken
    await made.async_clean_up(hass, loaded_entry, aws.client)

    assert aws.client.delete_channel.await_count == 2
    assert not aws.channels


async def test_a_claim_is_let_go_after_an_interruption(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, made: CreatedChannels, aws: Aws
) -> None:
    aws.client.delete_channel.side_effect = asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await made.async_clean_up(hass, loaded_entry, aws.client)

    assert made.claim(key(), "flow")


async def test_a_channel_is_added_once(
    loaded_entry: MockConfigEntry, made: CreatedChannels
) -> None:
    assert not await made.async_add(key(), loaded_entry)

    record = made.get(key())
    assert record is not None
    assert record.arn == channel_arn("ha-hall")


async def test_the_list_outlives_a_restart(
    hass: HomeAssistant, made: CreatedChannels, hass_storage: dict[str, Any]
) -> None:
    restarted = CreatedChannels(hass)
    await restarted.async_load()

    assert restarted.get(key()) == made.get(key())
    assert hass_storage[STORAGE_KEY]["version"] == 1


async def test_the_list_of_a_newer_release_is_read_after_going_back(
    hass: HomeAssistant, made: CreatedChannels, hass_storage: dict[str, Any]
) -> None:
    stored = hass_storage[STORAGE_KEY]
    stored["minor_version"] = 2
    stored["data"]["channels"][0]["colour"] = "red"
    restarted = CreatedChannels(hass)
    await restarted.async_load()

    assert restarted.get(key()) == made.get(key())


async def test_an_intention_is_stored_before_the_channel_is_asked_for(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    created: CreatedChannels,
    hass_storage: dict[str, Any],
) -> None:
    await created.async_add(key(), loaded_entry)

    (stored,) = hass_storage[STORAGE_KEY]["data"]["channels"]
    assert (stored["name"], stored["arn"]) == ("ha-hall", None)

    await created.async_discard(key())
    assert hass_storage[STORAGE_KEY]["data"]["channels"] == []


async def test_there_is_one_list(hass: HomeAssistant) -> None:
    first, second = await asyncio.gather(
        async_get_created_channels(hass), async_get_created_channels(hass)
    )

    assert first is second


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "arn:aws:kinesisvideo:eu-west-1:123456789012",
        "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/name",
        "arn:aws:kinesisvideo:eu-west-1:123456789012:stream/name/1",
        "arn:aws:s3:eu-west-1:123456789012:channel/name/1",
        "urn:aws:kinesisvideo:eu-west-1:123456789012:channel/name/1",
    ],
)
def test_what_is_no_channel_has_no_key(arn: str) -> None:
    with pytest.raises(ValueError):
        ChannelKey.from_arn(arn)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc"])
def test_a_channel_of_any_partition_has_a_key(partition: str) -> None:
    arn = channel_arn("ha-hall").replace(":aws:", f":{partition}:")

    assert ChannelKey.from_arn(arn) == key()


async def test_a_removed_account_leaves_nothing_in_aws(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    entry = make_entry(
        shared_camera_data("hall", "ha-hall"),
        shared_camera_data("attic", "not-made-here"),
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await make(created, entry, aws, "ha-hall", our_tag)
    aws.add(make_channel("not-made-here"))

    await hass.config_entries.async_remove(entry.entry_id)

    assert list(aws.channels) == [channel_arn("not-made-here")]


@pytest.mark.parametrize(
    "error", [CannotConnectError(), InvalidCredentialsError()], ids=["away", "refused"]
)
async def test_what_a_removed_account_leaves_is_deleted_when_it_returns(
    hass: HomeAssistant,
    issue_registry: ir.IssueRegistry,
    loaded_entry: MockConfigEntry,
    made: CreatedChannels,
    aws: Aws,
    error: SignalingError,
) -> None:
    works = aws.client.get_tags.side_effect
    aws.client.get_tags.side_effect = error

    await hass.config_entries.async_remove(loaded_entry.entry_id)
    await hass.async_block_till_done()

    assert aws.channels
    assert made.get(key()) is not None
    assert issue_registry.async_get_issue(DOMAIN, issue_id())

    aws.client.get_tags.side_effect = works
    returned = make_entry()
    returned.add_to_hass(hass)
    await made.async_clean_up(hass, returned, aws.client)

    assert not aws.channels
    assert issue_registry.async_get_issue(DOMAIN, issue_id()) is None
