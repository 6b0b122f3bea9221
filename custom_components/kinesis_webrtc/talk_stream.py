"""What is being said to a camera, under a path that lives as long as it is said."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
import secrets
import socket
from typing import Final

from aiohttp import web
from homeassistant.components.http import HomeAssistantView
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.network import is_cloud_connection
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.network import is_local

from .const import DOMAIN

_PATH: Final = f"/api/{DOMAIN}/talk_back"
_SUFFIX: Final = ".mp3"
_CONTENT_TYPE: Final = "audio/mpeg"
# Bytes, three seconds: as long as a player may take to begin without missing the first
# word, and as late as one that stalls may be afterwards.
_KEPT: Final = 120_000
# Bytes: what the system holds for a player that stalls comes on top.
_SEND_BUFFER: Final = 32_768
# Seconds: a player that takes nothing for so long has gone.
_STALLED: Final = 10.0


class TalkStream:
    """Frames of MP3, for whoever has the path; late ones are dropped."""

    def __init__(self) -> None:
        """Begin, with a name that cannot be guessed."""
        self.name = f"{secrets.token_urlsafe(24)}{_SUFFIX}"
        self.is_fetched = False
        self.has_ended = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._changed = asyncio.Event()

    @property
    def path(self) -> str:
        """Return where it is fetched."""
        return f"{_PATH}/{self.name}"

    @callback
    def async_add(self, chunk: bytes) -> None:
        """Take the next frames."""
        if self.has_ended:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size > _KEPT:
            self._size -= len(self._chunks.popleft())
            self._dropped += 1
        self._tell()

    @callback
    def async_end(self) -> None:
        """Have those who fetch it come to its end."""
        self.has_ended = True
        self._tell()

    @callback
    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def async_chunks(self) -> AsyncIterator[bytes]:
        """Yield what there is, and then what comes."""
        self.is_fetched = True
        at = 0
        while True:
            at = max(at, self._dropped)
            chunks = tuple(self._chunks)[at - self._dropped :]
            if chunks:
                at += len(chunks)
                yield b"".join(chunks)
            elif self.has_ended:
                return
            else:
                await self._changed.wait()


DATA_STREAMS: Final[HassKey[dict[str, TalkStream]]] = HassKey(f"{DOMAIN}_talk_streams")


class TalkStreamView(HomeAssistantView):
    """Gives a stream to a player, which cannot log in: the path is its key.

    As with Home Assistant's own announcements; the path is known to the player alone,
    is good only in the home, and only while somebody speaks.
    """

    url = f"{_PATH}/{{name}}"
    name = f"api:{DOMAIN}:talk_back"
    requires_auth = False

    def __init__(self, hass: HomeAssistant) -> None:
        """Bind the streams."""
        self._hass = hass
        self._streams = hass.data.setdefault(DATA_STREAMS, {})

    async def head(self, request: web.Request, name: str) -> web.StreamResponse:
        """Say what it is, which some players ask for first."""
        if self._find(request, name) is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.Response(content_type=_CONTENT_TYPE)

    async def get(self, request: web.Request, name: str) -> web.StreamResponse:
        """Send what is said until nobody speaks any more."""
        if (stream := self._find(request, name)) is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = _CONTENT_TYPE
        await response.prepare(request)
        if (transport := request.transport) is not None:
            sock: socket.socket | None = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        # The player may leave at any time, and may stall.
        with suppress(ConnectionError, TimeoutError):
            async for chunk in stream.async_chunks():
                async with asyncio.timeout(_STALLED):
                    await response.write(chunk)
            await response.write_eof()
        return response

    def _find(self, request: web.Request, name: str) -> TalkStream | None:
        try:
            address = ip_address(request.remote or "")
        except ValueError:
            return None
        if not is_local(address) or is_cloud_connection(self._hass):
            return None
        return self._streams.get(name)
