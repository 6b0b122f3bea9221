"""A Home Assistant camera as the peer's media source."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, override
from urllib.parse import urlsplit

from homeassistant.components.camera import (
    Camera,
    async_get_image,
    async_get_stream_source,
    get_camera_from_entity_id,
)
from homeassistant.components.camera.const import (
    DOMAIN as CAMERA_DOMAIN,
    PREF_ORIENTATION,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .peer import MediaSource, Orientation, Source, SourceError, Stills, StreamUrl
from .webrtc_camera import async_speaks_webrtc, async_webrtc_camera

# Seconds; cameras of stills seldom have a new one sooner, and each costs an encoding.
_LEAST_INTERVAL: Final = 1.0
# What FFmpeg opens. Other sources, such as `tapo:`, are for providers of WebRTC that
# know what to do with them, as go2rtc does.
_FFMPEG_SCHEMES: Final = frozenset(
    [
        "file",
        "http",
        "https",
        "mms",
        "mmsh",
        "mmst",
        "rtmp",
        "rtmpe",
        "rtmps",
        "rtmpt",
        "rtmpts",
        "rtp",
        "rtsp",
        "rtsps",
        "srt",
        "tcp",
        "tls",
        "udp",
    ]
)
# Integrations whose stills are taken out of the stream, a second pull that not every
# camera stands, or are of the last thing that happened, whenever that was.
_NO_STILLS: Final = frozenset(
    {
        "canary",
        "ezviz",
        "ffmpeg",
        "onvif",
        "ring",
        "tplink",
        "tuya",
        "xiaomi",
        "yi",
    }
)
# The names that HA's stream options and FFmpeg have for the same thing.
_FFMPEG_OPTIONS: Final = {
    "rtsp_transport": "rtsp_transport",
    "use_wallclock_as_timestamps": "use_wallclock_as_timestamps",
}


class CameraSource(MediaSource):
    """The stream of a camera, else its WebRTC, else its stills; looked up at each opening.

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

    @property
    def _orientation(self) -> Orientation:
        """Return how the user wants the camera's stream turned."""
        entry = er.async_get(self._hass).async_get(self.entity_id or "")
        options: Mapping[str, Any] = (
            entry.options.get(CAMERA_DOMAIN, {}) if entry else {}
        )
        return Orientation(options.get(PREF_ORIENTATION, Orientation.NONE))

    @callback
    def async_follow_orientation(self, on_turned: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back when the stream is to be turned otherwise; return what ends it."""
        known = self._orientation

        @callback
        def async_compare(_: Event[er.EventEntityRegistryUpdatedData]) -> None:
            nonlocal known
            before, known = known, self._orientation
            if known is not before:
                on_turned()

        return self._hass.bus.async_listen(
            er.EVENT_ENTITY_REGISTRY_UPDATED, async_compare
        )

    @override
    async def resolve(self) -> Source:
        """Return where the camera's stream is now, or else what there is in its place.

        Raises SourceError if the camera is gone or off, or one of our own.
        """
        entity_id = self.entity_id
        if entity_id is None:
            raise SourceError("camera_removed")
        entity = er.async_get(self._hass).async_get(entity_id)
        if entity is not None and entity.platform == DOMAIN:
            # It would come back to where it is from.
            raise SourceError("own_camera")
        try:
            camera = get_camera_from_entity_id(self._hass, entity_id)
            url = await async_get_stream_source(self._hass, entity_id)
        except HomeAssistantError as err:
            raise SourceError("camera_off") from err
        stills = Stills(
            fetch=partial(self._async_still, entity_id),
            interval=max(camera.frame_interval, _LEAST_INTERVAL),
        )
        stream = StreamUrl(
            url=url or "",
            options=_ffmpeg_options(camera.stream_options),
            orientation=self._orientation,
            still=stills.fetch if _has_stills(camera) else None,
        )
        if url and urlsplit(url).scheme in ("", *_FFMPEG_SCHEMES):
            return stream
        if async_speaks_webrtc(camera):
            return async_webrtc_camera(self._hass, camera, stills)
        return stream if url else stills

    async def _async_still(self, entity_id: str) -> bytes:
        return (await async_get_image(self._hass, entity_id)).content


def _has_stills(camera: Camera) -> bool:
    """Return whether a camera gives a picture of now without its stream's being opened."""
    return (
        not camera.use_stream_for_stills
        and camera.platform.platform_name not in _NO_STILLS
    )


def _ffmpeg_options(stream_options: dict[str, str | bool | float]) -> dict[str, str]:
    """Translate a camera's stream options for FFmpeg."""
    return {
        _FFMPEG_OPTIONS[name]: str(int(value) if isinstance(value, bool) else value)
        for name, value in stream_options.items()
        if name in _FFMPEG_OPTIONS
    }
