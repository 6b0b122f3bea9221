"""The camera of a remote channel: the browser and the master talk to each other."""

from typing import Final, override

from homeassistant.components import camera as camera_component
from homeassistant.components.camera import (
    Camera,
    CameraEntityFeature,
    WebRTCAnswer,
    WebRTCCandidate,
    WebRTCClientConfiguration,
    WebRTCError,
    WebRTCSendMessage,
)
from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_call_later
from webrtc_models import RTCIceCandidateInit

from .const import DOMAIN
from .entity import channel_device_info
from .errors import as_home_assistant_error, async_text
from .relay import async_client_configuration
from .remote_channel import RemoteChannel
from .signaling import IceCandidate, SignalingError, is_complete, is_trickled
from .viewer_session import MasterAbsentError, SessionClosedError

# Seconds. Core's Alexa waits 1.5 s after the answer for the last candidate.
_CANDIDATES_WITHIN: Final = 1.2
# As Home Assistant says it of what it cannot answer.
_OFFER_FAILED: Final = "webrtc_offer_failed"
# New in Home Assistant 2026.11.
CAPABILITIES: Final = getattr(camera_component, "CameraEntityCapabilities", None)


class RemoteChannelCamera(Camera):
    """Hands offers to a channel's master; media never passes Home Assistant."""

    _attr_has_entity_name = True
    _attr_name = None
    _attr_should_poll = False
    _attr_supported_features = CameraEntityFeature.STREAM
    if CAPABILITIES is not None:
        _attr_camera_entity_capabilities = CAPABILITIES(two_way_audio=True)

    def __init__(self, *, channel: RemoteChannel) -> None:
        """Bind the entity to its channel."""
        super().__init__()
        self._channel = channel
        self._ends: dict[str, CALLBACK_TYPE] = {}
        self._attr_unique_id = channel.subentry.subentry_id
        self._attr_device_info = channel_device_info(
            channel.subentry, model="Remote channel"
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the channel."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self._channel.async_add_listener(self.async_write_ha_state)
        )

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Leave no timer behind."""
        await super().async_will_remove_from_hass()
        while self._ends:
            self._ends.popitem()[1]()

    @property
    @override
    def available(self) -> bool:
        """Return whether AWS can be reached, and knows the channel."""
        return self._channel.available

    @override
    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        """Return a picture as JPEG that fits into width and height (pixels).

        How old it may be, and what it costs, is said at `RemoteStill`.
        """
        picture = await self._channel.still.async_picture()
        if picture is None:
            return None
        return await self.hass.async_add_executor_job(picture.jpeg, width, height)

    @callback
    @override
    def _async_get_webrtc_client_configuration(self) -> WebRTCClientConfiguration:
        """Return the ICE servers that a browser begins with."""
        return async_client_configuration(self.hass, self._channel.ice_servers)

    @override
    async def async_handle_async_webrtc_offer(
        self, offer_sdp: str, session_id: str, send_message: WebRTCSendMessage
    ) -> None:
        """Hand an offer of the frontend or of core's Alexa to the master."""
        is_ended = False

        @callback
        def on_candidate(candidate: IceCandidate) -> None:
            nonlocal is_ended
            is_ended = is_ended or not candidate.candidate
            send_message(WebRTCCandidate(_from_master(candidate)))

        @callback
        def send_end(*_: object) -> None:
            self._async_forget_end(session_id)
            if not is_ended:
                send_message(WebRTCCandidate(RTCIceCandidateInit("")))

        try:
            answer = await self._channel.async_answer(
                session_id, offer_sdp, on_candidate
            )
        except SessionClosedError:
            return
        except (MasterAbsentError, SignalingError) as err:
            send_message(WebRTCError(_OFFER_FAILED, self._text(err)))
            return
        send_message(WebRTCAnswer(answer))
        if is_complete(answer):
            send_end()
        elif not is_trickled(offer_sdp):
            self._ends[session_id] = async_call_later(
                self.hass, _CANDIDATES_WITHIN, send_end
            )

    @override
    async def async_on_webrtc_candidate(
        self, session_id: str, candidate: RTCIceCandidateInit
    ) -> None:
        """Send a viewer's candidate to the master."""
        self._channel.async_add_candidate(
            session_id,
            IceCandidate(
                candidate=candidate.candidate,
                sdp_mid=candidate.sdp_mid,
                sdp_m_line_index=candidate.sdp_m_line_index,
                username_fragment=candidate.user_fragment,
            ),
        )

    @callback
    @override
    def close_webrtc_session(self, session_id: str) -> None:
        """End the signaling of a viewer that has left."""
        self._async_forget_end(session_id)
        self._channel.async_close(session_id)

    def _text(self, err: MasterAbsentError | SignalingError) -> str:
        if isinstance(err, SignalingError):
            return async_text(self.hass, as_home_assistant_error(err))
        error = HomeAssistantError(
            translation_domain=DOMAIN, translation_key="master_absent"
        )
        return async_text(self.hass, error)

    @callback
    def _async_forget_end(self, session_id: str) -> None:
        if (cancel := self._ends.pop(session_id, None)) is not None:
            cancel()


def _from_master(candidate: IceCandidate) -> RTCIceCandidateInit:
    return RTCIceCandidateInit(
        candidate.candidate,
        sdp_mid=candidate.sdp_mid,
        sdp_m_line_index=candidate.sdp_m_line_index,
        user_fragment=candidate.username_fragment,
    )
