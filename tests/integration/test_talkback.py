"""A media player is asked to play what viewers say, and only if that is wanted."""

import asyncio
from http import HTTPStatus
import logging
from typing import Any
from unittest.mock import AsyncMock

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import camera as camera_component
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_IDLE, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.kinesis_webrtc.const import CONF_SPEAKER
from custom_components.kinesis_webrtc.peer import TalkSink
from custom_components.kinesis_webrtc.talk_stream import DATA_STREAMS

from .conftest import async_share, only_subentry
from .masters import Masters, Peer

PLAYER = "media_player.porch"
PLAY_MEDIA, MEDIA_ANNOUNCE = 512, 1 << 20
WARNING = "is not played by its media player"


@pytest.fixture
async def entry(
    hass: HomeAssistant,
    mock_client: AsyncMock,
    masters: Masters,
    camera: er.RegistryEntry,
) -> MockConfigEntry:
    """Share a camera at which viewers may talk."""
    hass.config.internal_url = "http://192.0.2.1:8123"
    hass.config.external_url = "https://home.example"
    add_player(hass)
    return await async_share(hass, camera, **{CONF_SPEAKER: PLAYER})


@pytest.fixture
def peer(entry: MockConfigEntry, masters: Masters) -> Peer:
    return masters.peers[-1]


@pytest.fixture
def sink(peer: Peer) -> TalkSink:
    assert peer.talk_sink is not None
    return peer.talk_sink


@pytest.fixture
def played(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "media_player", "play_media")


def add_player(
    hass: HomeAssistant, state: str = STATE_IDLE, features: int = PLAY_MEDIA
) -> None:
    hass.states.async_set(PLAYER, state, {"supported_features": features})


async def change(hass: HomeAssistant, entry: MockConfigEntry, **changes: Any) -> None:
    subentry = only_subentry(entry)
    data = {**subentry.data, **changes}
    hass.config_entries.async_update_subentry(
        entry,
        subentry,
        data={key: value for key, value in data.items() if value is not None},
    )
    await hass.async_block_till_done()


async def settle(hass: HomeAssistant) -> None:
    """Let happen what a sink was told, as it is in a thread of its own."""
    # The player is asked in the background, where the camera's master is for ever.
    for _ in range(10):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and WARNING in record.getMessage()
    ]


async def test_the_player_is_given_a_path_that_has_what_is_said(
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    sink: TalkSink,
    played: list[ServiceCall],
) -> None:
    assert not hass.data[DATA_STREAMS]
    sink.begin()
    sink.take(b"hello")
    await settle(hass)

    [call] = played
    assert call.data["entity_id"] == PLAYER
    assert call.data["media_content_type"] == "music"
    assert not call.data.get("announce")
    url = URL(call.data["media_content_id"])
    assert str(url.origin()) == "http://192.0.2.1:8123"
    assert url.path.endswith(".mp3")
    client = await hass_client_no_auth()
    async with client.get(url.path) as response:
        assert await response.content.readexactly(5) == b"hello"
        sink.end()
        assert await response.read() == b""
    await settle(hass)
    assert (await client.get(url.path)).status == HTTPStatus.NOT_FOUND
    assert not hass.data[DATA_STREAMS]


async def test_each_time_has_a_path_of_its_own(
    hass: HomeAssistant, sink: TalkSink, played: list[ServiceCall]
) -> None:
    for _ in range(2):
        sink.begin()
        sink.end()
        await settle(hass)
    first, second = (call.data["media_content_id"] for call in played)
    assert first != second


async def test_a_player_that_can_announces_it(
    hass: HomeAssistant, sink: TalkSink, played: list[ServiceCall]
) -> None:
    add_player(hass, features=PLAY_MEDIA | MEDIA_ANNOUNCE)
    sink.begin()
    await settle(hass)
    assert played[0].data["announce"] is True


async def test_the_frontend_offers_to_talk_where_there_is_a_speaker(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """It asks by a capability that is new in Home Assistant 2026.11."""

    def can_talk() -> bool:
        camera = hass.data["camera"].get_entity("camera.front_door_live_view")
        return bool(camera._attr_camera_entity_capabilities.two_way_audio)

    if not hasattr(camera_component, "CameraEntityCapabilities"):
        assert entry.state is ConfigEntryState.LOADED
        return
    assert can_talk()
    await change(hass, entry, **{CONF_SPEAKER: None})
    assert not can_talk()
    await change(hass, entry, **{CONF_SPEAKER: PLAYER})
    assert can_talk()


async def test_without_a_speaker_nobody_is_heard(
    hass: HomeAssistant, entry: MockConfigEntry, peer: Peer, sink: TalkSink
) -> None:
    sink.begin()
    await settle(hass)
    await change(hass, entry, **{CONF_SPEAKER: None})
    assert peer.talk_sink is None
    assert not hass.data[DATA_STREAMS]
    assert not peer.mock.shutdown.called

    await change(hass, entry, **{CONF_SPEAKER: "media_player.hall"})
    assert peer.talk_sink is not None


async def test_a_player_that_is_away_is_told_of_once(
    hass: HomeAssistant,
    sink: TalkSink,
    played: list[ServiceCall],
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_player(hass, STATE_UNAVAILABLE)
    for _ in range(2):
        sink.begin()
        sink.take(b"hello")
        await settle(hass)
        assert not hass.data[DATA_STREAMS]
        sink.end()
    assert not played
    assert len(warnings(caplog)) == 1
    add_player(hass)
    sink.begin()
    await settle(hass)
    assert played
    add_player(hass, STATE_UNAVAILABLE)
    sink.begin()
    await settle(hass)
    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize("error", [HomeAssistantError("secret"), OSError("secret")])
async def test_a_player_that_refuses_harms_nothing(
    hass: HomeAssistant,
    sink: TalkSink,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async_mock_service(hass, "media_player", "play_media", raise_exception=error)
    sink.begin()
    await settle(hass)
    assert not hass.data[DATA_STREAMS]
    [warning] = warnings(caplog)
    assert type(error).__name__ in warning
    assert "secret" not in warning


async def test_a_player_that_never_fetches_is_given_up(
    hass: HomeAssistant,
    sink: TalkSink,
    played: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink.begin()
    await settle(hass)
    assert hass.data[DATA_STREAMS]
    freezer.tick(21)
    async_fire_time_changed(hass)
    await settle(hass)
    assert not hass.data[DATA_STREAMS]
    assert len(warnings(caplog)) == 1
    sink.take(b"more")
    sink.end()
    await settle(hass)


async def test_nothing_is_left_when_the_camera_goes(
    hass: HomeAssistant, entry: MockConfigEntry, sink: TalkSink
) -> None:
    held = asyncio.Event()

    async def play(_: ServiceCall) -> None:
        await held.wait()

    hass.services.async_register("media_player", "play_media", play)
    sink.begin()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert hass.data[DATA_STREAMS]
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not hass.data[DATA_STREAMS]
    held.set()
