"""A Home Assistant camera as the peer's media source."""

from functools import partial
from typing import Final, override

from homeassistant.components.camera import (
    async_get_image,
    async_get_stream_source,
    get_camera_from_entity_id,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .peer import MediaSource, SourceError, Stills, StreamUrl

# Seconds; cameras of stills seldom have a new one sooner, and each costs an encoding.
_LEAST_INTERVAL: Final = 1.0
# The names that HA's stream options and FFmpeg have for the same thing.
_FFMPEG_OPTIONS: Final = {
    "rtsp_transport": "rtsp_transport",
    "use_wallclock_as_timestamps": "use_wallclock_as_timestamps",
}


class CameraSource(MediaSource):
    """The stream of a camera, looked up anew at each opening.

    A camera may be renamed, may appear after us, and some change their stream's
    address with every session.
    """

    def __init__(self, *, hass: HomeAssistant, camera: str) -> None:
        """Name the camera by its entity registry id, or by its entity id."""
        self._hass = hass
        self._camera = camera

    @property
    def entity_id(self) -> str | None:
        """Return the camera's entity id as of now, None if it was removed."""
        return er.async_resolve_entity_id(er.async_get(self._hass), self._camera)

    @override
    async def resolve(self) -> StreamUrl | Stills:
        """Return where the camera's stream is now, or else its stills.

        Raises SourceError if the camera is gone or off.
        """
        entity_id = self.entity_id
        if entity_id is None:
            raise SourceError("camera_removed")
        try:
            camera = get_camera_from_entity_id(self._hass, entity_id)
            url = await async_get_stream_source(self._hass, entity_id)
        except HomeAssistantError as err:
            raise SourceError("camera_off") from err
        if not url:
            return Stills(
                fetch=partial(self._async_still, entity_id),
                interval=max(camera.frame_interval, _LEAST_INTERVAL),
            )
        return StreamUrl(url=url, options=_ffmpeg_options(camera.stream_options))

    async def _async_still(self, entity_id: str) -> bytes:
        return (await async_get_image(self._hass, entity_id)).content


def _ffmpeg_options(stream_options: dict[str, str | bool | float]) -> dict[str, str]:
    """Translate a camera's stream options for FFmpeg."""
    return {
        _FFMPEG_OPTIONS[name]: str(int(value) if isinstance(value, bool) else value)
        for name, value in stream_options.items()
        if name in _FFMPEG_OPTIONS
    }
