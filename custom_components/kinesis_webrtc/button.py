"""The self-test of a shared camera, at the press of a button."""

from typing import override

from homeassistant.components.button import ButtonEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import KinesisWebRTCConfigEntry
from .entity import SharedCameraEntity, async_add_shared_camera_entities

# A self-test keeps to one run at a time by itself.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: KinesisWebRTCConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the button of each shared camera."""
    async_add_shared_camera_entities(
        entry,
        async_add_entities,
        lambda camera: [SelfTestButton(camera=camera, key="self_test")],
    )


class SelfTestButton(SharedCameraEntity, ButtonEntity):
    """Views the camera as an Echo would; what failed is told with what to do."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @override
    async def async_press(self) -> None:
        """Run the self-test; the sensor beside it keeps the verdict."""
        report = await self.shared_camera.self_test.async_run()
        if report.failed_stage is None or (advice := report.advice) is None:
            return
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=advice.key,
            translation_placeholders=dict(advice.placeholders),
        )
