"""Cameras: the live view of a shared camera, and that of a remote channel."""

from typing import override

from homeassistant.components.camera import (
    Camera,
    CameraEntityFeature,
    WebRTCClientConfiguration,
    WebRTCSendMessage,
    async_get_image,
)
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_state_change_event
from webrtc_models import RTCIceCandidateInit

from .const import DOMAIN
from .coordinator import KinesisWebRTCConfigEntry
from .entity import SharedCameraEntity, async_add_shared_camera_entities
from .relay import async_client_configuration
from .remote_camera import CAPABILITIES, RemoteChannelCamera
from .remote_channel import RemoteChannel
from .shared_camera import SharedCamera

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the camera of each shared camera and of each remote channel."""

    @callback
    def async_remote_channel_added(channel: RemoteChannel) -> None:
        async_add_entities(
            [RemoteChannelCamera(channel=channel)],
            config_subentry_id=channel.subentry.subentry_id,
        )

    entry.runtime_data.remote_channels.async_add_platform(async_remote_channel_added)
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [LiveViewCamera(camera=camera, key="live_view")],
    )


class LiveViewCamera(SharedCameraEntity, Camera):
    """The shared camera as its channel's viewers see it, for Home Assistant's own.

    It follows the source camera, not AWS: it is there while the source is, also while
    the camera is off its channel.
    """

    _attr_supported_features = CameraEntityFeature.STREAM

    def __init__(self, *, camera: SharedCamera, key: str) -> None:
        """Bind the entity to its shared camera."""
        Camera.__init__(self)
        super().__init__(camera=camera, key=key)
        self._async_follow_speaker()
        self._source_id: str | None = None
        self._stop_tracking: CALLBACK_TYPE | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the shared camera and its source."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.hass.bus.async_listen(
                er.EVENT_ENTITY_REGISTRY_UPDATED, self._async_registry_changed
            )
        )
        self.async_on_remove(
            self.shared_camera.async_add_listener(self._async_follow_source)
        )
        self.async_on_remove(
            self.shared_camera.async_add_listener(self._async_follow_speaker)
        )
        self.async_on_remove(self._async_stop_following)
        self._async_follow_source()

    @callback
    def _async_follow_source(self) -> None:
        """Track the source under the entity id that it has now."""
        source_id = self.shared_camera.source.entity_id
        if source_id == self._source_id:
            return
        self._async_stop_following()
        self._source_id = source_id
        if source_id is not None:
            self._stop_tracking = async_track_state_change_event(
                self.hass, source_id, self._async_source_changed
            )

    @callback
    def _async_follow_speaker(self) -> None:
        """Have the frontend offer to talk while there is who plays it."""
        if CAPABILITIES is not None:
            self._attr_camera_entity_capabilities = CAPABILITIES(
                two_way_audio=self.shared_camera.has_speaker
            )

    @callback
    def _async_stop_following(self) -> None:
        if self._stop_tracking is not None:
            self._stop_tracking()
            self._stop_tracking = None

    @callback
    def _async_registry_changed(
        self, _: Event[er.EventEntityRegistryUpdatedData]
    ) -> None:
        """Follow a source that was renamed, removed, or came back."""
        if self.shared_camera.source.entity_id != self._source_id:
            self._async_follow_source()
            self.async_write_ha_state()

    @callback
    def _async_source_changed(self, event: Event[EventStateChangedData]) -> None:
        """Show whether the source has become available or unavailable."""
        if _is_available(event.data["old_state"]) != _is_available(
            event.data["new_state"]
        ):
            self.async_write_ha_state()

    @property
    @override
    def available(self) -> bool:
        """Return whether the source camera is there."""
        source_id = self.shared_camera.source.entity_id
        return source_id is not None and _is_available(self.hass.states.get(source_id))

    @property
    @override
    def is_streaming(self) -> bool:
        """Return whether anybody watches, by whatever door."""
        return self.shared_camera.viewers > 0

    @override
    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        """Return the source camera's still."""
        source_id = self.shared_camera.source.entity_id
        if source_id is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="camera_removed"
            )
        image = await async_get_image(self.hass, source_id, width=width, height=height)
        self.content_type = image.content_type
        return image.content

    @callback
    @override
    def _async_get_webrtc_client_configuration(self) -> WebRTCClientConfiguration:
        """Return the ICE servers that a browser begins with."""
        return async_client_configuration(self.hass, self.shared_camera.ice_servers)

    @override
    async def async_handle_async_webrtc_offer(
        self, offer_sdp: str, session_id: str, send_message: WebRTCSendMessage
    ) -> None:
        """Answer an offer of the frontend or of core's Alexa."""
        await self.shared_camera.home_viewers.async_answer(
            session_id, offer_sdp, send_message
        )

    @override
    async def async_on_webrtc_candidate(
        self, session_id: str, candidate: RTCIceCandidateInit
    ) -> None:
        """Take a viewer's candidate."""
        await self.shared_camera.home_viewers.async_add_candidate(session_id, candidate)

    @callback
    @override
    def close_webrtc_session(self, session_id: str) -> None:
        """End the session of a viewer that has left."""
        self.shared_camera.home_viewers.async_close(session_id)


def _is_available(state: State | None) -> bool:
    return state is not None and state.state != STATE_UNAVAILABLE
