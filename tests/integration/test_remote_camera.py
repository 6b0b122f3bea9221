"""The camera of a remote channel does what Home Assistant asks of WebRTC cameras."""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import create_autospec, patch

from homeassistant.components import camera as camera_component
from homeassistant.components.camera import async_get_image, get_camera_from_entity_id
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import (
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from custom_components.kinesis_webrtc.peer import Picture
from custom_components.kinesis_webrtc.remote_camera import RemoteChannelCamera
from custom_components.kinesis_webrtc.signaling import (
    IceCandidate,
    IceServer,
    NotAuthorizedError,
    SdpAnswer,
)
from custom_components.kinesis_webrtc.viewer_session import MasterAbsentError

from .conftest import TRANSLATIONS, async_speak_german
from .viewers import Sockets

CAMERA = "camera.cabin"
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"
MEDIA = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\n"
BROWSER_OFFER = f"{MEDIA}a=ice-options:trickle\r\na=recvonly\r\n"
ECHO_OFFER = f"{MEDIA}{CANDIDATE}a=sendrecv\r\n"
ANSWER = f"{MEDIA}a=ice-options:trickle\r\na=sendonly\r\n"


@pytest.fixture
def entry(viewing: MockConfigEntry) -> MockConfigEntry:
    return viewing


@pytest.fixture
def camera(hass: HomeAssistant, entry: MockConfigEntry) -> RemoteChannelCamera:
    return get_camera_from_entity_id(hass, CAMERA)


@pytest.fixture
async def websocket(
    entry: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> MockHAClientWebSocket:
    return await hass_ws_client()


class View:
    """One offer of the frontend, and what comes back for it."""

    def __init__(self, websocket: MockHAClientWebSocket) -> None:
        self._websocket = websocket
        self.id = 0
        self.session_id = ""

    async def offer(self, sdp: str = BROWSER_OFFER) -> None:
        await self._websocket.send_json_auto_id(
            {"type": "camera/webrtc/offer", "entity_id": CAMERA, "offer": sdp}
        )
        result = await self._websocket.receive_json()
        assert result["success"]
        self.id = result["id"]
        event = await self.event()
        assert event["type"] == "session"
        self.session_id = event["session_id"]

    async def event(self) -> dict[str, Any]:
        message = await self._websocket.receive_json()
        assert message["id"] == self.id
        return message["event"]

    async def candidate(self, **candidate: Any) -> None:
        await self._websocket.send_json_auto_id(
            {
                "type": "camera/webrtc/candidate",
                "entity_id": CAMERA,
                "session_id": self.session_id,
                "candidate": candidate,
            }
        )
        assert (await self._websocket.receive_json())["success"]

    async def close(self) -> None:
        await self._websocket.send_json_auto_id(
            {"type": "unsubscribe_events", "subscription": self.id}
        )
        assert (await self._websocket.receive_json())["success"]


@pytest.fixture
def view(websocket: MockHAClientWebSocket) -> View:
    return View(websocket)


async def test_says_what_it_can(
    camera: RemoteChannelCamera, websocket: MockHAClientWebSocket
) -> None:
    await websocket.send_json_auto_id(
        {"type": "camera/capabilities", "entity_id": CAMERA}
    )
    result = (await websocket.receive_json())["result"]
    assert result["frontend_stream_types"] == ["web_rtc"]
    has_two_way = hasattr(camera_component, "CameraEntityCapabilities")
    assert hasattr(camera, "_attr_camera_entity_capabilities") is has_two_way


async def test_gives_a_browser_the_channels_servers(
    websocket: MockHAClientWebSocket, sockets: Sockets
) -> None:
    urls = ("turn:relay.example:443?transport=udp",)
    sockets.ice[0].servers = (IceServer(urls=urls, username="u", credential="c"),)
    await websocket.send_json_auto_id(
        {"type": "camera/webrtc/get_client_config", "entity_id": CAMERA}
    )
    servers = (await websocket.receive_json())["result"]["configuration"]["iceServers"]
    assert servers[0]["urls"] == ["stun:stun.kinesisvideo.eu-west-1.amazonaws.com:443"]
    assert servers[1] == {"urls": list(urls), "username": "u", "credential": "c"}


async def test_a_browser_views_the_channel(view: View, sockets: Sockets) -> None:
    await view.offer()
    socket = await sockets.wait()
    await view.candidate(candidate="candidate:1", sdpMid="0", sdpMLineIndex=0)
    sent = await socket.wait_sent(2)
    assert sent[0].sdp == BROWSER_OFFER
    assert sent[1] == IceCandidate(
        candidate="candidate:1", sdp_mid="0", sdp_m_line_index=0
    )

    socket.deliver(IceCandidate(candidate="candidate:2", sdp_mid="0"))
    socket.deliver(SdpAnswer(sdp=ANSWER))

    assert await view.event() == {"type": "answer", "answer": ANSWER}
    event = await view.event()
    assert event["type"] == "candidate"
    assert event["candidate"]["candidate"] == "candidate:2"
    assert event["candidate"]["sdpMid"] == "0"

    await view.close()
    async with asyncio.timeout(5):
        await socket.stopped.wait()


async def test_a_browser_that_leaves_before_the_answer_leaves_nothing(
    view: View, sockets: Sockets
) -> None:
    await view.offer()
    socket = await sockets.wait()
    await view.close()
    async with asyncio.timeout(5):
        await socket.stopped.wait()


async def test_nobody_on_the_channel_is_told_to_the_user(
    view: View, camera: RemoteChannelCamera
) -> None:
    with patch.object(camera._channel, "async_answer", side_effect=MasterAbsentError):
        await view.offer()
        assert await view.event() == {
            "type": "error",
            "code": "webrtc_offer_failed",
            "message": TRANSLATIONS["exceptions"]["master_absent"]["message"],
        }


async def test_what_aws_refuses_is_told_to_the_user(
    hass: HomeAssistant,
    view: View,
    sockets: Sockets,
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = await async_speak_german(hass)
    await view.offer()
    socket = await sockets.wait()
    socket.fail(NotAuthorizedError(action="kinesisvideo:ConnectAsViewer"))
    event = await view.event()
    assert event["type"] == "error"
    text = texts["exceptions"]["not_authorized"]["message"]
    assert event["message"] == text.format(action="kinesisvideo:ConnectAsViewer")
    # Whoever views knows; the camera that is not there is no error of this home.
    assert "Error handling WebRTC offer" not in caplog.text


async def test_a_candidate_of_no_session_is_ignored(
    camera: RemoteChannelCamera, view: View
) -> None:
    view.session_id = "none"
    await view.candidate(candidate="candidate:1", sdpMid="0")
    camera.close_webrtc_session("none")


async def test_an_echo_is_told_that_the_answer_is_complete(
    view: View, sockets: Sockets
) -> None:
    await view.offer(ECHO_OFFER)
    socket = await sockets.wait()
    assert (await socket.wait_sent(1))[0].sdp == ECHO_OFFER
    answer = f"{MEDIA}{CANDIDATE}a=sendonly\r\n"
    socket.deliver(SdpAnswer(sdp=answer))
    assert (await view.event())["answer"] == answer
    assert (await view.event())["candidate"]["candidate"] == ""


def pass_time(hass: HomeAssistant, seconds: float) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))


async def test_an_echo_does_not_wait_for_candidates_for_long(
    hass: HomeAssistant, view: View, sockets: Sockets
) -> None:
    await view.offer(ECHO_OFFER)
    socket = await sockets.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await view.event()
    socket.deliver(IceCandidate(candidate="candidate:2", sdp_mid="0"))
    assert (await view.event())["candidate"]["candidate"] == "candidate:2"

    pass_time(hass, 1.2)

    assert (await view.event())["candidate"]["candidate"] == ""


async def test_the_end_of_candidates_is_told_once(
    hass: HomeAssistant, view: View, sockets: Sockets
) -> None:
    await view.offer(ECHO_OFFER)
    socket = await sockets.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await view.event()
    socket.deliver(IceCandidate(candidate="", sdp_mid="0"))
    assert (await view.event())["candidate"]["candidate"] == ""

    pass_time(hass, 1.2)
    socket.deliver(IceCandidate(candidate="candidate:late", sdp_mid="0"))

    assert (await view.event())["candidate"]["candidate"] == "candidate:late"


@pytest.mark.parametrize("by", ["close", "unload"])
async def test_no_end_is_told_to_who_has_left(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    camera: RemoteChannelCamera,
    view: View,
    sockets: Sockets,
    by: str,
) -> None:
    await view.offer(ECHO_OFFER)
    socket = await sockets.wait()
    socket.deliver(SdpAnswer(sdp=ANSWER))
    await view.event()
    assert camera._ends
    if by == "close":
        await view.close()
    else:
        await hass.config_entries.async_unload(entry.entry_id)
    assert not camera._ends


async def test_its_still_is_a_picture_of_the_asked_size(
    hass: HomeAssistant, camera: RemoteChannelCamera
) -> None:
    picture = create_autospec(Picture, instance=True)
    picture.jpeg.return_value = b"jpeg"
    with patch.object(camera._channel.still, "async_picture", return_value=picture):
        image = await async_get_image(hass, CAMERA, width=640, height=360)
    assert (image.content_type, image.content) == ("image/jpeg", b"jpeg")
    picture.jpeg.assert_called_once_with(640, 360)


async def test_no_picture_is_no_image(
    hass: HomeAssistant, camera: RemoteChannelCamera
) -> None:
    with (
        patch.object(camera._channel.still, "async_picture", return_value=None),
        pytest.raises(HomeAssistantError),
    ):
        await async_get_image(hass, CAMERA)
