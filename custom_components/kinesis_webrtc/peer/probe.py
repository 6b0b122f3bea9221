"""A viewer that notes how it is served, step by step."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
import re
import time
from typing import Final, override

from . import internals
from .answer import LocalCandidate
from .limits import Limits
from .receiving import TRICKLE
from .servers import IceServer
from .still import Picture, StillViewer

_H264: Final = re.compile(r"^a=rtpmap:(\d+) H264/90000", re.MULTILINE | re.IGNORECASE)
_CANDIDATE: Final = re.compile(
    r"^a=candidate:\S+ (\d+) (\S+) \d+ (\S+) \d+ typ (\S+)", re.MULTILINE
)
# RFC 6184 section 5.2.
_SPS, _STAP_A = 7, 24


class ProbeStep(StrEnum):
    """What a viewer reaches on its way to a picture; closed list."""

    STUN = "stun"
    RELAY = "relay"
    ICE = "ice"
    DTLS = "dtls"
    KEY_FRAME = "key_frame"


class ProbeViewer(StillViewer):
    """Offers as an Echo does: complete, without trickle, with host candidates alone.

    What the servers give is gathered beside, to see whether they do.
    """

    def __init__(self, *, limits: Limits | None = None) -> None:
        """Prepare; nothing is sent before `offer`."""
        super().__init__(on_candidate=lambda *_: None, limits=limits)
        loop = asyncio.get_running_loop()
        self._steps: dict[ProbeStep, asyncio.Future[float | None]] = {
            step: loop.create_future() for step in ProbeStep
        }
        self._payload_types: frozenset[int] = frozenset()
        self.profile: str | None = None
        """The profile-level-id of the pictures that came, once they have."""

    async def reached(self, step: ProbeStep) -> float | None:
        """Wait for a step, and return when it was, by `time.monotonic`; None: never."""
        return await asyncio.shield(self._steps[step])

    @property
    def selected_types(self) -> tuple[str | None, str | None]:
        """The types of the selected pair's candidates: ours, the master's."""
        if self._transceiver is None:
            return None, None
        transport = self._transceiver.receiver.transport
        return internals.selected_types(internals.ice_connection(transport))

    @override
    async def offer(self, ice_servers: Sequence[IceServer]) -> str:
        """Return a complete offer."""
        text = await super().offer(ice_servers)
        if self._transceiver is not None:
            receiver = self._transceiver.receiver
            receiver.transport.on("statechange", self._dtls_changed)
            receiver.transport.transport.on("statechange", self._ice_changed)
            internals.watch_packets(receiver, self._packet_came)
        return text.replace(TRICKLE, "")

    @override
    async def accept(self, answer: str) -> None:
        """Apply the master's answer. Raises StillError."""
        self._payload_types = frozenset(map(int, _H264.findall(answer)))
        await super().accept(answer)

    @override
    async def picture(self) -> Picture:
        """Return the first picture that can be decoded, however long that takes."""
        picture = await super().picture()
        self._reach(ProbeStep.KEY_FRAME)
        return picture

    @override
    def _candidate_found(self, candidate: LocalCandidate) -> None:
        if candidate.kind == "srflx":
            self._reach(ProbeStep.STUN)
        elif candidate.kind == "relay":
            self._reach(ProbeStep.RELAY)

    @override
    def _gathering_ended(self) -> None:
        self._miss(ProbeStep.STUN, ProbeStep.RELAY)

    @override
    def _connection_ended(self) -> None:
        self._miss(*ProbeStep)

    def _ice_changed(self) -> None:
        if self._transceiver is None:
            return
        if self._transceiver.receiver.transport.transport.state == "completed":
            self._reach(ProbeStep.ICE)

    def _dtls_changed(self) -> None:
        if self._transceiver is None:
            return
        if self._transceiver.receiver.transport.state == "connected":
            self._reach(ProbeStep.DTLS)

    def _packet_came(self, payload_type: int, payload: bytes) -> None:
        if self.profile is None and payload_type in self._payload_types:
            self.profile = profile_of(payload)

    def _reach(self, step: ProbeStep) -> None:
        if not self._steps[step].done():
            self._steps[step].set_result(time.monotonic())

    def _miss(self, *steps: ProbeStep) -> None:
        for step in steps:
            if not self._steps[step].done():
                self._steps[step].set_result(None)


def profile_of(payload: bytes) -> str | None:
    """Return the profile-level-id of an RTP payload that has a parameter set."""
    kind = payload[0] & 0x1F if payload else 0
    if kind == _SPS:
        return payload[1:4].hex() if len(payload) >= 4 else None
    at = 1 if kind == _STAP_A else len(payload)
    while at + 2 < len(payload):
        size = int.from_bytes(payload[at : at + 2])
        unit = payload[at + 2 : at + 2 + size]
        if unit and unit[0] & 0x1F == _SPS and len(unit) >= 4:
            return unit[1:4].hex()
        at += 2 + size
    return None


def candidate_types(answer: str) -> tuple[str, ...]:
    """Return the types of an answer's candidates that an Echo can use.

    These are UDP, of the first component, and with an IPv4 address.
    """
    return tuple(
        kind
        for component, transport, address, kind in _CANDIDATE.findall(answer)
        if component == "1"
        and transport.lower() == "udp"
        and re.fullmatch(r"[\d.]+", address)
    )
