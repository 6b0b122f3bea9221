"""The versions of the libraries that the integration stands on."""

from importlib.metadata import version
from typing import Final

from homeassistant.core import HomeAssistant

LIBRARIES: Final = ("aioice", "aiortc", "av", "boto3", "botocore")


async def async_get_versions(hass: HomeAssistant) -> dict[str, str]:
    """Return the installed versions by name."""
    return await hass.async_add_executor_job(_read)


def _read() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
