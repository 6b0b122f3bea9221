"""Tests of the form that asks what a shared camera is to Alexa."""

from typing import Any
from unittest.mock import AsyncMock

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.kinesis_webrtc.alexa_fields import spoken_name
from custom_components.kinesis_webrtc.const import (
    CONF_ALEXA_NAME,
    CONF_ALEXA_STREAM,
    CONF_CAMERA,
    CONF_CHANNEL,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_DOORBELL,
    CONF_KIND,
    CONF_MOTION,
    CONF_SPEAKER,
    SUBENTRY_TYPE_REMOTE_CHANNEL,
    TAG_CAMERA_NAME,
    TAG_CREATED_BY,
    TAG_DUPLEX,
    TAG_KIND,
    TAG_MOTION,
)
from custom_components.kinesis_webrtc.created_channels import (
    ChannelKey,
    CreatedChannels,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    InvalidArgumentError,
    NotAuthorizedError,
)

from .conftest import (
    ACCOUNT,
    REGION,
    Aws,
    add_camera,
    channel_arn,
    make_channel,
    make_entry,
    only_subentry,
    remote_channel_data,
    shared_camera_data,
    start_sharing,
    submit_form,
    suggested_values,
)

CAMERA = "camera.front_door"
NEW = {CONF_CAMERA: CAMERA}
ARN = channel_arn("ha-front-door")
BUTTON = "event.front_door_button"
CONTACT = "binary_sensor.front_door_visitor"
SENSOR = "binary_sensor.front_door_motion"
AS_A_CAMERA = {CONF_ALEXA_NAME: "Entrance", CONF_KIND: "camera"}


@pytest.fixture
def on_one_device(
    hass: HomeAssistant,
    camera: er.RegistryEntry,
    entity_registry: er.EntityRegistry,
    device_registry: dr.DeviceRegistry,
) -> dict[str, er.RegistryEntry]:
    """Have the camera on a device with a doorbell and two sensors; return all."""
    entry = MockConfigEntry(domain="demo")
    entry.add_to_hass(hass)
    device = device_registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("demo", "front door")}
    )
    entity_registry.async_update_entity(CAMERA, device_id=device.id)
    entities = {CAMERA: entity_registry.async_get(CAMERA)}
    for entity_id, device_class in (
        (BUTTON, "doorbell"),
        ("binary_sensor.front_door_a_person", "occupancy"),
        (SENSOR, "motion"),
        (CONTACT, None),
    ):
        domain, object_id = entity_id.split(".")
        entities[entity_id] = entity_registry.async_get_or_create(
            domain,
            "demo",
            object_id,
            suggested_object_id=object_id,
            original_device_class=device_class,
            device_id=device.id,
        )
    return entities


@pytest.fixture
async def asked(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
) -> dict[str, Any]:
    """Return the form of a camera that gets a channel of its own."""
    return await submit_form(hass, await start_sharing(hass, loaded_entry), NEW)


async def test_a_camera_goes_by_its_own_name(asked: dict[str, Any]) -> None:
    assert asked["step_id"] == "alexa"
    assert not asked["errors"]
    assert suggested_values(asked) == {
        CONF_ALEXA_NAME: "Front door",
        CONF_KIND: "camera",
    }


async def test_what_is_on_the_cameras_device_is_suggested(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    on_one_device: dict[str, er.RegistryEntry],
    aws: Aws,
) -> None:
    result = await submit_form(hass, await start_sharing(hass, loaded_entry), NEW)
    suggested = suggested_values(result)
    assert suggested == {
        CONF_ALEXA_NAME: "Front door",
        CONF_KIND: "doorbell",
        CONF_DOORBELL: BUTTON,
        CONF_MOTION: SENSOR,
    }

    result = await submit_form(hass, result, suggested)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    data = only_subentry(loaded_entry).data
    assert data[CONF_DOORBELL] == on_one_device[BUTTON].id
    assert data[CONF_MOTION] == on_one_device[SENSOR].id
    assert (
        aws.tags[ARN].items()
        >= {
            TAG_CAMERA_NAME: "Front door",
            TAG_KIND: "doorbell",
            TAG_MOTION: "true",
            TAG_DUPLEX: "false",
        }.items()
    )
    aws.client.tag_channel.assert_not_awaited()


