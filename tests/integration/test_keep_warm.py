"""A shared camera is open beforehand: always, after a ring or a motion, or never."""

from typing import Any
from unittest.mock import AsyncMock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.kinesis_webrtc.const import (
    CONF_ALEXA_NAME,
    CONF_CAMERA,
    CONF_DOORBELL,
    CONF_KEEP_WARM,
    CONF_KIND,
    CONF_MOTION,
    CONF_SHARING,
)
from custom_components.kinesis_webrtc.keep_warm import HOLD

from .conftest import add_camera, async_share, only_subentry
from .masters import Masters, Peer

CAMERA = "camera.front_door"
BUTTON = "event.front_door"
MOTION = "binary_sensor.motion"


@pytest.fixture
def fields() -> dict[str, str]:
    """Return what the subentry says beyond camera and channel."""
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
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    fields: dict[str, str],
) -> MockConfigEntry:
    hass.states.async_set(MOTION, STATE_OFF)
    hass.states.async_set(BUTTON, STATE_UNKNOWN)
    return await async_share(hass, camera, **fields)


@pytest.fixture
def peer(entry: MockConfigEntry, masters: Masters) -> Peer:
    return masters.peers[-1]


async def set_state(hass: HomeAssistant, entity_id: str, state: str) -> None:
    hass.states.async_set(entity_id, state)
    await hass.async_block_till_done()


async def ring(hass: HomeAssistant) -> None:
    at = dt_util.utcnow().isoformat(timespec="milliseconds")
    await set_state(hass, BUTTON, at)


async def pass_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done()


async def change(hass: HomeAssistant, entry: MockConfigEntry, **changes: Any) -> None:
    subentry = only_subentry(entry)
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, **changes}
    )
    await hass.async_block_till_done()


async def test_nothing_is_open_before_something_happens(peer: Peer) -> None:
    assert peer.holds == 0


async def test_a_ring_opens_the_camera_for_a_while(
    hass: HomeAssistant, peer: Peer, freezer: FrozenDateTimeFactory
) -> None:
    await ring(hass)
    assert peer.holds == 1
    await pass_time(hass, freezer, HOLD - 1)
    assert peer.holds == 1
    await pass_time(hass, freezer, 2)
    assert peer.holds == 0


async def test_what_happens_meanwhile_prolongs_it(
    hass: HomeAssistant, peer: Peer, freezer: FrozenDateTimeFactory
) -> None:
    await set_state(hass, MOTION, STATE_ON)
    await pass_time(hass, freezer, HOLD / 2)
    await ring(hass)
    assert peer.holds == 1
    await pass_time(hass, freezer, HOLD * 3 / 4)
    assert peer.holds == 1
    await pass_time(hass, freezer, HOLD)
    assert peer.holds == 0


async def test_a_sensor_that_comes_back_has_seen_nothing(
    hass: HomeAssistant, peer: Peer
) -> None:
    for entity_id, state in ((MOTION, STATE_ON), (BUTTON, "2020-01-01T00:00:00+00:00")):
        await set_state(hass, entity_id, STATE_UNAVAILABLE)
        await set_state(hass, entity_id, state)
    assert peer.holds == 0


@pytest.mark.parametrize("fields", [{}])
async def test_without_anything_for_alexa_the_devices_sensors_count(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    peer: Peer,
    camera: er.RegistryEntry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    device = device_registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("demo", "door")}
    )
    entity_registry.async_update_entity(camera.entity_id, device_id=device.id)
    sensor = entity_registry.async_get_or_create(
        "binary_sensor",
        "demo",
        "yard",
        device_id=device.id,
        original_device_class="motion",
    )
    await hass.config_entries.async_reload(entry.entry_id)
    await set_state(hass, sensor.entity_id, STATE_OFF)
    await set_state(hass, sensor.entity_id, STATE_ON)
    runtime = entry.runtime_data
    (shared,) = runtime.shared_cameras.values()
    assert shared._peer.hold.call_count == 1


