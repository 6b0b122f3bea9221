"""Tests of the flow that shares a camera through a signaling channel."""

from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

from homeassistant.config_entries import (
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.const import (
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_CHANNEL,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_KEEP_WARM,
    CONF_KIND,
    CONF_REGION,
    CONF_SET_MESSAGE_TTL,
    CONF_SHARING,
    DOMAIN,
    TAG_CAMERA_NAME,
    TAG_CREATED_BY,
    TAG_DUPLEX,
    TAG_KIND,
    TAG_MOTION,
)
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
    channels_in_use,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ChannelLimitError,
    ClientLimitExceededError,
    InvalidArgumentError,
    NotAuthorizedError,
    ResourceInUseError,
    ServiceError,
    VersionMismatchError,
)

from .conftest import (
    ACCOUNT,
    KEYS,
    REGION,
    Aws,
    add_camera,
    channel_arn,
    make_channel,
    make_entry,
    only_subentry,
    shared_camera_data,
    start_sharing,
    submit_form,
    suggested_values,
)

CAMERA = "camera.front_door"
OTHER_ACCOUNT = "999999999999"
ALEXA_TAGS = {
    TAG_CAMERA_NAME: "Front door",
    TAG_KIND: "camera",
    TAG_MOTION: "false",
    TAG_DUPLEX: "false",
}

ERRORS = [
    (CannotConnectError(operation="CreateSignalingChannel"), "cannot_connect"),
    (ChannelLimitError(operation="CreateSignalingChannel"), "channel_limit"),
    (ClientLimitExceededError(), "client_limit_exceeded"),
    (InvalidArgumentError("too long"), "invalid_argument"),
    (NotAuthorizedError(operation="CreateSignalingChannel"), "not_authorized"),
    (ServiceError(operation="DescribeSignalingChannel", code="x"), "service_error"),
    (RuntimeError("a defect"), "unknown"),
]
ERROR_IDS = [type(error[0]).__name__ for error in ERRORS]


def key(name: str) -> ChannelKey:
    """Return the key of a channel in the account."""
    return ChannelKey(account=ACCOUNT, region=REGION, name=name)


async def submit(
    hass: HomeAssistant, result: dict[str, Any], user_input: dict[str, Any]
) -> dict[str, Any]:
    """Submit a form, and then the one about Alexa as it comes."""
    result = await submit_form(hass, result, user_input)
    if result.get("step_id") == "alexa":
        result = await submit_form(hass, result, suggested_values(result))
    return result


def offered(result: dict[str, Any]) -> list[str]:
    """Return the channels that a form offers."""
    selector = result["data_schema"].schema[CONF_CHANNEL]
    return list(selector.config["options"])


async def test_a_camera_gets_a_channel_of_its_own(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    result = await start_sharing(hass, loaded_entry)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert not result["errors"]

    result = await submit(hass, result, {CONF_CAMERA: CAMERA})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    aws.client.create_channel.assert_awaited_once_with(
        name="ha-front-door",
        message_ttl=5,
        tags={**our_tag, **ALEXA_TAGS},
    )
    subentry = only_subentry(loaded_entry)
    assert subentry.title == "Front door"
    assert subentry.unique_id == f"camera_{camera.id}"
    assert subentry.data == {
        CONF_CAMERA: camera.id,
        CONF_CHANNEL_ARN: channel_arn("ha-front-door"),
        CONF_CHANNEL_NAME: "ha-front-door",
        CONF_ALEXA_NAME: "Front door",
        CONF_KIND: "camera",
    }
    aws.client.tag_channel.assert_not_awaited()
    record = created.get(key("ha-front-door"))
    assert record is not None
    assert record.arn == channel_arn("ha-front-door")
    assert record.entry_id == loaded_entry.entry_id
    aws.client.delete_channel.assert_not_awaited()


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("Front door", "ha-front-door"),
        ("Haustür 2.OG", "ha-haustur-2-og"),
        ("a.b.c", "ha-a-b-c"),
        ("玄関", "ha-xuan-guan"),
        ("!!!", "ha-unknown"),
        ("x" * 300, "ha-" + "x" * 200),
    ],
)
async def test_a_channel_is_named_after_its_camera_without_dots(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    aws: Aws,
    name: str,
    channel: str,
) -> None:
    add_camera(hass, entity_registry, "front_door", name)

    await submit_form(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA},
    )

    assert aws.client.create_channel.await_args.kwargs["name"] == channel


