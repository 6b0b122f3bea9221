"""What happens to the viewers of a shared camera, as an event entity."""

from typing import override

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KinesisWebRTCConfigEntry
from .entity import SharedCameraEntity, async_add_shared_camera_entities
from .shared_camera import ViewerEvent, ViewerEventType

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event entity of each shared camera."""
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [SessionEventEntity(camera=camera, key="session")],
    )


class SessionEventEntity(SharedCameraEntity, EventEntity):
    """Fires when a viewer connects, is refused, or ends, with the reason."""

    _attr_event_types = [str(event_type) for event_type in ViewerEventType]

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the sessions of the shared camera."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.shared_camera.async_add_viewer_listener(self._async_on_viewer_event)
        )

    @callback
    def _async_on_viewer_event(self, event: ViewerEvent) -> None:
        """Show a viewer's event."""
        self._trigger_event(event.type, dict(event.attributes))
        self.async_write_ha_state()
