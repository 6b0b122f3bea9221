"""How long to wait for before the next websocket, by what became of the last ones."""

from dataclasses import dataclass
from typing import Final

from .backoff import Backoff
from .errors import (
    CannotConnectError,
    ClientLimitExceededError,
    DisplacedError,
    ServiceError,
    SignalingError,
)

# So many sockets in a row that ended early are no chance any more.
_TELL_AFTER = 3
# A bad line is put up with for so long; then it may be another master, which AWS may
# take our sockets away for without a word.
_LOSSES_IN_A_ROW = 30
# So many refusals take about three minutes, in which the one who is to end them is there.
_REFUSALS_IN_A_ROW = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTimes:
    """The times of a connection, all in seconds.

    The service allows 3 connects a second to a channel, and closes a websocket after
    10 minutes of silence and after 1 hour:
    https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/kvswebrtc-limits.html
    """

    connect: float = 10
    # Of them for TCP and TLS, mostly. Into a way that is gone TCP sends after 1, 3 and 7 s,
    # so that a new attempt meets the way's return sooner than a long one.
    reach: float = 3
    heartbeat: float = 10
    send: float = 5
    # A socket that lived for this long proves that connecting works.
    stable: float = 60
    # Ours before the service's hour, so that the next socket is open first.
    renew: float = 55 * 60
    # How long a replaced socket may still deliver.
    linger: float = 2
    backoff_floor: float = 1
    # Of the delay after refusals for long, which only somebody's doing ends.
    backoff_cap: float = 30
    # Of the delay while the service is away, and after the first refusals.
    outage_cap: float = 3
    # Of the delay after a socket that was lost without a word.
    loss_cap: float = 2
    # Of the delay after sockets that were closed early: two masters must not fight.
    displaced_cap: float = 300


USUAL_TIMES: Final = ConnectionTimes()


class Reconnecting:
    """Counts what went wrong in a row, and tells what follows from it."""

    def __init__(self, *, times: ConnectionTimes, operation: str) -> None:
        """Start as if nothing had gone wrong yet."""
        floor = self._floor = times.backoff_floor
        self._outage_cap = times.outage_cap
        self._operation = operation
        self._failure = Backoff(floor=floor, cap=times.backoff_cap)
        self._loss = Backoff(floor=floor, cap=times.loss_cap)
        self._close = Backoff(floor=floor, cap=times.displaced_cap)
        self._losses = 0
        self._closes = 0
        self._refusals = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether the next socket may be expected to end as early as the last ones."""
        return max(self._losses, self._closes) >= _TELL_AFTER

    def reset(self) -> None:
        """Take that a socket has lasted."""
        self._losses = self._closes = self._refusals = 0
        for backoff in (self._failure, self._loss, self._close):
            backoff.reset()

    def after_failure(self, err: SignalingError, *, took: float = 0) -> float:
        """Take a failed attempt; return the seconds to wait for.

        One that `took` some time and reached nobody has done some of the waiting.
        """
        ends_by_itself = isinstance(
            err, CannotConnectError | ClientLimitExceededError | ServiceError
        )
        self._refusals = 0 if ends_by_itself else self._refusals + 1
        is_patient = self._refusals <= _REFUSALS_IN_A_ROW
        delay = self._failure.next_delay(cap=self._outage_cap if is_patient else None)
        if isinstance(err, CannotConnectError):
            return max(delay - took, self._floor / 2)
        return delay

    def early_end(self, *, lost: bool) -> SignalingError | None:
        """Take that a socket has ended early; return what is wrong if that goes on.

        `lost` without a word of the service, as bad lines do. Else either the service
        is unwell, or another master takes the channel from us, as we from it:
        https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/ConnectAsMaster.html
        """
        if lost:
            self._losses += 1
            if self._losses >= _TELL_AFTER:
                return CannotConnectError(
                    "the connection does not last", operation=self._operation
                )
        else:
            self._closes += 1
            if self._closes >= _TELL_AFTER:
                return DisplacedError(operation=self._operation)
        return None

    def after_early_end(self, *, lost: bool) -> float:
        """Return the seconds to wait for after a socket that has ended early."""
        if lost and self._losses <= _LOSSES_IN_A_ROW:
            return self._loss.next_delay()
        return self._close.next_delay()
