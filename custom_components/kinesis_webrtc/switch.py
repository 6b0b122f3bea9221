"""Whether a camera is shared now."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
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
    """Set up the switch of each shared camera."""
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [SharingSwitch(camera=camera, key="sharing")],
    )


class SharingSwitch(SharedCameraEntity, SwitchEntity):
    """Off ends every view at once and takes the master off its channel."""

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the camera is shared."""
        return self.shared_camera.sharing

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Share the camera."""
        await self.shared_camera.async_set_sharing(sharing=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Stop sharing the camera."""
        await self.shared_camera.async_set_sharing(sharing=False)
