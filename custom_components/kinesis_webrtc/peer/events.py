"""What sessions tell."""

from dataclasses import dataclass, field
from enum import StrEnum


class EndReason(StrEnum):
    """Why a session ended; closed list."""

    VIEWER_CLOSED = "viewer_closed"
    VIEWER_LOST = "viewer_lost"
    NEVER_CONNECTED = "never_connected"
    CONNECTION_FAILED = "connection_failed"
    RELAY_EXPIRED = "relay_expired"
    REPLACED = "replaced"
    UNSUPPORTED_CODEC = "unsupported_codec"
    SOURCE_FAILED = "source_failed"
    CAMERA_OFF = "camera_off"
    REQUESTED = "requested"
    NOT_DELIVERED = "not_delivered"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds from the offer's receipt; None for what never happened."""

    answered_ms: float | None = None
    connected_ms: float | None = None
    key_frame_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateGathered:
    """A local candidate that came after the answer."""

    viewer_id: str
    candidate: str = field(repr=False)
    sdp_mid: str
    sdp_m_line_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfCandidates:
    """No more local candidates will come."""

    viewer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """ICE and DTLS are done; media may flow.

    The types are those of the selected pair's candidates: host, srflx, prflx, relay.
    """

    viewer_id: str
    local_type: str | None = None
    remote_type: str | None = None
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrameSent:
    """The viewer was sent the first picture of the live stream that it can decode.

    What it was shown while the camera opened does not count.
    """

    viewer_id: str
    is_small: bool = False
    """Whether it is one that takes no larger pictures than an Echo."""

    shrunk_from: tuple[int, int] | None = None
    """The width and height of what is being made smaller for such viewers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The session is over; its last event."""

    viewer_id: str
    reason: EndReason
    timings: Timings
    detail: str | None = None
    bytes_sent: int = 0
    """Media and what protects it, without the headers of UDP and IP."""

    congested_seconds: float = 0.0
    """For how long it got less than all, as its way did not take all."""

    is_encoded: bool = False
    """Whether it got pictures that were encoded anew, as it could not show the others."""


type SessionEvent = (
    CandidateGathered | EndOfCandidates | Connected | KeyFrameSent | Ended
)