async def test_people_are_motion_where_there_is_no_other(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    on_one_device: dict[str, er.RegistryEntry],
    entity_registry: er.EntityRegistry,
) -> None:
    for entity_id in (SENSOR, BUTTON):
        entity_registry.async_update_entity(
            entity_id, disabled_by=er.RegistryEntryDisabler.USER
        )

    result = await submit_form(hass, await start_sharing(hass, loaded_entry), NEW)

    assert suggested_values(result) == {
        CONF_ALEXA_NAME: "Front door",
        CONF_KIND: "camera",
        CONF_MOTION: "binary_sensor.front_door_a_person",
    }


async def test_the_user_knows_better(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    on_one_device: dict[str, er.RegistryEntry],
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    result = await submit_form(hass, await start_sharing(hass, loaded_entry), NEW)

    await submit_form(
        hass,
        result,
        {
            CONF_ALEXA_NAME: "  The  entrance ",
            CONF_KIND: "doorbell",
            CONF_DOORBELL: CONTACT,
        },
    )

    subentry = only_subentry(loaded_entry)
    assert subentry.title == "Front door"
    assert subentry.data[CONF_ALEXA_NAME] == "The entrance"
    assert subentry.data[CONF_DOORBELL] == on_one_device[CONTACT].id
    assert CONF_MOTION not in subentry.data
    assert aws.tags[ARN] == {
        **our_tag,
        TAG_CAMERA_NAME: "The entrance",
        TAG_KIND: "doorbell",
        TAG_MOTION: "false",
        TAG_DUPLEX: "false",
    }


async def test_a_plain_camera_needs_no_button(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    on_one_device: dict[str, er.RegistryEntry],
) -> None:
    result = await submit_form(hass, await start_sharing(hass, loaded_entry), NEW)

    await submit_form(hass, result, AS_A_CAMERA | {CONF_DOORBELL: BUTTON})

    assert CONF_DOORBELL not in only_subentry(loaded_entry).data


async def test_a_sub_stream_is_named_and_given_up(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    asked: dict[str, Any],
    entity_registry: er.EntityRegistry,
) -> None:
    stream = add_camera(hass, entity_registry, "front_door_sub", "Front door sub")
    named = AS_A_CAMERA | {CONF_ALEXA_STREAM: stream.entity_id}
    await submit_form(hass, asked, named)
    assert only_subentry(loaded_entry).data[CONF_ALEXA_STREAM] == stream.id

    entity_registry.async_update_entity(
        stream.entity_id, new_entity_id="camera.low_resolution"
    )
    await hass.async_block_till_done()
    result = await start_change(hass, loaded_entry, CAMERA, ARN)
    assert suggested_values(result)[CONF_ALEXA_STREAM] == "camera.low_resolution"
    await submit_form(hass, result, AS_A_CAMERA)
    assert CONF_ALEXA_STREAM not in only_subentry(loaded_entry).data


async def test_a_sensor_without_registry_entry_is_kept_by_its_entity_id(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, asked: dict[str, Any]
) -> None:
    hass.states.async_set("binary_sensor.yaml", "off")

    await submit_form(hass, asked, AS_A_CAMERA | {CONF_MOTION: "binary_sensor.yaml"})

    assert only_subentry(loaded_entry).data[CONF_MOTION] == "binary_sensor.yaml"


@pytest.mark.parametrize(
    ("user_input", "errors"),
    [
        ({CONF_ALEXA_NAME: " "}, {CONF_ALEXA_NAME: "alexa_name_missing"}),
        ({CONF_ALEXA_NAME: "x" * 129}, {CONF_ALEXA_NAME: "alexa_name_too_long"}),
        ({CONF_ALEXA_NAME: "Bob's"}, {CONF_ALEXA_NAME: "alexa_name_characters"}),
        ({CONF_ALEXA_NAME: "!?"}, {CONF_ALEXA_NAME: "alexa_name_characters"}),
        ({CONF_KIND: "doorbell"}, {CONF_DOORBELL: "doorbell_missing"}),
        (
            {CONF_KIND: "doorbell", CONF_DOORBELL: "event.none"},
            {CONF_DOORBELL: "doorbell_missing"},
        ),
        (
            {CONF_KIND: "doorbell", CONF_DOORBELL: CAMERA},
            {CONF_DOORBELL: "doorbell_missing"},
        ),
        ({CONF_MOTION: "binary_sensor.none"}, {CONF_MOTION: "sensor_not_found"}),
        ({CONF_MOTION: CAMERA}, {CONF_MOTION: "sensor_not_found"}),
        ({CONF_SPEAKER: "media_player.no"}, {CONF_SPEAKER: "speaker_not_found"}),
        ({CONF_SPEAKER: CAMERA}, {CONF_SPEAKER: "speaker_not_found"}),
        ({CONF_ALEXA_STREAM: CAMERA}, {CONF_ALEXA_STREAM: "alexa_stream_same"}),
        (
            {CONF_ALEXA_STREAM: "camera.none"},
            {CONF_ALEXA_STREAM: "camera_not_found"},
        ),
        (
            {CONF_ALEXA_NAME: "", CONF_KIND: "doorbell", CONF_MOTION: CAMERA},
            {
                CONF_ALEXA_NAME: "alexa_name_missing",
                CONF_DOORBELL: "doorbell_missing",
                CONF_MOTION: "sensor_not_found",
            },
        ),
    ],
)
async def test_what_cannot_be_is_refused(
    hass: HomeAssistant,
    asked: dict[str, Any],
    aws: Aws,
    user_input: dict[str, str],
    errors: dict[str, str],
) -> None:
    result = await submit_form(hass, asked, AS_A_CAMERA | user_input)

    assert result["errors"] == errors
    assert suggested_values(result) == AS_A_CAMERA | user_input
    aws.client.tag_channel.assert_not_awaited()
    result = await submit_form(hass, result, AS_A_CAMERA)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_name_that_cannot_be_spoken_is_spelt_out(
    hass: HomeAssistant, asked: dict[str, Any]
) -> None:
    result = await submit_form(
        hass, asked, AS_A_CAMERA | {CONF_ALEXA_NAME: "Bob's door (front)"}
    )

    assert result["description_placeholders"]["spoken_name"] == "Bobs door front"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Front door", "Front door"),
        ("Bob's camera (front)", "Bobs camera front"),
        ("Haustu\u0308r", "Haustür"),
        ("玄関 2_.:/=+-@x", "玄関 2 x"),
        ("tab\tand\nline", "tab and line"),
        ("!!!", ""),
        ("x" * 300, "x" * 128),
        (f"{'x' * 127} yz", "x" * 127),
    ],
)
def test_a_name_is_made_speakable(text: str, name: str) -> None:
    assert spoken_name(text) == name


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("Doorbell", "alexa_name_swallowed"),
        ("front DOORBELL", "alexa_name_swallowed"),
        ("camera", "alexa_name_swallowed"),
        ("the hall", "alexa_name_taken"),
        ("Attic", "alexa_name_taken"),
    ],
)
async def test_a_doubtful_name_is_taken_at_the_second_time(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
    name: str,
    doubt: str,
) -> None:
    hall = shared_camera_data("hall", "ha-hall", title="Another title")
    hall["data"] = {**hall["data"], CONF_ALEXA_NAME: "The Hall"}
    entry = make_entry(hall, shared_camera_data("attic", "ha-attic", title="Attic"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await submit_form(hass, await start_sharing(hass, entry), NEW)

    result = await submit_form(hass, result, AS_A_CAMERA | {CONF_ALEXA_NAME: name})
    assert result["errors"] == {CONF_ALEXA_NAME: doubt}
    aws.client.tag_channel.assert_not_awaited()

    result = await submit_form(hass, result, AS_A_CAMERA | {CONF_ALEXA_NAME: name})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert aws.tags[ARN][TAG_CAMERA_NAME] == name


@pytest.mark.parametrize("name", ["Front door camera", "Cellar", "Barn"])
async def test_other_names_raise_no_doubt(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    name: str,
) -> None:
    entry = make_entry(
        shared_camera_data("cellar", "not-for-alexa", title="Cellar"),
        remote_channel_data("ha-barn", title="Barn"),
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    result = await submit_form(hass, await start_sharing(hass, entry), NEW)

    result = await submit_form(hass, result, AS_A_CAMERA | {CONF_ALEXA_NAME: name})

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert SUBENTRY_TYPE_REMOTE_CHANNEL in {
        subentry.subentry_type for subentry in entry.subentries.values()
    }


@pytest.mark.parametrize(
    "error",
    [
        NotAuthorizedError(operation="TagResource"),
        CannotConnectError(operation="TagResource"),
        InvalidArgumentError("50 tags"),
    ],
)
async def test_tags_that_are_not_set_can_be_tried_again(
    hass: HomeAssistant, asked: dict[str, Any], aws: Aws, error: Exception
) -> None:
    tag = aws.client.tag_channel.side_effect
    aws.client.tag_channel.side_effect = error

    result = await submit_form(hass, asked, AS_A_CAMERA)
    assert result["step_id"] == "alexa"
    assert result["errors"] == {"base": error.key}
    assert suggested_values(result) == AS_A_CAMERA

    # The call that failed may have done its work all the same.
    aws.client.tag_channel.side_effect = tag
    result = await submit_form(hass, result, suggested_values(asked))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert aws.client.tag_channel.await_count == 2
    assert aws.tags[ARN][TAG_CAMERA_NAME] == "Front door"


async def test_an_account_that_is_gone_meanwhile_takes_no_camera(
    hass: HomeAssistant, loaded_entry: MockConfigEntry, asked: dict[str, Any]
) -> None:
    await hass.config_entries.async_unload(loaded_entry.entry_id)

    result = await submit_form(hass, asked, AS_A_CAMERA)

    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "entry_not_loaded"


async def test_a_flow_that_is_given_up_here_leaves_no_channel(
    hass: HomeAssistant, asked: dict[str, Any], aws: Aws
) -> None:
    assert list(aws.channels) == [ARN]

    hass.config_entries.subentries.async_abort(asked["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)

    assert not aws.channels


async def test_a_channel_of_ours_that_was_there_is_tagged(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    camera: er.RegistryEntry,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    channel = aws.add(make_channel("ha-hall"), our_tag)
    result = await submit_form(
        hass,
        await start_sharing(hass, loaded_entry),
        {CONF_CAMERA: CAMERA, CONF_CHANNEL: channel.arn},
    )
    assert result["step_id"] == "alexa"

    await submit_form(hass, result, AS_A_CAMERA)

    assert aws.tags[channel.arn] == {
        **our_tag,
        TAG_CAMERA_NAME: "Entrance",
        TAG_KIND: "camera",
        TAG_MOTION: "false",
        TAG_DUPLEX: "false",
    }


@pytest.fixture
async def shared(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    on_one_device: dict[str, er.RegistryEntry],
    aws: Aws,
    our_tag: dict[str, str],
) -> MockConfigEntry:
    """Return an account that shares a doorbell called Doorbell."""
    aws.add(make_channel("ha-front-door"), our_tag)
    data = shared_camera_data(on_one_device[CAMERA].id, "ha-front-door")
    data["data"] = {
        **data["data"],
        CONF_ALEXA_NAME: "Doorbell",
        CONF_KIND: "doorbell",
        CONF_DOORBELL: on_one_device[CONTACT].id,
    }
    entry = make_entry(data)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    return entry


async def start_change(
    hass: HomeAssistant, entry: MockConfigEntry, camera: str, channel: str
) -> dict[str, Any]:
    """Go on to the form of the one shared camera."""
    result = await entry.start_subentry_reconfigure_flow(
        hass, only_subentry(entry).subentry_id
    )
    return await submit_form(hass, result, {CONF_CAMERA: camera, CONF_CHANNEL: channel})


async def test_a_change_starts_from_what_there_is(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    aws: Aws,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_update_entity(
        CONTACT, new_entity_id="binary_sensor.a_visitor"
    )
    before = only_subentry(shared).data

    result = await start_change(hass, shared, CAMERA, ARN)
    suggested = suggested_values(result)
    assert suggested == {
        CONF_ALEXA_NAME: "Doorbell",
        CONF_KIND: "doorbell",
        CONF_DOORBELL: "binary_sensor.a_visitor",
    }
    result = await submit_form(hass, result, suggested)

    assert result["reason"] == "reconfigure_successful"
    assert only_subentry(shared).data == before
    aws.client.tag_channel.assert_not_awaited()


async def test_a_change_is_stored_and_tagged(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    aws: Aws,
    our_tag: dict[str, str],
) -> None:
    result = await start_change(hass, shared, CAMERA, ARN)

    await submit_form(hass, result, AS_A_CAMERA)

    data = only_subentry(shared).data
    assert data.items() >= AS_A_CAMERA.items()
    assert CONF_DOORBELL not in data
    assert aws.tags[ARN] == {
        **our_tag,
        TAG_CAMERA_NAME: "Entrance",
        TAG_KIND: "camera",
        TAG_MOTION: "false",
        TAG_DUPLEX: "false",
    }


async def test_another_camera_suggests_anew(
    hass: HomeAssistant,
    shared: MockConfigEntry,
    entity_registry: er.EntityRegistry,
) -> None:
    add_camera(hass, entity_registry, "garden", "Garden")

    result = await start_change(hass, shared, "camera.garden", ARN)

    assert suggested_values(result) == {
        CONF_ALEXA_NAME: "Garden",
        CONF_KIND: "camera",
    }


async def test_a_camera_that_leaves_for_a_channel_of_others_is_nothing_to_alexa(
    hass: HomeAssistant, shared: MockConfigEntry, aws: Aws
) -> None:
    theirs = aws.add(make_channel("theirs"))

    result = await start_change(hass, shared, CAMERA, theirs.arn)
    assert result["step_id"] == "existing_channel_not_for_alexa"
    await submit_form(hass, result, {})

    data = only_subentry(shared).data
    assert set(data) == {CONF_CAMERA, CONF_CHANNEL_ARN, CONF_CHANNEL_NAME}
    aws.client.tag_channel.assert_not_awaited()


async def test_a_camera_that_alexa_knows_nothing_of_yet_is_asked_about(
    hass: HomeAssistant,
    mock_setup_entry: AsyncMock,
    camera: er.RegistryEntry,
    aws: Aws,
    created: CreatedChannels,
    our_tag: dict[str, str],
) -> None:
    aws.add(make_channel("ha-front-door"), our_tag)
    entry = make_entry(shared_camera_data(camera.id, "ha-front-door"))
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    key = ChannelKey(account=ACCOUNT, region=REGION, name="ha-front-door")
    await created.async_add(key, entry)

    result = await start_change(hass, entry, CAMERA, ARN)
    assert suggested_values(result)[CONF_ALEXA_NAME] == "Front door"
    await submit_form(hass, result, suggested_values(result))

    assert only_subentry(entry).data[CONF_ALEXA_NAME] == "Front door"
    assert aws.tags[ARN][TAG_CAMERA_NAME] == "Front door"
    assert TAG_CREATED_BY in aws.tags[ARN]


async def test_the_form_offers_what_fits(
    hass: HomeAssistant, asked: dict[str, Any]
) -> None:
    schema = asked["data_schema"].schema

    assert schema[CONF_DOORBELL].config["filter"] == [
        {"domain": ["event"], "device_class": ["doorbell"]},
        {"domain": ["binary_sensor"]},
    ]
    assert schema[CONF_MOTION].config["filter"] == [
        {"domain": ["binary_sensor"], "device_class": ["motion", "occupancy"]}
    ]
    # The features are numbers here: media players that play what they are given.
    assert schema[CONF_SPEAKER].config["filter"] == [
        {"domain": ["media_player"], "supported_features": [512]}
    ]


async def test_a_speaker_makes_the_camera_one_to_talk_to(
    hass: HomeAssistant,
    loaded_entry: MockConfigEntry,
    asked: dict[str, Any],
    entity_registry: er.EntityRegistry,
    aws: Aws,
) -> None:
    speaker = entity_registry.async_get_or_create("media_player", "demo", "porch")
    await submit_form(hass, asked, AS_A_CAMERA | {CONF_SPEAKER: speaker.entity_id})
    assert only_subentry(loaded_entry).data[CONF_SPEAKER] == speaker.id
    assert aws.tags[ARN][TAG_DUPLEX] == "true"

    # The form begins with it, and it can be taken back.
    result = await start_change(hass, loaded_entry, CAMERA, ARN)
    assert suggested_values(result)[CONF_SPEAKER] == speaker.entity_id
    await submit_form(hass, result, AS_A_CAMERA)
    assert CONF_SPEAKER not in only_subentry(loaded_entry).data
    assert aws.tags[ARN][TAG_DUPLEX] == "false"
