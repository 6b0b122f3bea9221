"""The sensors tell how viewers are served."""

from collections.abc import AsyncGenerator
from unittest.mock import AsyncMock, patch

from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    mock_restore_cache_with_extra_data,
)

from custom_components.kinesis_webrtc.peer import (
    Connected,
    Ended,
    EndReason,
    KeyFrameSent,
    Timings,
)
from custom_components.kinesis_webrtc.peer.reader import StreamFormat
from custom_components.kinesis_webrtc.self_test_report import SelfTestReport

from .conftest import TRANSLATIONS, async_share, channel_arn
from .masters import Master, Masters, make_feed

BIT_RATE = "sensor.front_door_bit_rate"


def state(hass: HomeAssistant, entity_id: str) -> str:
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


@pytest.fixture
def _all_enabled() -> AsyncGenerator[None]:
    """Have no entity disabled by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default",
        True,
    ):
        yield


async def test_what_changes_often_is_disabled_at_first(
    entry: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    disabled = {
        entity.unique_id.partition("_")[2]
        for entity in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
        if entity.disabled_by
    }
    assert disabled == {"answer_time", "bitrate"}


@pytest.mark.usefixtures("_all_enabled")
async def test_the_last_answer_and_the_way_of_the_pictures_are_shown(
    hass: HomeAssistant, master: Master
) -> None:
    assert state(hass, "sensor.front_door_connection") == STATE_UNKNOWN
    assert state(hass, "sensor.front_door_answer_time") == STATE_UNKNOWN

    master.on_event(
        Connected(
            viewer_id="echo-1",
            local_type="relay",
            remote_type="host",
            timings=Timings(answered_ms=412.4),
        )
    )

    assert state(hass, "sensor.front_door_connection") == "relayed"
    assert float(state(hass, "sensor.front_door_answer_time")) == 412.4

    master.on_event(
        Ended(viewer_id="echo-1", reason=EndReason.VIEWER_LOST, timings=Timings())
    )
    assert state(hass, "sensor.front_door_connection") == "relayed"


@pytest.mark.usefixtures("_all_enabled")
async def test_the_bit_rate_is_that_of_all_viewers(
    hass: HomeAssistant, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.sensor.time.monotonic", lambda: now[0]
    )

    async def later(sent: int) -> str:
        now[0] += 10
        master.peer.bytes_sent = sent
        async_fire_time_changed(hass, fire_all=True)
        await hass.async_block_till_done()
        return state(hass, BIT_RATE)

    await later(0)
    assert float(await later(2_500_000)) == 2000
    assert float(await later(2_500_000)) == 0
    # Another camera's peer has begun to count.
    assert float(await later(10)) == 0
    assert float(await later(1_250_010)) == 1000


@pytest.mark.parametrize(
    ("kept", "shown"), [("relay", "relay"), ("a_former_stage", STATE_UNKNOWN)]
)
async def test_the_verdict_of_the_self_test_outlives_a_restart(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
    kept: str,
    shown: str,
) -> None:
    entity_id = "sensor.front_door_self_test"
    mock_restore_cache_with_extra_data(
        hass,
        [
            (
                State(entity_id, kept),
                {"native_value": kept, "native_unit_of_measurement": None},
            )
        ],
    )
    entry = await async_share(hass, camera)
    assert state(hass, entity_id) == shown

    (shared,) = entry.runtime_data.shared_cameras.values()
    shared.self_test.report = SelfTestReport(stages=(), rules=())
    masters[channel_arn("ha-front-door")].on_event(KeyFrameSent(viewer_id="echo-1"))
    assert state(hass, entity_id) == "passed"


def test_each_way_has_a_name() -> None:
    assert TRANSLATIONS["entity"]["sensor"]["connection"]["state"].keys() == {
        "direct",
        "reflexive",
        "relayed",
    }


async def test_transcoding_is_shown(hass: HomeAssistant, master: Master) -> None:
    assert state(hass, "sensor.front_door_video") == STATE_UNKNOWN

    master.peer.feed.format = StreamFormat(
        profile="42e01f", width=1920, height=1080, transcoded_from=None
    )
    master.on_event(KeyFrameSent(viewer_id="echo-1"))
    assert state(hass, "sensor.front_door_video") == "passed_through"

    master.peer.feed.format = StreamFormat(
        profile="42e01f", width=1280, height=720, transcoded_from="hevc"
    )
    master.on_event(KeyFrameSent(viewer_id="echo-2"))
    assert state(hass, "sensor.front_door_video") == "transcoded"


async def test_what_is_made_smaller_for_alexa_is_shown(
    hass: HomeAssistant, master: Master
) -> None:
    feed = master.peer.feed
    feed.format = StreamFormat(profile="640028", width=1920, height=1080)
    feed.small.shrunk_from = (1920, 1080)
    master.on_event(KeyFrameSent(viewer_id="echo-1", is_small=True))
    assert state(hass, "sensor.front_door_video") == "transcoded_for_alexa"

    feed.small.shrunk_from = None
    master.on_event(
        Ended(viewer_id="echo-1", reason=EndReason.VIEWER_CLOSED, timings=Timings())
    )
    assert state(hass, "sensor.front_door_video") == "passed_through"


async def test_a_sub_stream_alone_is_passed_through(
    hass: HomeAssistant, master: Master
) -> None:
    master.peer.small_feed = make_feed()
    master.peer.small_feed.format = StreamFormat(
        profile="42e01f", width=640, height=360
    )
    master.on_event(KeyFrameSent(viewer_id="echo-1", is_small=True))
    assert state(hass, "sensor.front_door_video") == "passed_through"


async def test_what_encoding_takes_is_shown_as_it_changes(
    hass: HomeAssistant, master: Master
) -> None:
    assert float(state(hass, "sensor.front_door_encoding_load")) == 0

    async def later() -> float:
        async_fire_time_changed(hass, fire_all=True)
        await hass.async_block_till_done()
        return float(state(hass, "sensor.front_door_encoding_load"))

    master.peer.feed.cpu_percent = 21.5
    assert await later() == 21.5
    master.peer.small_feed = make_feed()
    master.peer.small_feed.cpu_percent = 10.0
    assert await later() == 31.5
