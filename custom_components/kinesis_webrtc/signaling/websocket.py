"""One websocket of a signaling channel."""

import asyncio
from collections.abc import Callable
import logging

import aiohttp
from yarl import URL

from .keepalive import keep_probing
from .messages import (
    GoAway,
    IceCandidate,
    Message,
    OutgoingMessage,
    StatusResponse,
    parse,
)
from .pacing import Pacer

_LOGGER = logging.getLogger(__name__)

# Quotas of one websocket, as of 2026:
# https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-limits.html
SDP_PER_SECOND = 5
CANDIDATES_PER_SECOND = 20
# The service counts by its own clock, and the network bunches what we space out.
_PACING_PERIOD = 1.1
_MAX_FRAME = 256 * 1024
_KNOWN_SENDS = 256
_END = frozenset(
    {
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSING,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
)


class Websocket:
    """An open socket: delivers its messages, paces what is sent, knows its end."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        *,
        on_message: Callable[[Message], None],
        on_closed: Callable[[Websocket], None],
    ) -> None:
        """Begin to read. Both callbacks are called in the event loop."""
        self._socket = socket
        self._on_message = on_message
        self._on_closed = on_closed
        self._sdp_pacer = Pacer(limit=SDP_PER_SECOND, period=_PACING_PERIOD)
        self._candidate_pacer = Pacer(
            limit=CANDIDATES_PER_SECOND, period=_PACING_PERIOD
        )
        self._sent: dict[str, str] = {}
        self._ending = asyncio.Event()
        self._retired = False
        self._was_told = False
        self._opened_at = asyncio.get_running_loop().time()
        self._reader = asyncio.create_task(
            self._read(), name="kinesis signaling reader"
        )

    @classmethod
    async def connect(
        cls,
        session: aiohttp.ClientSession,
        url: str,
        *,
        reach: float,
        heartbeat: float,
        on_message: Callable[[Message], None],
        on_closed: Callable[[Websocket], None],
    ) -> Websocket:
        """Open the presigned URL; raises aiohttp's errors.

        TCP and TLS have `reach` seconds. A ping goes out after `heartbeat` seconds of
        silence, and the socket ends if half of that passes without an answer.
        """
        # Only a session can bound that; this one has the other's connector, and its end
        # is not the socket's.
        async with aiohttp.ClientSession(
            connector=session.connector,
            connector_owner=False,
            cookie_jar=session.cookie_jar,
            headers=session.headers,
            timeout=aiohttp.ClientTimeout(sock_connect=reach),
        ) as bounded:
            socket = await bounded.ws_connect(
                # yarl would decode what was signed encoded.
                URL(url, encoded=True),
                heartbeat=heartbeat,
                max_msg_size=_MAX_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            )
        keep_probing(socket.get_extra_info("socket"))
        return cls(socket, on_message=on_message, on_closed=on_closed)

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return asyncio.get_running_loop().time() - self._opened_at

    @property
    def close_code(self) -> int | None:
        """The code of the close, None while open."""
        return self._socket.close_code

    @property
    def was_lost(self) -> bool:
        """Whether it has ended without a word of the service."""
        return not self._was_told

    async def wait_ending(self) -> None:
        """Return when the socket has closed or the service has announced it."""
        await self._ending.wait()

    async def wait_closed(self) -> None:
        """Return when the socket has closed."""
        await asyncio.wait([self._reader])

    async def send(
        self, message: OutgoingMessage, frame: str, *, correlation_id: str
    ) -> None:
        """Send a frame as soon as the quotas allow; raises ConnectionError if closed.

        `message` tells which quota, and what the log says if it is refused.
        """
        is_candidate = isinstance(message, IceCandidate)
        await (self._candidate_pacer if is_candidate else self._sdp_pacer).wait()
        if self._retired or self._socket.closed:
            raise ConnectionResetError
        self._sent[correlation_id] = type(message).__name__
        if len(self._sent) > _KNOWN_SENDS:
            del self._sent[next(iter(self._sent))]
        await self._socket.send_str(frame)

    def retire(self) -> None:
        """Send nothing any more: another websocket has taken over."""
        self._retired = True

    async def close(self) -> None:
        """Close the socket and stop reading."""
        try:
            await self._socket.close()
        finally:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._socket.receive()
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._receive(frame.data)
                elif frame.type in _END:
                    # Only this one is the other side's; aiohttp reports the close code
                    # of a lost connection as if it had been said.
                    self._was_told |= frame.type is aiohttp.WSMsgType.CLOSE
                    return
        finally:
            self._ending.set()
            self._on_closed(self)

    def _receive(self, frame: str) -> None:
        message = parse(frame)
        if message is None:
            _LOGGER.debug("Ignored a frame of %d characters", len(frame))
            return
        if isinstance(message, StatusResponse):
            self._log_refusal(message)
        if isinstance(message, GoAway):
            self._was_told = True
            self._ending.set()
        try:
            self._on_message(message)
        except Exception:
            _LOGGER.exception("A handler of %s failed", type(message).__name__)

    def _log_refusal(self, status: StatusResponse) -> None:
        _LOGGER.warning(
            "The service did not deliver %s: %s (%s)",
            self._sent.pop(status.correlation_id or "", "a message"),
            status.error_type,
            status.status_code,
        )
