"""Base of the entities of a shared camera, and the device of a channel."""

from collections.abc import Callable, Iterable
from typing import override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import KinesisWebRTCConfigEntry
from .shared_camera import SharedCamera


class SharedCameraEntity(Entity):
    """An entity of a shared camera, written whenever the camera's state changes."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, *, camera: SharedCamera, key: str) -> None:
        """Bind the entity to its shared camera."""
        self.shared_camera = camera
        self._attr_translation_key = key
        self._attr_unique_id = f"{camera.subentry.subentry_id}_{key}"
        self._attr_device_info = channel_device_info(
            camera.subentry, model="Shared camera"
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the shared camera."""
        self.async_on_remove(
            self.shared_camera.async_add_listener(self.async_write_ha_state)
        )


def channel_device_info(subentry: ConfigSubentry, *, model: str) -> DeviceInfo:
    """Return the device that a subentry's entities belong to."""
    return DeviceInfo(
        identifiers={(DOMAIN, subentry.subentry_id)},
        name=subentry.title,
        manufacturer="Kinesis WebRTC",
        model=model,
        entry_type=DeviceEntryType.SERVICE,
    )


@callback
def async_add_shared_camera_entities(
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    create: Callable[[SharedCamera], Iterable[SharedCameraEntity]],
) -> None:
    """Add a platform's entities for each shared camera, present and to come."""

    @callback
    def async_added(camera: SharedCamera) -> None:
        async_add_entities(
            create(camera), config_subentry_id=camera.subentry.subentry_id
        )

    entry.runtime_data.shared_cameras.async_add_platform(async_added)