async def test_a_camera_without_registry_entry_is_shared_by_its_entity_id(
    hass: HomeAssistant, loaded_entry: MockConfigEntry
) -> None:
    hass.states.async_set("camera.yaml", "idle")

    await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: "camera.yaml"},
    )

    subentry = only_subentry(loaded_entry)
    assert subentry.data[CONF_CAMERA] == "camera.yaml"
    assert subentry.unique_id == "camera_camera.yaml"
    assert subentry.title == "yaml"


@pytest.mark.parametrize(
    ("names", "title"),
    [
        ({"name": "Mine", "original_name": "Theirs"}, "Mine"),
        ({"original_name": "Theirs"}, "Theirs"),
        ({}, CAMERA),
    ],
)
async def test_a_camera_that_is_not_loaded_is_named_by_the_registry(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    names: dict[str, str],
    title: str,
) -> None:
    hass.states.async_remove(CAMERA)
    entity_registry.async_update_entity(CAMERA, **names)

    await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: camera.id},
    )

    assert only_subentry(loaded_entry).title == title


async def test_a_camera_of_ours_is_neither_offered_nor_taken(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    own = add_camera(hass, entity_registry, "own", "Own", platform=DOMAIN)

    result = await start_sharing(hass, loaded_entry)
    config = result["data_schema"].schema[CONF_CAMERA].config
    assert config["exclude_entities"] == [own.entity_id]
    assert config["filter"] == [{"domain": ["camera"]}]

    result = await submit(hass, result, {CONF_CAMERA: own.id})
    assert result["errors"] == {CONF_CAMERA: "own_camera"}
    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("entity", ["camera.none", "light.lamp", "0" * 32])
async def test_what_is_no_camera_is_refused(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    entity: str,
) -> None:
    hass.states.async_set("light.lamp", "on")

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: entity},
    )

    assert result["errors"] == {CONF_CAMERA: "camera_not_found"}
    aws.client.create_channel.assert_not_awaited()
    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_camera_is_shared_once_in_an_account(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    aws: Aws,
) -> None:
    await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA},
    )
    add_camera(hass, entity_registry, "garden", "Garden")
    aws.client.create_channel.reset_mock()

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: camera.id},
    )
    assert result["errors"] == {CONF_CAMERA: "camera_already_shared"}
    aws.client.create_channel.assert_not_awaited()

    result = await submit(hass, result, {CONF_CAMERA: "camera.garden"})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_two_flows_for_one_camera_leave_one_channel(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    first = await start_sharing(hass, loaded_entry)
    second = await start_sharing(hass, loaded_entry)
    create = aws.client.create_channel.side_effect

    async def overtaken(**kwargs: Any) -> Any:
        aws.client.create_channel.side_effect = create
        result = await submit_form(hass, second, {CONF_CAMERA: CAMERA})
        result = await submit_form(hass, result, suggested_values(result))
        assert result["type"] is FlowResultType.CREATE_ENTRY
        return await create(**kwargs)

    aws.client.create_channel.side_effect = overtaken
    result = await submit(hass, first, {CONF_CAMERA: CAMERA})
    assert result["errors"] == {CONF_ALEXA_NAME: "alexa_name_taken"}
    result = await submit_form(hass, result, suggested_values(result))

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert list(aws.channels) == [channel_arn("ha-front-door-2")]
    assert only_subentry(loaded_entry).data[CONF_CHANNEL_NAME] == "ha-front-door-2"


@pytest.mark.parametrize("step", ["start", "choose", "existing"])
async def test_an_account_that_is_not_loaded_takes_no_camera(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    step: str,
) -> None:
    channel = aws.add(make_channel("theirs"))
    choice = {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn}
    if step == "start":
        await hass.config_entries.async_unload(loaded_entry.entry_id)
        result = await start_sharing(hass, loaded_entry)
    else:
        result = await start_sharing(hass, loaded_entry)
        if step == "existing":
            result = await submit(hass, result, choice)
            choice = {}
        await hass.config_entries.async_unload(loaded_entry.entry_id)
        result = await submit(hass, result, choice)

    assert loaded_entry.state is ConfigEntryState.NOT_LOADED
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"


@pytest.mark.parametrize(("error", "error_key"), ERRORS, ids=ERROR_IDS)
async def test_a_channel_that_is_not_created_can_be_tried_again(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    error: Exception,
    error_key: str,
) -> None:
    result = await start_sharing(hass, loaded_entry)
    create = aws.client.create_channel.side_effect
    aws.client.create_channel.side_effect = error

    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"base": error_key}

    aws.client.create_channel.side_effect = create
    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_subentry(loaded_entry).data[CONF_CHANNEL_NAME] == "ha-front-door"


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (CannotConnectError(operation="CreateSignalingChannel"), True),
        (ServiceError(operation="CreateSignalingChannel"), True),
        (NotAuthorizedError(operation="DescribeSignalingChannel"), True),
        (NotAuthorizedError(operation="CreateSignalingChannel"), False),
        (ChannelLimitError(operation="CreateSignalingChannel"), False),
    ],
)
async def test_a_channel_that_may_exist_is_remembered(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    error: Exception,
    is_kept: bool,
) -> None:
    aws.client.create_channel.side_effect = error

    await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA},
    )

    record = created.get(key("ha-front-door"))
    assert (record is not None) is is_kept
    assert record is None or record.arn is None