@pytest.mark.parametrize("fields", [{CONF_KEEP_WARM: "never", CONF_MOTION: MOTION}])
async def test_never_is_never(hass: HomeAssistant, peer: Peer) -> None:
    await ring(hass)
    await set_state(hass, MOTION, STATE_ON)
    assert peer.holds == 0


class TestAlways:
    """The camera is open for as long as it is there and shared."""

    @pytest.fixture
    def fields(self) -> dict[str, str]:
        return {CONF_KEEP_WARM: "always"}

    @pytest.mark.parametrize("is_removed", [True, False])
    async def test_a_camera_that_is_away_is_held_again_when_it_is_back(
        self,
        hass: HomeAssistant,
        peer: Peer,
        camera: er.RegistryEntry,
        entity_registry: er.EntityRegistry,
        is_removed: bool,
    ) -> None:
        assert peer.holds == 1
        if is_removed:
            hass.states.async_remove(CAMERA)
            await hass.async_block_till_done()
        else:
            await set_state(hass, CAMERA, STATE_UNAVAILABLE)
        assert peer.holds == 0
        await set_state(hass, CAMERA, "idle")
        assert peer.holds == 1

    async def test_a_camera_that_is_deleted_is_let_go(
        self,
        hass: HomeAssistant,
        peer: Peer,
        entity_registry: er.EntityRegistry,
    ) -> None:
        entity_registry.async_remove(CAMERA)
        await hass.async_block_till_done()
        assert peer.holds == 0

    async def test_a_camera_that_is_renamed_stays_open(
        self,
        hass: HomeAssistant,
        peer: Peer,
        entity_registry: er.EntityRegistry,
    ) -> None:
        entity_registry.async_update_entity(CAMERA, new_entity_id="camera.entrance")
        hass.states.async_remove(CAMERA)
        await set_state(hass, "camera.entrance", "idle")
        assert peer.holds == 1
        await set_state(hass, "camera.entrance", STATE_UNAVAILABLE)
        assert peer.holds == 0

    async def test_a_camera_that_is_not_shared_is_let_go(
        self, hass: HomeAssistant, entry: MockConfigEntry, peer: Peer
    ) -> None:
        await change(hass, entry, **{CONF_SHARING: False})
        assert peer.holds == 0
        await change(hass, entry, **{CONF_SHARING: True})
        assert peer.holds == 1

    async def test_another_choice_counts_at_once(
        self, hass: HomeAssistant, entry: MockConfigEntry, peer: Peer
    ) -> None:
        await change(hass, entry, **{CONF_KEEP_WARM: "never"})
        assert peer.holds == 0

    async def test_another_camera_is_held_instead(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        masters: Masters,
        entity_registry: er.EntityRegistry,
    ) -> None:
        other = add_camera(hass, entity_registry, "garden", "Garden")
        await change(hass, entry, **{CONF_CAMERA: other.id})
        old, new = masters.peers
        assert (old.holds, new.holds) == (0, 1)

    async def test_a_held_camera_has_no_viewer(
        self, hass: HomeAssistant, peer: Peer
    ) -> None:
        viewers = hass.states.get("sensor.front_door_viewers")
        assert viewers is not None
        assert viewers.state == "0"
        live_view = hass.states.get("camera.front_door_live_view")
        assert live_view is not None
        assert live_view.state == "idle"

    async def test_unloading_lets_it_go(
        self, hass: HomeAssistant, entry: MockConfigEntry, peer: Peer
    ) -> None:
        assert await hass.config_entries.async_unload(entry.entry_id)
        assert peer.holds == 0
        await set_state(hass, CAMERA, STATE_UNAVAILABLE)
        await set_state(hass, CAMERA, "idle")
        assert peer.holds == 0


async def test_unloading_after_a_ring_leaves_no_timer(
    hass: HomeAssistant, entry: MockConfigEntry, peer: Peer
) -> None:
    await ring(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert peer.holds == 0
