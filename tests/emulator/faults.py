"""Faults on demand."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    """What goes wrong with a call, an upgrade or a message."""

    DROP = "drop"
    """The TCP connection is reset without an answer."""
    DELAY = "delay"
    """It goes on after `delay` seconds."""
    HANG = "hang"
    """There is never an answer."""
    ERROR = "error"
    """It is answered with `status`, `code` and `message`."""
    THROTTLE = "throttle"
    EXPIRED_TOKEN = "expired_token"
    DUPLICATE = "duplicate"
    """The message is delivered twice."""
    SWALLOW = "swallow"
    """The message is lost."""
    GARBLE = "garble"
    """The payload is delivered as base64 of something else."""


_OF_MESSAGES = frozenset(
    {FaultKind.DELAY, FaultKind.DUPLICATE, FaultKind.SWALLOW, FaultKind.GARBLE}
)
_OF_CALLS = frozenset(FaultKind) - _OF_MESSAGES | {FaultKind.DELAY}


@dataclass(kw_only=True)
class Fault:
    """One fault: what it is, what it hits, how often.

    operation: pattern of an API operation, ConnectAsMaster, ConnectAsViewer or, for
    messages, SDP_OFFER, SDP_ANSWER, ICE_CANDIDATE. channel: name of the only channel
    that is hit. skip: so many are let pass first. count: so many are hit, None all.
    """

    kind: FaultKind
    operation: str = "*"
    channel: str | None = None
    skip: int = 0
    count: int | None = None
    delay: float = 0.0
    status: int = 500
    code: str = "InternalFailureException"
    message: str = "The request processing has failed because of an unknown error."

    def __post_init__(self) -> None:
        """Take the kind by its name too, as it comes in JSON."""
        self.kind = FaultKind(self.kind)

    def hits(self, operation: str, channel: str | None) -> bool:
        """Say whether it is this one's turn, and count it."""
        if not fnmatchcase(operation, self.operation):
            return False
        if self.channel is not None and self.channel != channel:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is None:
            return True
        if self.count <= 0:
            return False
        self.count -= 1
        return True


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        """Begin without faults."""
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; it stays until it is used up or cleared."""
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Switch a fault off."""
        self._faults.remove(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def take_for_call(self, operation: str, channel: str | None) -> list[Fault]:
        """Return what hits this call or upgrade, and count it."""
        return self._take(_OF_CALLS, operation, channel)

    def take_for_message(self, message_type: str, channel: str) -> list[Fault]:
        """Return what hits this message, and count it."""
        return self._take(_OF_MESSAGES, message_type, channel)

    def _take(
        self, kinds: frozenset[FaultKind], operation: str, channel: str | None
    ) -> list[Fault]:
        hits = [
            fault
            for fault in self._faults
            if fault.kind in kinds and fault.hits(operation, channel)
        ]
        self._faults = [fault for fault in self._faults if fault.count != 0]
        return hits
