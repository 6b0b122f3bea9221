"""The live view answers Home Assistant's own viewers and follows its source camera."""

from typing import Any
from unittest.mock import AsyncMock, call

from homeassistant.components.camera import (
    DOMAIN as CAMERA_DOMAIN,
    Camera,
    async_get_image,
    get_camera_from_entity_id,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    setup_test_component_platform,
)
from pytest_homeassistant_custom_component.typing import (
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from custom_components.kinesis_webrtc.const import CONF_CAMERA
from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    CandidateGathered,
    Connected,
    Ended,
    EndReason,
    OfferRefused,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    IceServer,
    SdpOffer,
)

from .conftest import (
    TRANSLATIONS,
    add_camera,
    channel_arn,
    make_entry,
    shared_camera_data,
)
from .masters import Master, Masters

ARN = channel_arn("ha-porch")
LIVE_VIEW = "camera.front_door_live_view"
STUN = "stun:stun.kinesisvideo.eu-west-1.amazonaws.com:443"
TURN = IceServer(
    urls=(
        "turn:relay.example:443?transport=udp",
        "turns:relay.example:443?transport=udp",
        "turns:relay.example:443?transport=tcp",
    ),
    username="user",
    credential="password",
)
OTHER_TURN = IceServer(
    urls=("turn:other.example:443?transport=udp",), username="u", credential="p"
)
ANSWER = "a=ice-options:trickle\r\n"


class PorchCamera(Camera):
    """A camera whose stills are no JPEG."""

    _attr_unique_id = "porch"
    _attr_name = "Porch"

    def __init__(self) -> None:
        super().__init__()
        self.content_type = "image/png"
        self.asked_for: list[tuple[int | None, int | None]] = []

    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        self.asked_for.append((width, height))
        return b"still"


@pytest.fixture
async def porch(hass: HomeAssistant) -> PorchCamera:
    """Return a camera of another integration."""
    camera = PorchCamera()
    setup_test_component_platform(hass, CAMERA_DOMAIN, [camera])
    assert await async_setup_component(
        hass, CAMERA_DOMAIN, {CAMERA_DOMAIN: {"platform": "test"}}
    )
    await hass.async_block_till_done()
    return camera


@pytest.fixture
async def entry(
    hass: HomeAssistant, mock_client: AsyncMock, masters: Masters, porch: PorchCamera
) -> MockConfigEntry:
    assert porch.registry_entry
    entry = make_entry(shared_camera_data(porch.registry_entry.id, "ha-porch"))
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    masters[ARN].peer.answer.return_value = ANSWER
    return entry


@pytest.fixture
def subentry(entry: MockConfigEntry) -> ConfigSubentry:
    return next(iter(entry.subentries.values()))


@pytest.fixture
async def frontend(
    hass_ws_client: WebSocketGenerator, master: Master
) -> MockHAClientWebSocket:
    return await hass_ws_client()


def state(hass: HomeAssistant, entity_id: str = LIVE_VIEW) -> str:
    found = hass.states.get(entity_id)
    assert found is not None
    return found.state


async def result(frontend: MockHAClientWebSocket, command: str, **fields: Any) -> Any:
    await frontend.send_json_auto_id(
        {"type": f"camera/{command}", "entity_id": LIVE_VIEW, **fields}
    )
    response = await frontend.receive_json()
    assert response["success"], response
    return response["result"]


async def offer(frontend: MockHAClientWebSocket) -> tuple[int, str]:
    """Send an offer and return the subscription and the session."""
    await frontend.send_json_auto_id(
        {"type": "camera/webrtc/offer", "entity_id": LIVE_VIEW, "offer": "offer"}
    )
    response = await frontend.receive_json()
    assert response["success"]
    session = await event(frontend)
    assert session["type"] == "session"
    return response["id"], session["session_id"]


async def event(frontend: MockHAClientWebSocket) -> dict[str, Any]:
    message: dict[str, Any] = await frontend.receive_json()
    return message["event"]


async def set_sharing(hass: HomeAssistant, *, on: bool) -> None:
    await hass.services.async_call(
        "switch",
        "turn_on" if on else "turn_off",
        {"entity_id": "switch.front_door_sharing"},
        blocking=True,
    )
    await hass.async_block_till_done()


async def test_plays_by_webrtc(frontend: MockHAClientWebSocket) -> None:
    capabilities = await result(frontend, "capabilities")
    assert capabilities["frontend_stream_types"] == ["web_rtc"]


async def test_a_browser_is_given_stun_and_two_ways_to_the_channels_relay(
    frontend: MockHAClientWebSocket, master: Master
) -> None:
    master.ice.servers = (TURN, OTHER_TURN)

    config = await result(frontend, "webrtc/get_client_config")

    relay = {"username": "user", "credential": "password"}
    assert config["configuration"]["iceServers"][:3] == [
        {"urls": [STUN]},
        {"urls": ["turn:relay.example:443?transport=udp"], **relay},
        {"urls": ["turns:relay.example:443?transport=tcp"], **relay},
    ]
    assert "other.example" not in str(config)


