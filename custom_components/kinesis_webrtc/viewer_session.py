"""One viewer of a remote channel, from its offer until its signaling is done."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
import logging
from typing import Final
from uuid import uuid4

import aiohttp

from .signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    ConnectionState,
    IceCandidate,
    Message,
    NotConnectedError,
    ReconnectIceServer,
    Role,
    SdpAnswer,
    SdpOffer,
    ServiceError,
    SignalingClient,
    SignalingConnection,
    SignalingError,
    prepare_offer,
    repair_answer,
)

_LOGGER = logging.getLogger(__name__)

# More than any browser gathers; it bounds what a client can have us keep and send.
_MAX_CANDIDATES: Final = 100
# These may mend themselves while the viewer waits; the others do not.
_PASSING: Final = (CannotConnectError, ClientLimitExceededError, ServiceError)


class MasterAbsentError(Exception):
    """Nobody answers on the channel: no camera is connected to it."""


class SessionClosedError(Exception):
    """The viewer has left before there was an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerTimes:
    """The times of a viewer's session, all in seconds."""

    # Before the offer is sent again. A channel that Home Assistant made keeps an
    # offer for 5 s, so that no master gets both.
    answer: float = 6
    # Silence of both sides after which signaling has done its part: media goes on
    # without it, and a candidate that comes later improves nothing.
    quiet: float = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerCallbacks:
    """What a session tells; each is called in the event loop and returns at once.

    No candidate is told of before `async_open` has returned the answer.
    """

    on_candidate: Callable[[IceCandidate], None]
    on_ice_servers_gone: Callable[[], None]
    on_ended: Callable[[], None]


def new_client_id() -> str:
    """Return an id that no other viewer of a channel has, and that AWS does not reserve."""
    return f"ha-{uuid4().hex}"


class ViewerSession:
    """Carries one offer to a channel's master, and its answer back.

    The websocket is the session's own: a master tells viewers apart by its client id.
    """

    def __init__(
        self,
        *,
        client: SignalingClient,
        session: aiohttp.ClientSession,
        channel_arn: str,
        offer_sdp: str,
        admit: Callable[[], Awaitable[None]],
        callbacks: ViewerCallbacks,
        client_id: str | None = None,
        is_restart: bool = False,
        times: ViewerTimes | None = None,
    ) -> None:
        """Prepare; `admit` returns when the channel may take one more connection.

        Without a client id a new one is made. With `is_restart` the master has got an
        offer of that client id before.
        """
        self._offer_sdp = offer_sdp
        self._admit = admit
        self._callbacks = callbacks
        self._times = times or ViewerTimes()
        self._is_restart = is_restart
        self._connect = partial(
            SignalingConnection,
            client=client,
            session=session,
            channel_arn=channel_arn,
            role=Role.VIEWER,
            on_message=self._on_message,
            on_state=self._on_state,
        )
        self._connection = self._connect(client_id=client_id or new_client_id())
        self._running: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._outgoing: asyncio.Queue[IceCandidate] = asyncio.Queue()
        self._taken = 0
        self._sent: list[IceCandidate] = []
        self._early: list[IceCandidate] | None = []
        self._error: SignalingError | None = None
        self._heard = asyncio.Event()

    async def async_open(self) -> str:
        """Return the answer to the offer.

        Raises MasterAbsentError, SessionClosedError, and the errors of the signaling
        package. Signaling goes on in the background until both sides are silent.
        """
        self._task = asyncio.create_task(self._run(), name="kinesis_webrtc viewer")
        self._task.add_done_callback(lambda _: self._callbacks.on_ended())
        try:
            answer = await asyncio.shield(self._answer)
        except BaseException:
            await self.async_close()
            raise
        # Whoever awaits this delivers the answer before it hears of a candidate.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._release)
        return answer

    def add_candidate(self, candidate: IceCandidate) -> None:
        """Send a candidate of the viewer, as soon as its offer is sent."""
        if self._taken >= _MAX_CANDIDATES:
            return
        self._taken += 1
        self._outgoing.put_nowait(candidate)
        self._heard.set()

    def close(self) -> None:
        """End the session, whatever it is waiting for."""
        self._refuse(SessionClosedError())
        if self._task is not None and not self._is_closing:
            self._task.cancel()

    async def async_close(self) -> None:
        """End the session, and return when nothing of it is left."""
        self.close()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            await self._open_socket()
            await self._negotiate()
        except Exception as err:  # noqa: BLE001 - whoever awaits the answer gets it
            self._refuse(err)
        finally:
            # Whoever closes it from now on waits for the socket's end with us.
            self._is_closing = True
            with suppress(asyncio.CancelledError):
                await self._close_socket()

    async def _open_socket(self) -> None:
        await self._admit()
        self._running = asyncio.create_task(
            self._connection.run(), name="kinesis_webrtc viewer socket"
        )

    async def _close_socket(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _negotiate(self) -> None:
        """Send the offer and candidates until nobody has any more."""
        offer = SdpOffer(sdp=prepare_offer(self._offer_sdp))
        if not await self._offer(offer):
            _LOGGER.debug("No answer yet, offering again")
            if self._is_restart:
                # Masters made with AWS's C SDK refuse a client that they still serve:
                # https://github.com/awslabs/amazon-kinesis-video-streams-webrtc-sdk-c
                await self._close_socket()
                self._connection = self._connect(client_id=new_client_id())
                await self._open_socket()
            if not await self._offer(offer):
                raise MasterAbsentError
        while True:
            self._heard.clear()
            await self._send_candidates(0)
            try:
                async with asyncio.timeout(self._times.quiet):
                    await self._heard.wait()
            except TimeoutError:
                return

    async def _offer(self, offer: SdpOffer) -> bool:
        """Send the offer and what candidates there are; tell whether it is answered."""
        deadline = asyncio.get_running_loop().time() + self._times.answer
        try:
            await self._connection.send(offer)
            for candidate in self._sent:
                await self._connection.send(candidate)
        except NotConnectedError as err:
            raise self._error or err from None
        candidates = asyncio.create_task(self._send_candidates(None))
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.wait([self._answer])
        except TimeoutError:
            return False
        finally:
            candidates.cancel()
            await asyncio.gather(candidates, return_exceptions=True)
        return True

    async def _send_candidates(self, least: int | None) -> None:
        """Send what the viewer has gathered; for ever, if `least` is None."""
        while least is None or not self._outgoing.empty():
            candidate = await self._outgoing.get()
            self._sent.append(candidate)
            try:
                await self._connection.send(candidate)
            except SignalingError as err:
                _LOGGER.debug("A candidate was not sent: %s", err)

    def _on_message(self, message: Message) -> None:
        match message:
            case SdpAnswer() if not self._answer.done():
                self._answer.set_result(
                    repair_answer(message.sdp, offer=self._offer_sdp)
                )
            case IceCandidate() if self._early is not None:
                self._early.append(message)
            case IceCandidate():
                self._callbacks.on_candidate(message)
            case ReconnectIceServer():
                self._callbacks.on_ice_servers_gone()
        self._heard.set()

    def _on_state(self, state: ConnectionState) -> None:
        self._error = state.error
        if state.error is not None and not isinstance(state.error, _PASSING):
            self._refuse(state.error)

    def _release(self) -> None:
        early, self._early = self._early or [], None
        for candidate in early:
            self._callbacks.on_candidate(candidate)

    def _refuse(self, err: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(err)
            # Nobody may be left who would retrieve it.
            self._answer.exception()
