"""A Home Assistant camera that answers offers itself, as the peer's media source."""

import asyncio
from collections.abc import Callable
from functools import partial
import logging

from homeassistant.components.camera import (
    Camera,
    StreamType,
    WebRTCAnswer,
    WebRTCCandidate,
    WebRTCError,
    WebRTCMessage,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.ulid import ulid_now
from webrtc_models import RTCIceCandidateInit

from .const import DOMAIN
from .peer import SourceError, Stills, WebRtcCamera
from .relay import async_is_relay
from .signaling import IceServer

_LOGGER = logging.getLogger(__name__)


@callback
def async_speaks_webrtc(camera: Camera) -> bool:
    """Return whether a camera, or a provider for it, takes offers."""
    return StreamType.WEB_RTC in camera.camera_capabilities.frontend_stream_types


@callback
def async_webrtc_camera(
    hass: HomeAssistant, camera: Camera, stills: Stills
) -> WebRtcCamera:
    """Return a camera as one that is joined.

    AWS's relays are left out, which are paid for by the minute: they are there for who
    views from outside, and cameras bring what they need themselves.
    """
    configuration = camera.async_get_webrtc_client_configuration()
    servers = []
    for server in configuration.configuration.ice_servers:
        urls = [server.urls] if isinstance(server.urls, str) else server.urls
        if not any(async_is_relay(hass, url) for url in urls):
            servers.append(
                IceServer(
                    urls=tuple(urls),
                    username=server.username,
                    credential=server.credential,
                )
            )
    return WebRtcCamera(
        join=partial(CameraSession, hass, camera),
        ice_servers=tuple(servers),
        data_channel=configuration.data_channel,
        stills=stills,
    )


class CameraSession:
    """One session of a camera entity, as a browser would have it."""

    def __init__(
        self,
        hass: HomeAssistant,
        camera: Camera,
        on_candidate: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Prepare; the callbacks are told what the camera says unasked."""
        self._hass = hass
        self._camera = camera
        self._on_candidate = on_candidate
        self._on_end = on_end
        self._id = ulid_now()
        self._answer: asyncio.Future[str] = hass.loop.create_future()
        self._handling: asyncio.Task[None] | None = None

    async def offer(self, sdp: str) -> str:
        """Return the camera's answer. Raises SourceError."""
        # It is let finish: what has not begun yet cannot be closed.
        self._handling = self._hass.async_create_background_task(
            self._async_handle(sdp), f"{DOMAIN} camera session", eager_start=False
        )
        return await self._answer

    async def add_candidate(self, candidate: str, mid: str, index: int) -> None:
        """Send the camera one more candidate of ours."""
        await self._camera.async_on_webrtc_candidate(
            self._id,
            RTCIceCandidateInit(candidate, sdp_mid=mid, sdp_m_line_index=index),
        )

    @callback
    def close(self) -> None:
        """End the session, once it has begun."""
        self._answer.cancel()
        if self._handling is None:
            return
        if self._handling.done():
            self._camera.close_webrtc_session(self._id)
        else:
            self._handling.add_done_callback(
                lambda _: self._camera.close_webrtc_session(self._id)
            )

    async def _async_handle(self, sdp: str) -> None:
        try:
            await self._camera.async_handle_async_webrtc_offer(
                sdp, self._id, self._async_take
            )
        except HomeAssistantError as err:
            _LOGGER.debug("A camera refused an offer: %s", type(err).__name__)
            self._async_fail("offer_refused")
        except Exception as err:  # noqa: BLE001 - integrations raise what they like
            _LOGGER.debug("A camera failed at an offer: %s", type(err).__name__)
            self._async_fail("offer_failed")

    @callback
    def _async_take(self, message: WebRTCMessage) -> None:
        match message:
            case WebRTCAnswer(answer=answer):
                if not self._answer.done():
                    self._answer.set_result(answer)
            case WebRTCCandidate(candidate=candidate):
                self._on_candidate(candidate.candidate)
            case WebRTCError(code=code):
                _LOGGER.debug("A camera's session failed: %s", code)
                self._async_fail("camera_error")

    @callback
    def _async_fail(self, reason: str) -> None:
        if self._answer.done():
            self._on_end(reason)
        else:
            self._answer.set_exception(SourceError(reason))
