"""Alexa is told of presses, motion and health, of each at the right time and once."""

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY, MagicMock, call, create_autospec

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.kinesis_webrtc.alexa_skill import AlexaSkill
from custom_components.kinesis_webrtc.const import (
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_CHANNEL_ARN,
    CONF_CHANNEL_NAME,
    CONF_DOORBELL,
    CONF_KIND,
    CONF_MOTION,
    CONF_SHARING,
    CONF_SPEAKER,
    TAG_CAMERA_NAME,
    TAG_DUPLEX,
    TAG_KIND,
    TAG_MOTION,
)
from custom_components.kinesis_webrtc.signaling import CannotConnectError

from .conftest import (
    add_camera,
    async_share,
    channel_arn,
    only_subentry,
    shared_camera_data,
)
from .masters import Master, Masters

NAME = "ha-front-door"
CAMERA = "camera.front_door"
BUTTON = "event.front_door"
VISITOR = "binary_sensor.visitor"
MOTION = "binary_sensor.motion"


class Skills(dict[str, Any]):
    """The skills of an account, of which none runs anything."""

    def async_start(self, entry: MockConfigEntry) -> None:
        """Start nothing."""

    async def async_update(self, entry: MockConfigEntry) -> None:
        """Change nothing."""

    async def async_stop(self) -> None:
        """Stop nothing."""


@pytest.fixture
def fields() -> dict[str, str]:
    """Return what the subentry says for Alexa."""
    return {
        CONF_ALEXA_NAME: "Front door",
        CONF_KIND: "doorbell",
        CONF_DOORBELL: BUTTON,
        CONF_MOTION: MOTION,
    }


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    mock_client: MagicMock,
    masters: Masters,
    camera: er.RegistryEntry,
    fields: dict[str, str],
) -> MockConfigEntry:
    hass.states.async_set(MOTION, STATE_OFF)
    hass.states.async_set(VISITOR, STATE_OFF)
    hass.states.async_set(BUTTON, STATE_UNKNOWN)
    return await async_share(hass, camera, NAME, **fields)


@pytest.fixture
def skill(entry: MockConfigEntry) -> MagicMock:
    """Return one of the two skills that are told."""
    skill = create_autospec(AlexaSkill, instance=True)
    entry.runtime_data.alexa_skills = Skills(
        first=create_autospec(AlexaSkill, instance=True), second=skill
    )
    return skill


