"""The camera: it answers offers, and has neither a stream nor stills."""

from typing import override

from homeassistant.components.camera import (
    Camera,
    CameraEntityFeature,
    WebRTCAnswer,
    WebRTCSendMessage,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_NAME, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from webrtc_models import RTCIceCandidateInit


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the camera."""
    async_add_entities([WebRtcOnlyCamera(entry)])


class WebRtcOnlyCamera(Camera):
    """A camera whose sessions are kept by a process of their own."""

    _attr_supported_features = CameraEntityFeature.STREAM

    def __init__(self, entry: ConfigEntry) -> None:
        """Take name and address."""
        super().__init__()
        self._attr_unique_id = entry.entry_id
        self._attr_name = entry.data[CONF_NAME]
        self._url = entry.data[CONF_URL]

    @override
    async def async_handle_async_webrtc_offer(
        self, offer_sdp: str, session_id: str, send_message: WebRTCSendMessage
    ) -> None:
        """Have the camera answer."""
        session = async_get_clientsession(self.hass)
        url = f"{self._url}/sessions/{session_id}"
        async with session.post(url, data=offer_sdp) as response:
            response.raise_for_status()
            send_message(WebRTCAnswer(await response.text()))

    @override
    async def async_on_webrtc_candidate(
        self, session_id: str, candidate: RTCIceCandidateInit
    ) -> None:
        """Do without: those in the offer suffice."""

    @callback
    @override
    def close_webrtc_session(self, session_id: str) -> None:
        """Have the camera end a session."""
        self.hass.async_create_task(self._async_close(session_id))

    async def _async_close(self, session_id: str) -> None:
        session = async_get_clientsession(self.hass)
        async with session.delete(f"{self._url}/sessions/{session_id}"):
            pass

    @override
    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        """Return nothing: there are no stills."""
        return None
