"""A peer connection that receives: it offers, and whoever has media answers."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
import logging
import ssl
from typing import Any, Final

from aiortc import (
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtcrtptransceiver import RTCRtpTransceiver

from . import internals
from .answer import LocalCandidate
from .candidates import AddressRules, parse_candidate
from .gathering import Gathering, reaches_loopback
from .limits import Limits
from .relays import Relays
from .sdp import MAX_CHARACTERS
from .servers import IceServer, Resolver, read_servers

_LOGGER = logging.getLogger(__name__)

TRICKLE: Final = "a=ice-options:trickle\r\n"


class AnswerUnusableError(Exception):
    """The answer is one that no connection comes of."""


class ReceivingPeer:
    """Offers to receive, whatever a subclass puts into the offer.

    For one event loop.
    """

    def __init__(
        self,
        *,
        on_candidate: Callable[[str, str, int], None],
        limits: Limits | None = None,
    ) -> None:
        """Prepare; `on_candidate` gets candidate, mid and index of what is gathered late.

        It is called in the event loop, after `offer` has returned, and must not block.
        """
        self._on_candidate = on_candidate
        self._limits = limits or Limits()
        self._resolver = Resolver()
        self._pc: RTCPeerConnection | None = None
        self._transceiver: RTCRtpTransceiver | None = None
        self._gathering: Gathering | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def offer(self, ice_servers: Sequence[IceServer]) -> str:
        """Return an offer whose further candidates follow; no server is waited for."""
        certificate = await asyncio.to_thread(RTCCertificate.generateCertificate)
        # Reads the trusted certificates from disk.
        tls = await asyncio.to_thread(ssl.create_default_context)
        self._pc = pc = internals.new_connection(certificate, self._keep)
        pc.on("connectionstatechange", self._connection_changed)
        self._transceiver = self._add_media(pc)
        connection = internals.ice_connection(self._transceiver.receiver.transport)
        self._gathering = Gathering(
            connection=connection,
            relays=Relays(
                connection=connection,
                limits=self._limits,
                on_moved=lambda: None,
                on_expired=self._fail,
            ),
            servers=read_servers(ice_servers),
            resolver=self._resolver,
            tls=tls,
            limits=self._limits,
            trickle=True,
            on_candidate=self._candidate_gathered,
            on_end=self._gathering_ended,
            on_found=self._candidate_found,
        )
        internals.set_gatherer(connection, self._gathering.run)
        transport = self._transceiver.receiver.transport
        internals.guard_media(transport, takes_rtp=True)
        await pc.setLocalDescription(await pc.createOffer())
        return _trickled(pc.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Apply the answer. Raises AnswerUnusableError."""
        if self._pc is None:
            raise AnswerUnusableError("not offered")
        if len(answer) > MAX_CHARACTERS:
            # aiortc would read it for long, in the event loop.
            raise AnswerUnusableError("the answer is too long")
        usable = "".join(
            line
            for line in answer.splitlines(keepends=True)
            if not line.startswith("a=candidate:")
            or parse_candidate(line, self._rules) is not None
        )
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(usable, "answer"))
        except Exception as err:  # noqa: BLE001 - aiortc raises whatever its parser hits
            reason = f"unusable answer: {type(err).__name__}"
            raise AnswerUnusableError(reason) from None

    def add_candidate(self, candidate: str) -> None:
        """Try one more candidate of the other side; what cannot be used is ignored."""
        parsed = parse_candidate(candidate, self._rules)
        if parsed is None or self._transceiver is None:
            return
        transport = self._transceiver.receiver.transport.transport
        self._start(transport.addRemoteCandidate(parsed.for_aiortc()))

    @property
    def _rules(self) -> AddressRules:
        """Where checks may go."""
        return AddressRules(loopback=reaches_loopback())

    async def close(self) -> None:
        """Leave, and give everything back, within bounds."""
        if self._gathering is not None:
            await self._gathering.halt()
        if self._pc is not None:
            try:
                async with asyncio.timeout(self._limits.close_patience):
                    await self._pc.close()
            except TimeoutError:
                _LOGGER.debug("Closing a peer connection took too long")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._gathering is not None:
            await self._gathering.free_relays()
        await self._resolver.close()

    def _add_media(self, pc: RTCPeerConnection) -> RTCRtpTransceiver:
        """Put into a new connection what is to be received; return one part of it."""
        raise NotImplementedError

    def _connection_changed(self) -> None:
        if self._pc is not None and self._pc.connectionState in {"failed", "closed"}:
            self._fail()

    def _fail(self) -> None:
        if not self._failed.done():
            self._failed.set_result(None)
            self._connection_ended()

    def _candidate_gathered(self, candidate: LocalCandidate) -> None:
        if self._transceiver is not None:
            self._on_candidate(candidate.text, self._transceiver.mid or "0", 0)

    def _candidate_found(self, candidate: LocalCandidate) -> None:
        """Take note of a candidate of ours, whenever it comes."""

    def _gathering_ended(self) -> None:
        """Take note that no more candidates of ours will come."""

    def _connection_ended(self) -> None:
        """Take note that there is no connection, or will be none."""

    def _start[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name="kinesis_webrtc receiving")
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.debug("A receiver's task failed: %s", type(error).__name__)


def receive_only(
    pc: RTCPeerConnection, kind: str, codecs: frozenset[str]
) -> RTCRtpTransceiver:
    """Add what is to be received in one of these codecs, as `video/h264`."""
    transceiver = pc.addTransceiver(kind, direction="recvonly")
    capabilities = RTCRtpReceiver.getCapabilities(kind)
    transceiver.setCodecPreferences(
        [
            codec
            for codec in (capabilities.codecs if capabilities else ())
            if codec.mimeType.lower() in codecs
        ]
    )
    return transceiver


def _trickled(offer: str) -> str:
    """Return aiortc's offer as one whose candidates are not all there yet.

    AWS's C SDK gathers for seconds before it answers an offer that does not say so.
    """
    lines = []
    for line in offer.splitlines():
        if line == "a=end-of-candidates":
            continue
        if line.startswith("a=fingerprint:") and "sha-256 " not in line:
            continue
        lines.append(f"{line}\r\n")
        if line.startswith("a=ice-pwd:"):
            lines.append(TRICKLE)
    return "".join(lines)