@pytest.fixture
async def healthy(
    hass: HomeAssistant,
    master: Master,
    skill: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> MagicMock:
    """Return a skill that was told that the camera is within reach."""
    master.connect()
    await settle(hass, freezer)
    assert skill.async_health_changed.mock_calls == [call(NAME, True, ANY)]
    skill.reset_mock()
    return skill


async def settle(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float = 31
) -> None:
    """Let time go by."""
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def set_state(hass: HomeAssistant, entity_id: str, state: str, **attributes: Any):
    """Have an entity change."""
    hass.states.async_set(entity_id, state, attributes)
    await hass.async_block_till_done()


async def ring(
    hass: HomeAssistant,
    *,
    at: datetime | None = None,
    event_type: str = "ring",
    event_types: tuple[str, ...] = ("ring",),
) -> datetime:
    """Have the doorbell's event entity fire, as Home Assistant writes its state."""
    at = at or dt_util.utcnow()
    await set_state(
        hass,
        BUTTON,
        at.isoformat(timespec="milliseconds"),
        event_type=event_type,
        event_types=list(event_types),
    )
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


async def change(
    hass: HomeAssistant, entry: MockConfigEntry, changes: dict[str, Any]
) -> ConfigSubentry:
    """Change the subentry as its flow does; None takes a field away."""
    subentry = only_subentry(entry)
    data = {**subentry.data, **changes}
    hass.config_entries.async_update_subentry(
        entry,
        subentry,
        data={key: value for key, value in data.items() if value is not None},
    )
    await hass.async_block_till_done()
    return subentry


async def test_every_skill_is_told_of_a_press_once(
    hass: HomeAssistant, entry: MockConfigEntry, skill: MagicMock
) -> None:
    at = await ring(hass)
    await set_state(hass, BUTTON, at.isoformat(timespec="milliseconds"), extra="more")

    for told in entry.runtime_data.alexa_skills.values():
        assert told.async_doorbell_pressed.mock_calls == [call(NAME, at)]


async def test_each_press_is_told(
    hass: HomeAssistant, skill: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    first = await ring(hass)
    freezer.tick(1)
    second = await ring(hass)

    assert skill.async_doorbell_pressed.mock_calls == [
        call(NAME, first),
        call(NAME, second),
    ]


async def test_a_press_is_told_though_the_clock_was_put_back(
    hass: HomeAssistant, skill: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    first = await ring(hass)
    freezer.move_to(first - timedelta(hours=1))
    second = await ring(hass)

    assert skill.async_doorbell_pressed.mock_calls == [
        call(NAME, first),
        call(NAME, second),
    ]


@pytest.mark.parametrize("between", [STATE_UNAVAILABLE, STATE_UNKNOWN])
async def test_a_press_that_is_restored_is_none(
    hass: HomeAssistant,
    skill: MagicMock,
    freezer: FrozenDateTimeFactory,
    between: str,
) -> None:
    at = await ring(hass)
    skill.reset_mock()

    await set_state(hass, BUTTON, between)
    freezer.tick(1)
    await ring(hass, at=at)

    assert not skill.async_doorbell_pressed.called


async def test_a_press_from_before_the_start_is_none(
    hass: HomeAssistant, skill: MagicMock
) -> None:
    hass.states.async_remove(BUTTON)
    await hass.async_block_till_done()

    await ring(hass)

    assert not skill.async_doorbell_pressed.called


@pytest.mark.parametrize(("age", "is_told"), [(29, True), (31, False)])
async def test_an_old_press_is_not_told(
    hass: HomeAssistant, skill: MagicMock, age: int, is_told: bool
) -> None:
    await ring(hass, at=dt_util.utcnow() - timedelta(seconds=age))

    assert skill.async_doorbell_pressed.called is is_told


@pytest.mark.parametrize(
    ("event_type", "event_types", "is_told"),
    [
        ("ring", ("ring", "motion"), True),
        ("motion", ("ring", "motion"), False),
        ("pressed", ("pressed", "held"), True),
    ],
)
async def test_a_doorbells_other_events_are_no_press(
    hass: HomeAssistant,
    skill: MagicMock,
    event_type: str,
    event_types: tuple[str, ...],
    is_told: bool,
) -> None:
    await ring(hass, event_type=event_type, event_types=event_types)

    assert skill.async_doorbell_pressed.called is is_told


@pytest.mark.parametrize(
    ("states", "presses"),
    [
        ([STATE_ON], 1),
        ([STATE_ON, STATE_OFF, STATE_ON], 2),
        ([STATE_UNAVAILABLE, STATE_ON], 0),
        ([STATE_UNKNOWN, STATE_ON], 0),
        ([STATE_UNAVAILABLE, STATE_OFF, STATE_ON], 1),
    ],
)
async def test_a_binary_sensor_can_be_the_button(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    skill: MagicMock,
    freezer: FrozenDateTimeFactory,
    states: list[str],
    presses: int,
) -> None:
    await change(hass, entry, {CONF_DOORBELL: VISITOR})

    for state in states:
        freezer.tick(1)
        await set_state(hass, VISITOR, state)

    assert skill.async_doorbell_pressed.call_count == presses


async def test_a_removed_button_says_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, skill: MagicMock
) -> None:
    await change(hass, entry, {CONF_KIND: "camera", CONF_DOORBELL: None})

    await ring(hass)

    assert not skill.async_doorbell_pressed.called


async def test_a_sensor_is_followed_through_its_renaming(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    skill: MagicMock,
    entity_registry: er.EntityRegistry,
) -> None:
    sensor = entity_registry.async_get_or_create("binary_sensor", "demo", "new")
    await change(hass, entry, {CONF_MOTION: sensor.id})
    entity_registry.async_update_entity(
        sensor.entity_id, new_entity_id="binary_sensor.renamed"
    )
    await hass.async_block_till_done()

    await set_state(hass, sensor.entity_id, STATE_OFF)
    await set_state(hass, sensor.entity_id, STATE_ON)
    assert not skill.async_motion_changed.called
    await set_state(hass, "binary_sensor.renamed", STATE_OFF)
    await set_state(hass, "binary_sensor.renamed", STATE_ON)

    assert skill.async_motion_changed.mock_calls == [
        call(NAME, False, ANY),
        call(NAME, True, ANY),
    ]


async def test_motion_is_told_with_its_time(
    hass: HomeAssistant, skill: MagicMock
) -> None:
    await set_state(hass, MOTION, STATE_ON)
    began = hass.states.get(MOTION).last_changed
    await set_state(hass, MOTION, STATE_ON, more="more")
    await set_state(hass, MOTION, STATE_OFF)

    assert skill.async_motion_changed.mock_calls == [
        call(NAME, True, began),
        call(NAME, False, hass.states.get(MOTION).last_changed),
    ]


async def test_a_sensor_that_was_away_says_only_that_motion_has_ended(
    hass: HomeAssistant, skill: MagicMock
) -> None:
    await set_state(hass, MOTION, STATE_UNAVAILABLE)
    await set_state(hass, MOTION, STATE_ON)
    assert not skill.async_motion_changed.called
    await set_state(hass, MOTION, STATE_OFF)
    await set_state(hass, MOTION, STATE_ON)
    await set_state(hass, MOTION, STATE_UNAVAILABLE)
    await set_state(hass, MOTION, STATE_OFF)

    told = [args[1] for _, args, _ in skill.async_motion_changed.mock_calls]
    assert told == [False, True, False]


async def test_motion_that_ended_during_a_restart_is_told(
    hass: HomeAssistant, skill: MagicMock, freezer: FrozenDateTimeFactory
) -> None:
    await settle(hass, freezer)

    assert skill.async_motion_changed.mock_calls == [call(NAME, False, ANY)]


async def test_a_short_break_is_not_told(
    hass: HomeAssistant,
    master: Master,
    healthy: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    master.fail(CannotConnectError())
    await settle(hass, freezer, 28)
    master.connect()
    await settle(hass, freezer, 60)

    assert not healthy.async_health_changed.called


async def test_a_long_break_and_its_end_are_told(
    hass: HomeAssistant,
    master: Master,
    healthy: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    master.fail(CannotConnectError())
    await settle(hass, freezer)
    assert healthy.async_health_changed.mock_calls == [call(NAME, False, ANY)]

    master.connect()
    assert healthy.async_health_changed.mock_calls[1:] == [call(NAME, True, ANY)]


@pytest.mark.parametrize("is_removed", [True, False])
async def test_a_camera_that_is_away_is_out_of_reach(
    hass: HomeAssistant,
    healthy: MagicMock,
    freezer: FrozenDateTimeFactory,
    is_removed: bool,
) -> None:
    if is_removed:
        hass.states.async_remove(CAMERA)
    else:
        hass.states.async_set(CAMERA, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    await settle(hass, freezer)

    assert healthy.async_health_changed.mock_calls == [call(NAME, False, ANY)]


async def test_a_camera_that_is_not_shared_is_out_of_reach_at_once(
    hass: HomeAssistant, entry: MockConfigEntry, healthy: MagicMock
) -> None:
    await change(hass, entry, {CONF_SHARING: False})

    assert healthy.async_health_changed.mock_calls == [call(NAME, False, ANY)]
    assert not healthy.async_camera_changed.called


async def test_a_start_that_takes_long_is_told(
    hass: HomeAssistant,
    master: Master,
    skill: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    await settle(hass, freezer, 28)
    assert not skill.async_health_changed.called

    await settle(hass, freezer, 3)
    assert skill.async_health_changed.mock_calls == [call(NAME, False, ANY)]


async def test_an_unloaded_account_tells_nothing(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    healthy: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    await hass.config_entries.async_unload(entry.entry_id)
    await ring(hass)
    await set_state(hass, MOTION, STATE_ON)
    await settle(hass, freezer)

    assert not healthy.mock_calls


@pytest.mark.parametrize(
    "changes",
    [
        {CONF_ALEXA_NAME: "Entrance"},
        {CONF_KIND: "camera", CONF_DOORBELL: None},
        {CONF_MOTION: None},
        {CONF_SPEAKER: "media_player.porch"},
    ],
)
async def test_a_change_is_told_and_disturbs_nobody(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    master: Master,
    healthy: MagicMock,
    our_tag: dict[str, str],
    fields: dict[str, str],
    changes: dict[str, str | None],
) -> None:
    fields = fields | changes

    await change(hass, entry, changes)

    assert healthy.async_camera_changed.mock_calls == [
        call(
            channel_name=NAME,
            channel_arn=channel_arn(NAME),
            tags={
                **our_tag,
                TAG_CAMERA_NAME: fields[CONF_ALEXA_NAME],
                TAG_KIND: fields[CONF_KIND],
                TAG_MOTION: "true" if fields[CONF_MOTION] else "false",
                TAG_DUPLEX: "true" if fields.get(CONF_SPEAKER) else "false",
            },
        )
    ]
    assert not healthy.async_health_changed.called
    assert master.running
    assert not master.peer.shutdown.called


async def test_another_sensor_is_no_other_camera(
    hass: HomeAssistant, entry: MockConfigEntry, skill: MagicMock
) -> None:
    await change(hass, entry, {CONF_MOTION: VISITOR})
    assert not skill.async_camera_changed.called

    await set_state(hass, MOTION, STATE_ON)
    assert not skill.async_motion_changed.called
    await set_state(hass, VISITOR, STATE_ON)
    assert skill.async_motion_changed.mock_calls == [call(NAME, True, ANY)]


async def test_another_channel_is_another_camera(
    hass: HomeAssistant, entry: MockConfigEntry, skill: MagicMock
) -> None:
    await change(
        hass,
        entry,
        {CONF_CHANNEL_ARN: channel_arn("ha-hall"), CONF_CHANNEL_NAME: "ha-hall"},
    )

    assert skill.async_camera_removed.mock_calls == [call(NAME)]
    (told,) = skill.async_camera_changed.mock_calls
    assert told.kwargs["channel_name"] == "ha-hall"
    await ring(hass)
    assert skill.async_doorbell_pressed.mock_calls == [call("ha-hall", ANY)]


async def test_another_source_is_followed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    healthy: MagicMock,
    masters: Masters,
    entity_registry: er.EntityRegistry,
    freezer: FrozenDateTimeFactory,
) -> None:
    garden = add_camera(hass, entity_registry, "garden", "Garden")
    await change(hass, entry, {CONF_CAMERA: garden.id})
    masters[channel_arn(NAME)].connect()
    await settle(hass, freezer)
    assert not healthy.async_health_changed.called

    hass.states.async_set(garden.entity_id, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    await settle(hass, freezer)

    assert healthy.async_health_changed.mock_calls == [call(NAME, False, ANY)]


async def test_a_camera_that_is_shared_no_more_is_removed(
    hass: HomeAssistant, entry: MockConfigEntry, skill: MagicMock
) -> None:
    hass.config_entries.async_remove_subentry(entry, only_subentry(entry).subentry_id)
    await hass.async_block_till_done()

    assert skill.async_camera_removed.mock_calls == [call(NAME)]
    assert not skill.async_health_changed.called


async def test_a_camera_that_is_newly_shared_is_told(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    skill: MagicMock,
    fields: dict[str, str],
) -> None:
    assert not skill.async_camera_changed.called
    data = shared_camera_data("camera.garden", "ha-garden", title="Garden")
    data["data"] = {**data["data"], **fields, CONF_ALEXA_NAME: "Garden"}

    hass.config_entries.async_add_subentry(entry, ConfigSubentry(**data))
    await hass.async_block_till_done()

    (told,) = skill.async_camera_changed.mock_calls
    assert told.kwargs["channel_name"] == "ha-garden"
    assert told.kwargs["tags"][TAG_CAMERA_NAME] == "Garden"


async def test_a_channel_that_alexa_does_not_find_is_not_told_of(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    skill: MagicMock,
    freezer: FrozenDateTimeFactory,
) -> None:
    data = shared_camera_data("camera.garden", "theirs", title="Garden")
    subentry = ConfigSubentry(**data)
    hass.config_entries.async_remove_subentry(entry, only_subentry(entry).subentry_id)
    await hass.async_block_till_done()
    skill.reset_mock()

    hass.config_entries.async_add_subentry(entry, subentry)
    await hass.async_block_till_done()
    await settle(hass, freezer)
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()

    assert not skill.mock_calls
