"""A lasting connection to a signaling channel."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
import logging
from uuid import uuid4

import aiohttp

from .client import SignalingClient
from .errors import (
    KEYS_REFUSED,
    CannotConnectError,
    ClockSkewError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotConnectedError,
    ResourceNotFoundError,
    ServiceError,
    SignalingError,
)
from .messages import Message, OutgoingMessage, encode
from .models import Role
from .reconnecting import USUAL_TIMES, ConnectionTimes, Reconnecting
from .translation import translate
from .websocket import Websocket

_LOGGER = logging.getLogger(__name__)

# Endpoints are tried so often while nothing is reached: it is hardly their fault, and
# asking for them anew takes longer when the network is back.
_UNREACHED_IN_A_ROW = 8
# One attempt in so many is as patient as can be: a slow line is not a dead one.
_PATIENT_EVERY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """Whether messages flow, and if not, why the last attempt failed."""

    connected: bool
    error: SignalingError | None = None


class SignalingConnection:
    """Holds one client's websocket open for ever, and sends and receives on it."""

    def __init__(
        self,
        *,
        client: SignalingClient,
        session: aiohttp.ClientSession,
        channel_arn: str,
        role: Role,
        client_id: str | None = None,
        on_message: Callable[[Message], None],
        on_state: Callable[[ConnectionState], None],
        times: ConnectionTimes = USUAL_TIMES,
    ) -> None:
        """Prepare; `run` connects.

        Both callbacks are called in the event loop and must return at once. A viewer
        needs a `client_id`: another connection with the same one would end this one.
        """
        if role is Role.VIEWER and client_id is None:
            raise InvalidArgumentError("a viewer needs a client id")
        self._client = client
        self._session = session
        self._channel_arn = channel_arn
        self._channel_name = channel_arn.rpartition(":channel/")[2].partition("/")[0]
        self._role = role
        self._client_id = client_id
        self._on_message = on_message
        self._on_state = on_state
        self._times = times
        self._operation = (
            "ConnectAsMaster" if role is Role.MASTER else "ConnectAsViewer"
        )
        self._reconnecting = Reconnecting(times=times, operation=self._operation)
        self._state = ConnectionState(connected=False)
        self._websocket: Websocket | None = None
        self._ending: Websocket | None = None
        self._available = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._unreached = 0
        self._refused = False
        self._outage: SignalingError | None = None

    @property
    def connected(self) -> bool:
        """Whether there is an open websocket."""
        return self._state.connected

    async def run(self) -> None:
        """Connect, and connect again whenever that ends, until cancelled."""
        try:
            while True:
                began = asyncio.get_running_loop().time()
                try:
                    websocket = await self._open()
                except SignalingError as err:
                    self._attempt_failed(err)
                    took = asyncio.get_running_loop().time() - began
                    delay = self._reconnecting.after_failure(err, took=took)
                    await asyncio.sleep(delay)
                    continue
                self._adopt(websocket)
                await self._stay(websocket)
        finally:
            await self._shut_down()

    async def send(self, message: OutgoingMessage) -> None:
        """Send a message, within the quotas of the websocket.

        A master names the recipient in it. Waits for a websocket if there is none.
        Raises NotConnectedError if none comes, PayloadTooLargeError.
        """
        correlation_id = uuid4().hex
        frame = encode(
            message,
            as_master=self._role is Role.MASTER,
            correlation_id=correlation_id,
        )
        deadline = asyncio.get_running_loop().time() + self._times.send
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._available.wait()
            except TimeoutError:
                raise NotConnectedError(operation="Send") from None
            websocket = self._websocket
            if websocket is None:
                continue
            with suppress(ConnectionError):
                await websocket.send(message, frame, correlation_id=correlation_id)
                return
            if websocket is self._websocket:
                # Its reader is about to notice; the next one makes this available.
                self._available.clear()

    async def _open(self) -> Websocket:
        """Return an open websocket, or raise what keeps us from it.

        At most three handshakes, as many as a channel may have in a second: the first,
        one with the service's time, and one with fresh endpoints; and one more if the
        keys were exchanged meanwhile.
        """
        corrected = False
        while True:
            correction = self._client.clock.correction
            credentials = self._client.credentials
            try:
                url = await self._client.presigned_url(
                    self._channel_arn, self._role, client_id=self._client_id
                )
                async with asyncio.timeout(self._times.connect):
                    websocket = await Websocket.connect(
                        self._session,
                        url,
                        reach=self._reach,
                        heartbeat=self._times.heartbeat,
                        on_message=self._on_message,
                        on_closed=self._closed,
                    )
            except SignalingError:
                raise
            except Exception as err:  # noqa: BLE001 - nothing may end the reconnecting
                error = self._translate(err, correction)
            else:
                self._refused = False
                self._unreached = 0
                return websocket
            if isinstance(error, ClockSkewError) and not corrected:
                corrected = True
                continue
            if (
                isinstance(error, KEYS_REFUSED)
                and credentials is not self._client.credentials
            ):
                continue
            if isinstance(error, CannotConnectError):
                self._unreached += 1
                if self._unreached % _UNREACHED_IN_A_ROW == 0:
                    self._client.doubt_endpoints(self._channel_arn)
                raise error
            self._client.forget_endpoints(self._channel_arn)
            if isinstance(error, NotAuthorizedError) and not self._refused:
                self._refused = True
                continue
            if isinstance(error, ResourceNotFoundError):
                await self._client.describe_channel(arn=self._channel_arn)
                error = ServiceError(
                    "the endpoint does not know the channel",
                    operation=self._operation,
                    code="HTTP 404",
                )
            raise error

    @property
    def _reach(self) -> float:
        """Return for how long the next attempt may try to get through, in seconds."""
        is_patient = self._unreached % _PATIENT_EVERY == _PATIENT_EVERY - 1
        return self._times.connect if is_patient else self._times.reach

    def _translate(self, err: Exception, correction: timedelta) -> SignalingError:
        clock = self._client.clock
        if isinstance(err, aiohttp.WSServerHandshakeError) and err.headers:
            clock.learn(err.headers.get("Date"))
        return translate(
            err,
            operation=self._operation,
            offset=clock.offset.total_seconds(),
            skewed=clock.differs(correction),
        )

    def _adopt(self, websocket: Websocket) -> None:
        """Use a new websocket, and let the one that it replaces run dry."""
        replaced, self._websocket = self._websocket, websocket
        self._available.set()
        self._set_state(ConnectionState(connected=True))
        if replaced is not None:
            replaced.retire()
            task = asyncio.create_task(
                self._let_linger(replaced), name="kinesis signaling retired socket"
            )
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _let_linger(self, websocket: Websocket) -> None:
        try:
            async with asyncio.timeout(self._times.linger):
                await websocket.wait_closed()
        except TimeoutError:
            pass
        finally:
            await websocket.close()

    async def _stay(self, websocket: Websocket) -> None:
        """Return when it is time for the next websocket."""
        times = self._times
        if not await _ends_within(websocket, min(times.stable, times.renew)):
            self._reconnecting.reset()
            if self.connected:
                self._log_return()
            await _ends_within(websocket, times.renew - websocket.age)
            return
        if websocket is self._websocket:
            # The service has announced the end, which is still to come.
            self._ending = websocket
            self._reconnecting.early_end(lost=False)
        lost = websocket.was_lost
        await asyncio.sleep(self._reconnecting.after_early_end(lost=lost))

    def _closed(self, websocket: Websocket) -> None:
        if websocket is not self._websocket:
            return
        _LOGGER.debug(
            "%s: closed with code %s after %.0f s",
            self._operation,
            websocket.close_code,
            websocket.age,
        )
        self._websocket = None
        self._available.clear()
        error = None
        if websocket.age < self._times.stable and websocket is not self._ending:
            error = self._reconnecting.early_end(lost=websocket.was_lost)
        self._set_state(ConnectionState(connected=False, error=error))

    def _attempt_failed(self, err: SignalingError) -> None:
        _LOGGER.debug("Connecting failed: %s", err)
        if self._websocket is None:
            self._set_state(ConnectionState(connected=False, error=err))

    def _set_state(self, state: ConnectionState) -> None:
        if (state.connected, str(state.error)) == (
            self._state.connected,
            str(self._state.error),
        ):
            return
        if state.error is not None and self._outage is None:
            self._outage = state.error
            _LOGGER.warning(
                "Signaling channel %s is not connected, trying on: %s",
                self._channel_name,
                state.error,
            )
        elif state.connected and not self._reconnecting.is_doubtful:
            self._log_return()
        self._state = state
        try:
            self._on_state(state)
        except Exception:
            _LOGGER.exception("A listener of the connection failed")

    def _log_return(self) -> None:
        """Say that an outage is over, which is certain of a socket that lasts only."""
        if self._outage is not None:
            self._outage = None
            _LOGGER.info("Signaling channel %s is connected again", self._channel_name)

    async def _shut_down(self) -> None:
        websocket, self._websocket = self._websocket, None
        self._available.clear()
        retiring = list(self._retiring)
        for task in retiring:
            task.cancel()
        await asyncio.gather(
            *retiring,
            *([websocket.close()] if websocket else ()),
            return_exceptions=True,
        )
        self._set_state(ConnectionState(connected=False))


async def _ends_within(websocket: Websocket, seconds: float) -> bool:
    """Wait, and return at once with True if the socket ends or is about to."""
    try:
        async with asyncio.timeout(seconds):
            await websocket.wait_ending()
    except TimeoutError:
        return False
    return True
