"""What Home Assistant's page on its own health says of the integration."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import KinesisWebRTCConfigEntry
from .versions import async_get_versions


@callback
def async_register(
    hass: HomeAssistant, register: system_health.SystemHealthRegistration
) -> None:
    """Register what is told."""
    register.async_register_info(
        system_health_info, f"/config/integrations/integration/{DOMAIN}"
    )


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Tell whether AWS is reached in each region, and who is on their channel.

    A region's own name is its label, which is the same in all languages.
    """
    entries: list[KinesisWebRTCConfigEntry] = hass.config_entries.async_loaded_entries(
        DOMAIN
    )
    clients = {entry.runtime_data.client.region: entry for entry in entries}
    cameras = [
        camera
        for entry in entries
        for camera in entry.runtime_data.shared_cameras.values()
        if camera.sharing
    ]
    connected = sum(camera.connected for camera in cameras)
    versions = await async_get_versions(hass)
    return {
        "masters_connected": f"{connected}/{len(cameras)}",
        **{
            region: system_health.async_check_can_reach_url(
                hass,
                f"https://kinesisvideo.{region}.{entry.runtime_data.client.dns_suffix}/",
            )
            for region, entry in sorted(clients.items())
        },
        "aiortc_version": versions["aiortc"],
        "av_version": versions["av"],
        "boto3_version": versions["boto3"],
    }
