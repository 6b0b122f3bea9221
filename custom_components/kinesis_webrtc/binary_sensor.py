"""Whether the master of a shared camera is connected to its signaling channel."""

from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KinesisWebRTCConfigEntry
from .entity import SharedCameraEntity, async_add_shared_camera_entities

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensor of each shared camera."""
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [ConnectedBinarySensor(camera=camera, key="connected")],
    )


class ConnectedBinarySensor(SharedCameraEntity, BinarySensorEntity):
    """On while AWS can deliver offers to the master."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the master's websocket is open."""
        return self.shared_camera.connected