async def test_the_frontend_is_answered_by_the_peer_of_the_channel(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    master.ice.servers = (TURN,)
    subscription, session_id = await offer(frontend)
    viewer_id = f"home:{session_id}"

    assert await event(frontend) == {"type": "answer", "answer": ANSWER}
    servers = (IceServer(urls=(STUN,)), TURN)
    # Whoever may log in may give names, which are looked up at home.
    assert master.peer.answer.mock_calls == [
        call(viewer_id, "offer", servers, rules=AddressRules(names=True))
    ]

    await result(
        frontend,
        "webrtc/candidate",
        session_id=session_id,
        candidate={"candidate": "theirs", "sdpMid": "0", "sdpMLineIndex": 0},
    )
    assert master.peer.add_candidate.mock_calls == [call(viewer_id, "theirs", "0", 0)]

    master.on_event(
        CandidateGathered(
            viewer_id=viewer_id, candidate="ours", sdp_mid="0", sdp_m_line_index=0
        )
    )
    candidate = (await event(frontend))["candidate"]
    assert (candidate["candidate"], candidate["sdpMid"]) == ("ours", "0")
    assert not master.connection.send.called

    await frontend.send_json_auto_id(
        {"type": "unsubscribe_events", "subscription": subscription}
    )
    assert (await frontend.receive_json())["success"]
    await hass.async_block_till_done()
    assert master.peer.close.mock_calls == [call(viewer_id, EndReason.VIEWER_CLOSED)]


async def test_a_refusal_is_told_to_the_frontend_and_as_an_event(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    master.peer.answer.side_effect = OfferRefused(RefusalReason.VIEWER_LIMIT)
    await offer(frontend)

    assert await event(frontend) == {
        "type": "error",
        "code": "viewer_limit",
        "message": TRANSLATIONS["exceptions"]["viewer_limit"]["message"],
    }
    viewer = hass.states.get("event.front_door_session")
    assert viewer.attributes["reason"] == "viewer_limit"


async def test_counts_the_viewers_of_all_doors(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    assert state(hass) == "idle"
    _, session_id = await offer(frontend)
    master.on_event(Connected(viewer_id=f"home:{session_id}"))
    master.on_event(Connected(viewer_id="echo-1"))

    assert state(hass, "sensor.front_door_viewers") == "2"
    assert state(hass) == "streaming"


async def test_a_view_that_ends_tells_the_frontend_why(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    _, session_id = await offer(frontend)
    await event(frontend)
    master.on_event(
        Ended(
            viewer_id=f"home:{session_id}",
            reason=EndReason.CAMERA_OFF,
            timings=Timings(),
        )
    )

    assert (await event(frontend))["code"] == "camera_off"


async def test_to_stop_sharing_ends_the_channels_views_alone(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    _, session_id = await offer(frontend)
    await event(frontend)
    master.on_event(Connected(viewer_id=f"home:{session_id}"))
    master.deliver(SdpOffer(sdp="offer", sender_client_id="echo-1"))
    await hass.async_block_till_done()
    master.on_event(Connected(viewer_id="echo-1"))

    await set_sharing(hass, on=False)

    assert master.peer.close.mock_calls == [call("echo-1", EndReason.SHUTDOWN)]
    assert state(hass, "sensor.front_door_viewers") == "1"
    assert state(hass) == "streaming"


async def test_a_camera_that_is_not_shared_is_still_viewed_here(
    hass: HomeAssistant, frontend: MockHAClientWebSocket, master: Master
) -> None:
    master.ice.servers = (TURN,)
    await set_sharing(hass, on=False)

    await offer(frontend)

    assert (await event(frontend))["type"] == "answer"
    assert master.peer.answer.call_args.args[2] == (IceServer(urls=(STUN,)),)
    config = await result(frontend, "webrtc/get_client_config")
    assert "turn:" not in str(config)


async def test_its_still_is_the_source_cameras(
    hass: HomeAssistant, entry: MockConfigEntry, porch: PorchCamera
) -> None:
    image = await async_get_image(hass, LIVE_VIEW, width=640, height=360)

    assert (image.content_type, image.content) == ("image/png", b"still")
    assert porch.asked_for == [(640, 360)]


async def test_follows_whether_the_source_is_available_and_not_aws(
    hass: HomeAssistant, master: Master, porch: PorchCamera
) -> None:
    master.fail(CannotConnectError())
    assert state(hass) == "idle"

    porch._attr_available = False
    porch.async_write_ha_state()
    await hass.async_block_till_done()
    assert state(hass) == STATE_UNAVAILABLE

    porch._attr_available = True
    porch.async_write_ha_state()
    await hass.async_block_till_done()
    assert state(hass) == "idle"


async def test_follows_a_source_that_is_renamed(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    porch: PorchCamera,
    entity_registry: er.EntityRegistry,
) -> None:
    entity_registry.async_update_entity(porch.entity_id, new_entity_id="camera.terrace")
    await hass.async_block_till_done()
    assert state(hass) == "idle"
    assert (await async_get_image(hass, LIVE_VIEW)).content == b"still"

    porch._attr_available = False
    porch.async_write_ha_state()
    await hass.async_block_till_done()
    assert state(hass) == STATE_UNAVAILABLE


async def test_a_source_that_is_removed_leaves_nothing_to_see(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    porch: PorchCamera,
    entity_registry: er.EntityRegistry,
) -> None:
    live_view = get_camera_from_entity_id(hass, LIVE_VIEW)
    entity_registry.async_remove(porch.entity_id)
    await hass.async_block_till_done()

    assert state(hass) == STATE_UNAVAILABLE
    with pytest.raises(HomeAssistantError) as raised:
        await live_view.async_camera_image()
    assert raised.value.translation_key == "camera_removed"


async def test_follows_another_source_that_the_user_chooses(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    subentry: ConfigSubentry,
    porch: PorchCamera,
    entity_registry: er.EntityRegistry,
) -> None:
    other = add_camera(hass, entity_registry, "garden", "Garden")
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, CONF_CAMERA: other.id}
    )
    await hass.async_block_till_done()
    porch._attr_available = False
    porch.async_write_ha_state()
    assert state(hass) == "idle"

    hass.states.async_set(other.entity_id, STATE_UNAVAILABLE)
    await hass.async_block_till_done()
    assert state(hass) == STATE_UNAVAILABLE
