"""A camera that answers offers is viewed as a browser would view it."""

import asyncio
from collections.abc import Callable

from homeassistant.components.camera import (
    Camera,
    CameraEntityFeature,
    WebRTCAnswer,
    WebRTCCandidate,
    WebRTCClientConfiguration,
    WebRTCError,
    WebRTCSendMessage,
)
from homeassistant.components.web_rtc import async_register_ice_servers
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
import pytest
from webrtc_models import RTCConfiguration, RTCIceCandidateInit, RTCIceServer

from custom_components.kinesis_webrtc.peer import SourceError, Stills
from custom_components.kinesis_webrtc.webrtc_camera import (
    CameraSession,
    async_speaks_webrtc,
    async_webrtc_camera,
)

STUN = RTCIceServer(urls="stun:stun.example")
TURN = RTCIceServer(urls=["turn:turn.example"], username="user", credential="word")


class NativeCamera(Camera):
    """A camera that speaks WebRTC itself."""

    _attr_supported_features = CameraEntityFeature.STREAM

    def __init__(self, hass: HomeAssistant) -> None:
        super().__init__()
        self.hass = hass
        self.entity_id = "camera.native"
        self.offers: list[tuple[str, str]] = []
        self.candidates: list[tuple[str, RTCIceCandidateInit]] = []
        self.closed: list[str] = []
        self.send: WebRTCSendMessage
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.offered = asyncio.Event()
        self.error: Exception | None = None

    async def async_handle_async_webrtc_offer(
        self, offer_sdp: str, session_id: str, send_message: WebRTCSendMessage
    ) -> None:
        self.offers.append((session_id, offer_sdp))
        self.send = send_message
        self.offered.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        send_message(WebRTCAnswer("answer"))

    async def async_on_webrtc_candidate(
        self, session_id: str, candidate: RTCIceCandidateInit
    ) -> None:
        self.candidates.append((session_id, candidate))

    def close_webrtc_session(self, session_id: str) -> None:
        self.closed.append(session_id)

    def _async_get_webrtc_client_configuration(self) -> WebRTCClientConfiguration:
        return WebRTCClientConfiguration(
            configuration=RTCConfiguration(ice_servers=[STUN, TURN]),
            data_channel="data",
        )


class Told:
    """What a session has told unasked."""

    def __init__(self) -> None:
        self.candidates: list[str] = []
        self.ends: list[str] = []


@pytest.fixture
async def native(hass: HomeAssistant) -> NativeCamera:
    assert await async_setup_component(hass, "web_rtc", {})
    return NativeCamera(hass)


@pytest.fixture
async def told() -> Told:
    return Told()


@pytest.fixture
async def session(
    hass: HomeAssistant, native: NativeCamera, told: Told
) -> CameraSession:
    return CameraSession(hass, native, told.candidates.append, told.ends.append)


async def fetch() -> bytes:
    raise AssertionError


async def test_a_native_camera_is_known(native: NativeCamera) -> None:
    assert async_speaks_webrtc(native)
    assert not async_speaks_webrtc(Camera())


async def test_offer_and_answer_and_candidates(
    native: NativeCamera, session: CameraSession, told: Told
) -> None:
    assert await session.offer("offer") == "answer"
    ((session_id, offer),) = native.offers
    assert offer == "offer"

    await session.add_candidate("candidate:1", "0", 0)
    assert native.candidates == [
        (
            session_id,
            RTCIceCandidateInit("candidate:1", sdp_mid="0", sdp_m_line_index=0),
        )
    ]
    native.send(WebRTCCandidate(RTCIceCandidateInit("candidate:2")))
    assert told.candidates == ["candidate:2"]

    session.close()
    assert native.closed == [session_id]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HomeAssistantError("no"), "offer_refused"),
        (OSError("secret"), "offer_failed"),
    ],
)
async def test_a_camera_that_takes_no_offer(
    native: NativeCamera, session: CameraSession, error: Exception, reason: str
) -> None:
    native.error = error
    with pytest.raises(SourceError) as raised:
        await session.offer("offer")
    assert raised.value.reason == reason
    session.close()
    assert len(native.closed) == 1


async def test_an_error_in_the_answers_place(
    native: NativeCamera, session: CameraSession, told: Told
) -> None:
    native.may_answer.clear()
    offering = asyncio.create_task(session.offer("offer"))
    await native.offered.wait()
    native.send(WebRTCError("busy", "too many"))
    with pytest.raises(SourceError) as raised:
        await offering
    assert raised.value.reason == "camera_error"
    assert not told.ends
    native.may_answer.set()


async def test_an_error_later_ends_the_view(
    native: NativeCamera, session: CameraSession, told: Told
) -> None:
    await session.offer("offer")
    native.send(WebRTCError("expired", "over"))
    assert told.ends == ["camera_error"]


async def test_a_session_that_is_left_early_is_closed_once_it_has_begun(
    hass: HomeAssistant, native: NativeCamera, session: CameraSession
) -> None:
    native.may_answer.clear()
    offering = asyncio.create_task(session.offer("offer"))
    await native.offered.wait()
    offering.cancel()
    session.close()
    assert native.closed == []
    native.may_answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(native.closed) == 1


async def test_nothing_is_closed_that_was_not_offered(
    native: NativeCamera, session: CameraSession
) -> None:
    session.close()
    assert native.closed == []


async def test_it_is_joined_with_what_the_camera_wants(
    hass: HomeAssistant, native: NativeCamera
) -> None:
    stills = Stills(fetch=fetch)
    camera = async_webrtc_camera(hass, native, stills)
    assert camera.stills is stills
    assert camera.data_channel == "data"
    assert [(s.urls, s.username, s.credential) for s in camera.ice_servers][:2] == [
        (("stun:stun.example",), None, None),
        (("turn:turn.example",), "user", "word"),
    ]
    assert isinstance(camera.join(lambda _: None, lambda _: None), CameraSession)


async def test_relays_that_are_paid_for_are_left_out(
    hass: HomeAssistant, native: NativeCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = RTCIceServer(urls=["turn:paid.example"], username="u", credential="c")
    remove: Callable[[], None] = async_register_ice_servers(hass, lambda: [paid])
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.webrtc_camera.async_is_relay",
        lambda _, url: url == "turn:paid.example",
    )
    camera = async_webrtc_camera(hass, native, Stills(fetch=fetch))
    remove()
    urls = {url for server in camera.ice_servers for url in server.urls}
    assert "turn:turn.example" in urls
    assert "turn:paid.example" not in urls
