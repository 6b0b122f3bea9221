"""What became of a shared camera's last views, for sensors and diagnostics."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
import time
from typing import Final

from homeassistant.util import dt as dt_util

from .alexa import SENDER_PREFIX
from .const import SELF_TEST_PREFIX
from .home_viewers import is_home_viewer
from .peer import Connected, Ended, EndReason, RefusalReason, SessionEvent, Timings

KEPT: Final = 20

_REFLEXIVE: Final = frozenset({"srflx", "prflx"})


class Door(StrEnum):
    """How a viewer's offer came in."""

    ALEXA = "alexa"
    CHANNEL = "channel"
    HOME = "home"
    SELF_TEST = "self_test"


class ConnectionKind(StrEnum):
    """The way that pictures take to a viewer; closed list."""

    DIRECT = "direct"
    REFLEXIVE = "reflexive"
    RELAYED = "relayed"


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """A view that is over, or that never came to be.

    It names the viewer by its door only: the ids of some tell who they are.
    """

    door: Door
    ended_at: datetime
    reason: str
    timings: Timings
    detail: str | None = None
    connection: ConnectionKind | None = None
    local_type: str | None = None
    remote_type: str | None = None
    seconds: float | None = None
    bytes_sent: int = 0
    congested_seconds: float = 0.0
    is_encoded: bool = False


class SessionLog:
    """Keeps the last views of one camera, and what entities show of the newest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; the clock, in s, is one that nobody sets."""
        self._clock = clock
        self._records: deque[SessionRecord] = deque(maxlen=KEPT)
        self._connected: dict[str, tuple[float, Connected]] = {}
        self.connection: ConnectionKind | None = None
        self.answer_ms: float | None = None
        # Offers whose senders had given up before an answer could be with them.
        self.offers_expired = 0

    @property
    def records(self) -> Iterable[SessionRecord]:
        """The views that are over, the newest first."""
        return reversed(self._records)

    @property
    def viewers(self) -> int:
        """The number of viewers that are connected now."""
        return len(self._connected)

    def record(self, event: SessionEvent) -> None:
        """Take what the peer tells of a view."""
        match event:
            case Connected(viewer_id=viewer_id):
                self._connected[viewer_id] = (self._clock(), event)
                self.connection = _kind(event)
                self.answer_ms = event.timings.answered_ms
            case Ended():
                self._record_end(event)

    def record_refusal(self, viewer_id: str, reason: RefusalReason) -> None:
        """Take that an offer was not answered."""
        if reason is RefusalReason.STALE:
            self.offers_expired += 1
        self._records.append(
            SessionRecord(
                door=_door(viewer_id),
                ended_at=dt_util.utcnow(),
                reason=reason.value,
                timings=Timings(),
            )
        )

    def clear_connected(self) -> None:
        """Forget who is connected, when all views were ended at once."""
        self._connected.clear()

    def _record_end(self, event: Ended) -> None:
        if event.reason is EndReason.NOT_DELIVERED:
            self.offers_expired += 1
        since, connected = self._connected.pop(event.viewer_id, (None, None))
        self._records.append(
            SessionRecord(
                door=_door(event.viewer_id),
                ended_at=dt_util.utcnow(),
                reason=event.reason.value,
                detail=event.detail,
                timings=event.timings,
                connection=_kind(connected) if connected else None,
                local_type=connected.local_type if connected else None,
                remote_type=connected.remote_type if connected else None,
                seconds=None if since is None else self._clock() - since,
                bytes_sent=event.bytes_sent,
                congested_seconds=round(event.congested_seconds, 1),
                is_encoded=event.is_encoded,
            )
        )


def _door(viewer_id: str) -> Door:
    if is_home_viewer(viewer_id):
        return Door.HOME
    if viewer_id.startswith(SELF_TEST_PREFIX):
        return Door.SELF_TEST
    if viewer_id.startswith(SENDER_PREFIX):
        return Door.ALEXA
    return Door.CHANNEL


def connection_kind(
    local_type: str | None, remote_type: str | None
) -> ConnectionKind | None:
    """Return the way that a pair of candidates stands for (RFC 8445 section 5.1.1).

    A relay on either side makes it a relayed one; an address that a server or the
    other side has seen, a reflexive one.
    """
    types = {local_type, remote_type}
    if None in types:
        return None
    if "relay" in types:
        return ConnectionKind.RELAYED
    return ConnectionKind.REFLEXIVE if types & _REFLEXIVE else ConnectionKind.DIRECT


def _kind(event: Connected) -> ConnectionKind | None:
    return connection_kind(event.local_type, event.remote_type)