async def test_a_refusal_does_not_make_an_earlier_channel_forgotten(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
) -> None:
    await created.async_add(key("ha-front-door"), loaded_entry)
    aws.client.create_channel.side_effect = NotAuthorizedError(
        operation="CreateSignalingChannel"
    )

    await share_with_new_channel(hass, loaded_entry)

    assert created.get(key("ha-front-door")) is not None


async def test_a_flow_that_is_given_up_leaves_no_channel(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
) -> None:
    create = aws.client.create_channel.side_effect

    async def created_but_not_active(**kwargs: Any) -> None:
        await create(**kwargs)
        raise CannotConnectError(operation="DescribeSignalingChannel")

    aws.client.create_channel.side_effect = created_but_not_active
    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA},
    )
    assert list(aws.channels) == [channel_arn("ha-front-door")]

    hass.config_entries.subentries.async_abort(result["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)

    assert not aws.channels
    assert created.get(key("ha-front-door")) is None


def taken(aws: Aws) -> None:
    """Let AWS refuse names that exist."""
    create = aws.client.create_channel.side_effect

    async def refuse(*, name: str, **kwargs: Any) -> Any:
        if any(channel.name == name for channel in aws.channels.values()):
            raise ResourceInUseError(operation="CreateSignalingChannel")
        return await create(name=name, **kwargs)

    aws.client.create_channel.side_effect = refuse


async def share_with_new_channel(
    hass: HomeAssistant, entry: MockConfigEntry
) -> dict[str, Any]:
    """Share the camera through a new channel."""
    return await submit(
        hass,
        await start_sharing(hass, entry),
        {CONF_CAMERA: CAMERA},
    )


@pytest.mark.parametrize("tags", [{}, {TAG_CREATED_BY: "another home"}])
async def test_a_name_that_is_taken_is_counted_up(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    tags: dict[str, str],
) -> None:
    taken(aws)
    aws.add(make_channel("ha-front-door"), tags)
    aws.add(make_channel("ha-front-door-2"), tags)

    await share_with_new_channel(hass, loaded_entry)

    assert only_subentry(loaded_entry).data[CONF_CHANNEL_NAME] == "ha-front-door-3"
    assert created.get(key("ha-front-door")) is None
    aws.client.tag_channel.assert_not_awaited()


async def test_an_orphan_of_ours_is_adopted(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    taken(aws)
    aws.add(make_channel("ha-front-door"), {**our_tag, **ALEXA_TAGS})

    await share_with_new_channel(hass, loaded_entry)

    assert only_subentry(loaded_entry).data[CONF_CHANNEL_NAME] == "ha-front-door"
    record = created.get(key("ha-front-door"))
    assert record is not None
    assert record.arn == channel_arn("ha-front-door")
    aws.client.tag_channel.assert_not_awaited()
    aws.client.update_message_ttl.assert_not_awaited()


async def test_an_adopted_channel_becomes_as_a_new_one(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    taken(aws)
    channel = aws.add(make_channel("ha-front-door", ttl=60), our_tag)

    await share_with_new_channel(hass, loaded_entry)

    aws.client.tag_channel.assert_awaited_once_with(
        channel.arn, {**our_tag, **ALEXA_TAGS}
    )
    aws.client.update_message_ttl.assert_awaited_once_with(channel, 5)


@pytest.mark.parametrize("state", ["deleting", "gone"])
async def test_a_channel_on_its_way_out_is_not_adopted(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
    state: str,
) -> None:
    if state == "deleting":
        taken(aws)
        aws.add(make_channel("ha-front-door", status="DELETING"), our_tag)
    else:
        create = aws.client.create_channel.side_effect

        async def refuse_once(**kwargs: Any) -> Any:
            aws.client.create_channel.side_effect = create
            raise ResourceInUseError(operation="CreateSignalingChannel")

        aws.client.create_channel.side_effect = refuse_once

    await share_with_new_channel(hass, loaded_entry)

    assert only_subentry(loaded_entry).data[CONF_CHANNEL_NAME] == "ha-front-door-2"


async def test_a_channel_in_use_is_not_adopted(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    taken(aws)
    aws.add(make_channel("ha-front-door"), our_tag)
    entry = make_entry(shared_camera_data("other", "ha-front-door", title="Attic"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)

    await share_with_new_channel(hass, entry)

    names = {item.data[CONF_CHANNEL_NAME] for item in entry.subentries.values()}
    assert names == {"ha-front-door", "ha-front-door-2"}


async def test_names_are_not_tried_for_ever(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    aws.client.create_channel.side_effect = ResourceInUseError

    result = await share_with_new_channel(hass, loaded_entry)

    assert result["errors"] == {"base": "resource_in_use"}
    assert aws.client.create_channel.await_count == 99


async def test_free_channels_are_offered_in_order(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    entry = make_entry(shared_camera_data("other", "used"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    for name in ("zoo", "used", "attic"):
        aws.add(make_channel(name))
    aws.add(make_channel("dying", status="DELETING"))

    result = await start_sharing(hass, entry)

    assert offered(result) == ["attic", "zoo"]


@pytest.mark.parametrize(("error", "error_key"), ERRORS, ids=ERROR_IDS)
async def test_without_a_list_a_channel_can_still_be_made(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    error: Exception,
    error_key: str,
) -> None:
    aws.client.list_channels.side_effect = error

    result = await start_sharing(hass, loaded_entry)
    assert result["errors"] == {"base": error_key}
    assert offered(result) == []

    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_the_first_of_two_errors_is_shown(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    result = await start_sharing(hass, loaded_entry)
    aws.client.create_channel.side_effect = NotAuthorizedError(
        operation="CreateSignalingChannel"
    )
    aws.client.list_channels.side_effect = CannotConnectError()

    result = await submit(hass, result, {CONF_CAMERA: CAMERA})

    assert result["errors"] == {"base": "not_authorized"}
    placeholders = result["description_placeholders"]
    assert placeholders["action"] == "kinesisvideo:CreateSignalingChannel"


async def test_a_channel_made_here_needs_no_word(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
    created: CreatedChannels,
) -> None:
    channel = aws.add(make_channel("ha-hall"), our_tag)

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert only_subentry(loaded_entry).data[CONF_CHANNEL_ARN] == channel.arn
    assert created.get(key("ha-hall")) is None
    aws.client.update_message_ttl.assert_not_awaited()


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_the_message_ttl_of_an_existing_channel_is_offered_for_change(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
    is_wanted: bool,
) -> None:
    channel = aws.add(make_channel("ha-hall", ttl=60), our_tag)

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "existing_channel"
    assert result["description_placeholders"]["message_ttl"] == "60"
    assert result["description_placeholders"]["channel"] == "ha-hall"

    result = await submit(hass, result, {CONF_SET_MESSAGE_TTL: is_wanted})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    if is_wanted:
        aws.client.update_message_ttl.assert_awaited_once_with(channel, 5)
    else:
        aws.client.update_message_ttl.assert_not_awaited()


@pytest.mark.parametrize(
    "error", [VersionMismatchError(), NotAuthorizedError(), CannotConnectError()]
)
async def test_a_message_ttl_that_is_not_set_can_be_tried_again(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
    error: Exception,
) -> None:
    channel = aws.add(make_channel("ha-hall", ttl=60), our_tag)
    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    update = aws.client.update_message_ttl.side_effect
    aws.client.update_message_ttl.side_effect = error

    result = await submit(hass, result, {CONF_SET_MESSAGE_TTL: True})
    assert result["step_id"] == "existing_channel"
    assert result["errors"] == {"base": error.key}

    aws.client.update_message_ttl.side_effect = update
    result = await submit(hass, result, {CONF_SET_MESSAGE_TTL: True})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_channel_of_another_home_is_named_there(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    channel = aws.add(make_channel("ha-hall"), {TAG_CREATED_BY: "another home"})

    result = await submit_form(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    assert result["step_id"] == "existing_channel_of_another_home"
    result = await submit_form(hass, result, {})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert CONF_ALEXA_NAME not in only_subentry(loaded_entry).data
    aws.client.tag_channel.assert_not_awaited()


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("hall", {TAG_CREATED_BY: "x"}),
        ("ha-hall", {}),
        ("ha-hall.1", {TAG_CREATED_BY: "x"}),
    ],
    ids=["no prefix", "no tag", "dot"],
)
@pytest.mark.parametrize("ttl", [5, 60])
async def test_a_channel_that_alexa_does_not_find_says_so(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    name: str,
    tags: dict[str, str],
    ttl: int,
) -> None:
    channel = aws.add(make_channel(name, ttl=ttl), tags)

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )

    assert result["step_id"] == "existing_channel_not_for_alexa"
    assert (CONF_SET_MESSAGE_TTL in result["data_schema"].schema) is (ttl != 5)
    result = await submit(hass, result, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_camera_that_is_shared_while_the_form_is_open_is_not_shared_again(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    first, second = aws.add(make_channel("one")), aws.add(make_channel("two"))
    forms = [
        await submit_form(
            hass,
            await start_sharing(hass, loaded_entry),
            {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
        )
        for channel in (first, second)
    ]
    await submit_form(hass, forms[1], {})

    result = await submit_form(hass, forms[0], {})

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert only_subentry(loaded_entry).data[CONF_CHANNEL_ARN] == second.arn


async def test_a_channel_of_another_account_can_be_typed_in(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    channel = aws.add(make_channel("ha-hall", account=OTHER_ACCOUNT))

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: f" {channel.arn} "},
    )
    assert result["step_id"] == "existing_channel_not_for_alexa"
    aws.client.get_tags.assert_not_awaited()
    await submit(hass, result, {})

    assert only_subentry(loaded_entry).data[CONF_CHANNEL_ARN] == channel.arn


async def test_a_channel_can_be_typed_in_by_name(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    channel = aws.add(make_channel("ha-hall"), our_tag)

    await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: "ha-hall"},
    )

    assert only_subentry(loaded_entry).data[CONF_CHANNEL_ARN] == channel.arn


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        (channel_arn("none"), "channel_not_found"),
        ("none", "channel_not_found"),
        (channel_arn("dying"), "channel_not_found"),
        (channel_arn("hall", region="us-east-1"), "wrong_region"),
        ("arn:aws:s3:::bucket", "invalid_channel"),
        ("arn:", "invalid_channel"),
        (channel_arn("hall").replace("channel/", "stream/"), "invalid_channel"),
        ("two words", "invalid_channel"),
        (channel_arn("used"), "channel_in_use"),
        (channel_arn("claimed"), "channel_in_use"),
        (channel_arn("stored"), "media_storage_enabled"),
    ],
)
async def test_a_channel_that_cannot_serve_is_refused(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    choice: str,
    error: str,
) -> None:
    entry = make_entry(shared_camera_data("other", "used"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    for name in ("used", "claimed", "stored"):
        aws.add(make_channel(name))
    aws.add(make_channel("dying", status="DELETING"))
    created.claim(key("claimed"), "another flow")
    aws.client.is_media_storage_enabled.side_effect = lambda arn: (
        arn == channel_arn("stored")
    )

    result = await submit(
        hass,
        await start_sharing(hass, entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: choice},
    )

    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {CONF_CHANNEL: error}
    result = await submit(hass, result, {CONF_CAMERA: CAMERA})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_channel_of_another_entry_is_in_use_too(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
) -> None:
    other = MockConfigEntry(
        domain=DOMAIN,
        unique_id=f"{OTHER_ACCOUNT}_{REGION}",
        data={CONF_REGION: REGION, **KEYS},
        subentries_data=[shared_camera_data("other", "ha-hall")],
    )
    other.add_to_hass(hass)
    channel = aws.add(make_channel("ha-hall"))

    result = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )

    assert result["errors"] == {CONF_CHANNEL: "channel_in_use"}


@pytest.mark.parametrize(("error", "error_key"), ERRORS, ids=ERROR_IDS)
@pytest.mark.parametrize(
    "method", ["describe_channel", "is_media_storage_enabled", "get_tags"]
)
async def test_a_channel_that_cannot_be_examined_can_be_tried_again(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
    method: str,
    error: Exception,
    error_key: str,
) -> None:
    channel = aws.add(make_channel("ha-hall"), our_tag)
    choice = {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn}
    refusing = getattr(aws.client, method)
    works = refusing.side_effect
    refusing.side_effect = error

    result = await submit(hass, await start_sharing(hass, loaded_entry), choice)
    assert result["errors"] == {"base": error_key}

    refusing.side_effect = works
    result = await submit(hass, result, choice)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_two_flows_cannot_take_one_channel(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    aws: Aws,
) -> None:
    add_camera(hass, entity_registry, "garden", "Garden")
    channel = aws.add(make_channel("ha-hall", ttl=60))
    first = await submit(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    choice = {CONF_CAMERA: "camera.garden", CONF_CHANNEL: channel.arn}

    second = await submit(hass, await start_sharing(hass, loaded_entry), choice)
    assert second["errors"] == {CONF_CHANNEL: "channel_in_use"}

    hass.config_entries.subentries.async_abort(first["flow_id"])
    second = await submit(hass, second, choice)
    assert second["step_id"] == "existing_channel_not_for_alexa"


@pytest.fixture
async def shared(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
) -> MockConfigEntry:
    """Return an account that shares the camera through ha-hall under another title."""
    aws.add(make_channel("ha-hall"))
    entry = make_entry(shared_camera_data(camera.id, "ha-hall", title="My title"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    hass.config_entries.async_update_subentry(
        entry,
        only_subentry(entry),
        data={**only_subentry(entry).data, CONF_SHARING: False},
    )
    return entry


async def start_change(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Start to change the one shared camera."""
    return await entry.start_subentry_reconfigure_flow(
        hass, only_subentry(entry).subentry_id
    )


async def test_a_change_starts_from_what_there_is(
    hass: HomeAssistant, shared: MockConfigEntry
) -> None:
    result = await start_change(hass, shared)

    assert result["step_id"] == "reconfigure"
    assert offered(result) == ["ha-hall"]
    suggested = suggested_values(result)
    assert suggested == {
        CONF_CAMERA: CAMERA,
        CONF_CHANNEL: "ha-hall",
        CONF_KEEP_WARM: "event",
    }

    before = only_subentry(shared)
    result = await submit(hass, result, suggested)

    assert result["reason"] == "reconfigure_successful"
    assert only_subentry(shared) == before


async def test_a_channel_that_was_made_anew_elsewhere_is_taken_by_its_name(
    hass: HomeAssistant, shared: MockConfigEntry, aws: Aws
) -> None:
    old = aws.channels.pop(channel_arn("ha-hall"))
    anew = aws.add(replace(old, arn=f"{old.arn}9"))
    result = await start_change(hass, shared)
    # What is not in AWS any more has no name there.
    assert suggested_values(result)[CONF_CHANNEL] == channel_arn("ha-hall")

    result = await submit(hass, result, {CONF_CAMERA: CAMERA, CONF_CHANNEL: "ha-hall"})
    await submit(hass, result, {})

    assert only_subentry(shared).data[CONF_CHANNEL_ARN] == anew.arn


async def test_when_the_stream_is_opened_is_kept_and_taken_back(
    hass: HomeAssistant, shared: MockConfigEntry
) -> None:
    for choice, kept in (("always", "always"), ("never", "never"), ("event", None)):
        result = await start_change(hass, shared)
        user_input = {**suggested_values(result), CONF_KEEP_WARM: choice}
        result = await submit(hass, result, user_input)
        assert result["reason"] == "reconfigure_successful"
        assert only_subentry(shared).data.get(CONF_KEEP_WARM) == kept
        result = await start_change(hass, shared)
        assert suggested_values(result)[CONF_KEEP_WARM] == choice


async def test_another_camera_is_shared_through_the_same_channel(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    aws: Aws,
) -> None:
    garden = add_camera(hass, entity_registry, "garden", "Garden")

    result = await submit(
        hass,
        await start_change(hass, shared),
        {CONF_CAMERA: "camera.garden", CONF_CHANNEL: channel_arn("ha-hall")},
    )

    assert result["reason"] == "reconfigure_successful"
    subentry = only_subentry(shared)
    assert subentry.title == "Garden"
    assert subentry.unique_id == f"camera_{garden.id}"
    assert subentry.data == {
        CONF_CAMERA: garden.id,
        CONF_CHANNEL_ARN: channel_arn("ha-hall"),
        CONF_CHANNEL_NAME: "ha-hall",
        CONF_SHARING: False,
    }
    aws.client.tag_channel.assert_not_awaited()


async def test_a_channel_made_here_learns_of_its_other_camera(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    aws: Aws,
    created: CreatedChannels,
) -> None:
    add_camera(hass, entity_registry, "garden", "Garden")
    await created.async_add(key("ha-hall"), shared)

    await submit(
        hass,
        await start_change(hass, shared),
        {CONF_CAMERA: "camera.garden", CONF_CHANNEL: channel_arn("ha-hall")},
    )

    aws.client.tag_channel.assert_awaited_once_with(
        channel_arn("ha-hall"), {**ALEXA_TAGS, TAG_CAMERA_NAME: "Garden"}
    )


async def test_a_camera_keeps_its_title_on_another_channel(
    hass: HomeAssistant, shared: MockConfigEntry, aws: Aws
) -> None:
    channel = aws.add(make_channel("ha-attic", ttl=60))

    result = await submit(
        hass,
        await start_change(hass, shared),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    assert result["step_id"] == "existing_channel_not_for_alexa"
    result = await submit(hass, result, {CONF_SET_MESSAGE_TTL: True})

    assert result["reason"] == "reconfigure_successful"
    subentry = only_subentry(shared)
    assert subentry.title == "My title"
    assert subentry.data[CONF_CHANNEL_ARN] == channel.arn
    assert subentry.data[CONF_CHANNEL_NAME] == "ha-attic"
    assert channels_in_use(hass) == {key("ha-attic")}


async def test_a_camera_gets_a_new_channel_in_place_of_its_own(
    hass: HomeAssistant, shared: MockConfigEntry
) -> None:
    await submit(
        hass,
        await start_change(hass, shared),
        {CONF_CAMERA: CAMERA},
    )

    assert only_subentry(shared).data[CONF_CHANNEL_NAME] == "ha-front-door"


async def test_a_camera_that_is_gone_can_be_replaced(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_remove(CAMERA)
    hass.states.async_remove(CAMERA)
    add_camera(hass, entity_registry, "garden", "Garden")

    result = await start_change(hass, shared)
    assert result["type"] is FlowResultType.FORM
    result = await submit(
        hass,
        result,
        {CONF_CAMERA: "camera.garden", CONF_CHANNEL: channel_arn("ha-hall")},
    )

    assert result["reason"] == "reconfigure_successful"
