from statistics import median

import pytest

from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    ConnectionTimes,
    DisplacedError,
    NotAuthorizedError,
    ResourceNotFoundError,
    ServiceError,
    SignalingError,
)
from custom_components.kinesis_webrtc.signaling.reconnecting import Reconnecting


@pytest.fixture
def reconnecting() -> Reconnecting:
    return Reconnecting(times=ConnectionTimes(), operation="ConnectAsMaster")


def residual(delays: list[float]) -> float:
    """Return the median time from any moment of the delays to the end of its delay."""
    ordered = sorted(delays)
    total = sum(ordered)

    def left(after: float) -> float:
        return sum(max(delay - after, 0) for delay in ordered) / total

    return next(tenth / 10 for tenth in range(1000) if left(tenth / 10) <= 0.5)


@pytest.mark.parametrize(
    "error",
    [CannotConnectError(), ServiceError(code="HTTP 503"), ClientLimitExceededError()],
)
def test_a_service_that_was_away_for_long_is_found_back_within_two_seconds(
    error: SignalingError, reconnecting: Reconnecting
) -> None:
    delays = [reconnecting.after_failure(error) for _ in range(2000)]

    assert min(delays) >= 1
    assert residual(delays) < 1.6


@pytest.mark.parametrize("error", [NotAuthorizedError(), ResourceNotFoundError()])
def test_what_only_somebodys_doing_ends_is_asked_for_rarely(
    error: SignalingError, reconnecting: Reconnecting
) -> None:
    delays = [reconnecting.after_failure(error) for _ in range(2000)]

    # The one who ends it may be at work.
    assert max(delays[:60]) <= 4
    assert 10 < median(delays[60:]) < 20
    assert max(delays) <= 30


def test_a_bad_line_is_taken_up_again_at_once_for_minutes(
    reconnecting: Reconnecting,
) -> None:
    delays = []
    for _ in range(24):
        reconnecting.early_end(lost=True)
        delays.append(reconnecting.after_early_end(lost=True))

    assert min(delays) >= 1
    assert max(delays) <= 2


@pytest.mark.parametrize(
    ("lost", "kind"), [(True, CannotConnectError), (False, DisplacedError)]
)
def test_what_goes_on_is_told_and_put_up_with_ever_less(
    lost: bool, kind: type[SignalingError], reconnecting: Reconnecting
) -> None:
    told = [reconnecting.early_end(lost=lost) for _ in range(3)]
    assert [error is None for error in told] == [True, True, False]
    assert isinstance(told[-1], kind)
    assert reconnecting.is_doubtful

    delays = []
    for _ in range(200):
        reconnecting.early_end(lost=lost)
        delays.append(reconnecting.after_early_end(lost=lost))
    assert median(delays[100:]) > 60
    assert max(delays) <= 300


def test_a_socket_that_lasts_clears_the_account(reconnecting: Reconnecting) -> None:
    for _ in range(50):
        reconnecting.early_end(lost=False)
        reconnecting.after_early_end(lost=False)

    reconnecting.reset()

    assert not reconnecting.is_doubtful
    assert reconnecting.early_end(lost=False) is None
    assert reconnecting.after_early_end(lost=False) <= 2


def test_an_attempt_that_takes_long_is_followed_sooner(
    reconnecting: Reconnecting,
) -> None:
    delays = [
        reconnecting.after_failure(CannotConnectError(), took=2) for _ in range(2000)
    ]

    assert min(delays) == 0.5
    assert max(delays) <= 2

    # Who answers is not to be asked any sooner.
    assert reconnecting.after_failure(ServiceError(code="HTTP 503"), took=9) >= 1
