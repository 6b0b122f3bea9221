"""The versions of the libraries that the integration stands on."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from homeassistant.core import HomeAssistant

LIBRARIES: Final = ("aioice", "aiortc", "av", "boto3", "botocore")


async def async_get_versions(hass: HomeAssistant) -> dict[str, str | None]:
    """Return the installed versions by name; None for what is not installed."""
    return await hass.async_add_executor_job(_read)


def _read() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
