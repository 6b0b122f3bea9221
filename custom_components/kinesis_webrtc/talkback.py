"""Talk-back: has a media player play what a camera's viewers say."""

import asyncio
from collections.abc import Callable
from datetime import datetime
import logging
from typing import Any, Final

from homeassistant.components.media_player import (
    ATTR_MEDIA_ANNOUNCE,
    ATTR_MEDIA_CONTENT_ID,
    ATTR_MEDIA_CONTENT_TYPE,
    DOMAIN as MEDIA_PLAYER_DOMAIN,
    SERVICE_PLAY_MEDIA,
    MediaPlayerEntityFeature,
    MediaType,
)
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import (
    ATTR_ENTITY_ID,
    ATTR_SUPPORTED_FEATURES,
    STATE_UNAVAILABLE,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.network import get_url

from .const import CONF_SPEAKER, DOMAIN
from .talk_stream import DATA_STREAMS, TalkStream

_LOGGER = logging.getLogger(__name__)

# Seconds: a player that has not begun by then will not.
_FETCHED_WITHIN: Final = 20.0


class Speaker:
    """A media player, as what takes the viewers' voices: a `peer.TalkSink`.

    It is asked to play each time that somebody begins to speak, and has the music back
    when they are silent again. What it does not take is lost, and the views go on.
    """

    def __init__(
        self, *, hass: HomeAssistant, entry: ConfigEntry, player: str, camera: str
    ) -> None:
        """Name the player by its entity registry id, or by its entity id."""
        self._hass = hass
        self._entry = entry
        self._player = player
        self._camera = camera
        self._streams = hass.data[DATA_STREAMS]
        self._stream: TalkStream | None = None
        self._playing: asyncio.Task[None] | None = None
        self._cancel_waiting: CALLBACK_TYPE | None = None
        self._was_told = False

    @classmethod
    def of(
        cls, hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry
    ) -> Speaker | None:
        """Return what plays a shared camera's viewers, if the user wants them heard."""
        if (player := subentry.data.get(CONF_SPEAKER)) is None:
            return None
        return cls(hass=hass, entry=entry, player=player, camera=subentry.title)

    def begin(self) -> None:
        """Somebody speaks; in the talk-back's thread, as all of a sink."""
        self._call(self._async_begin)

    def take(self, chunk: bytes) -> None:
        """Take frames of MP3."""
        self._call(self._async_take, chunk)

    def end(self) -> None:
        """Nobody speaks any more."""
        self._call(self._async_end)

    def _call(self, handle: Callable[..., None], *args: bytes) -> None:
        self._hass.loop.call_soon_threadsafe(handle, *args)

    @callback
    def async_stop(self) -> None:
        """End what is played, and leave nothing behind."""
        self._async_end()
        if self._playing is not None:
            self._playing.cancel()
            self._playing = None

    @callback
    def _async_begin(self) -> None:
        self.async_stop()
        stream = self._stream = TalkStream()
        self._streams[stream.name] = stream
        self._cancel_waiting = async_call_later(
            self._hass, _FETCHED_WITHIN, self._async_waited
        )
        self._playing = self._entry.async_create_background_task(
            self._hass, self._async_play(stream), f"{DOMAIN} talk-back"
        )

    @callback
    def _async_take(self, chunk: bytes) -> None:
        if self._stream is not None:
            self._stream.async_add(chunk)

    @callback
    def _async_end(self) -> None:
        if self._cancel_waiting is not None:
            self._cancel_waiting()
            self._cancel_waiting = None
        if self._stream is not None:
            del self._streams[self._stream.name]
            self._stream.async_end()
            self._stream = None

    @callback
    def _async_waited(self, _: datetime) -> None:
        """Tell of a player that was asked and has not come."""
        self._cancel_waiting = None
        if self._stream is not None and not self._stream.is_fetched:
            self._async_failed("it has not fetched the stream")

    async def _async_play(self, stream: TalkStream) -> None:
        entity_id = er.async_resolve_entity_id(er.async_get(self._hass), self._player)
        state = self._hass.states.get(entity_id) if entity_id else None
        if state is None or state.state == STATE_UNAVAILABLE:
            self._async_failed("it is not available")
            return
        try:
            url = get_url(self._hass, allow_external=False, allow_cloud=False)
            await self._hass.services.async_call(
                MEDIA_PLAYER_DOMAIN,
                SERVICE_PLAY_MEDIA,
                _play_media(state, f"{url}{stream.path}"),
                blocking=True,
            )
        except Exception as err:  # noqa: BLE001
            # Whatever an integration lets out of its player; a text may hold the path.
            self._async_failed(type(err).__name__)
        else:
            self._was_told = False

    @callback
    def _async_failed(self, reason: str) -> None:
        """Do without the player until somebody begins to speak again."""
        self._async_end()
        if self._was_told:
            return
        self._was_told = True
        _LOGGER.warning(
            "%s: what viewers say is not played by its media player (%s)",
            self._camera,
            reason,
        )


def _play_media(state: State, url: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        ATTR_ENTITY_ID: state.entity_id,
        ATTR_MEDIA_CONTENT_ID: url,
        ATTR_MEDIA_CONTENT_TYPE: MediaType.MUSIC,
    }
    features = state.attributes.get(ATTR_SUPPORTED_FEATURES, 0)
    if features & MediaPlayerEntityFeature.MEDIA_ANNOUNCE:
        data[ATTR_MEDIA_ANNOUNCE] = True
    return data
