"""Pauses grow while a camera fails, and end for whoever comes."""

import asyncio
from collections.abc import Callable

import pytest

from custom_components.kinesis_webrtc.peer import EndReason, Limits
from custom_components.kinesis_webrtc.peer.patience import Patience
from custom_components.kinesis_webrtc.peer.reader import Outcome


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses take no time; return how long they would have been."""
    found: list[float] = []
    stock = asyncio.timeout

    def timeout(delay: float) -> asyncio.Timeout:
        found.append(delay)
        return stock(0)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    return found


@pytest.fixture
def make() -> Callable[..., Patience]:
    def make(**limits: float) -> Patience:
        patience = Patience(Limits(**limits))
        patience.begin()
        return patience

    return make


@pytest.mark.parametrize(
    ("is_watched", "longest"), [(True, [2, 4, 5, 5]), (False, [2, 4, 8, 9])]
)
async def test_pauses_grow_further_while_nobody_watches(
    make: Callable[..., Patience],
    pauses: list[float],
    is_watched: bool,
    longest: list[float],
) -> None:
    patience = make(backoff_floor=1, backoff_ceiling=5, unwatched_backoff_ceiling=9)
    for _ in range(5):
        await patience.pause(is_watched=is_watched)
    assert pauses == [1, *longest]


async def test_the_last_attempt_comes_when_patience_ends(
    make: Callable[..., Patience], pauses: list[float]
) -> None:
    patience = make(backoff_floor=8, source_patience=10)
    for _ in range(2):
        await patience.pause(is_watched=True)
    assert pauses == [8, pytest.approx(10, abs=1)]


async def test_a_picture_or_a_wish_begins_anew(
    make: Callable[..., Patience], pauses: list[float]
) -> None:
    patience = make(backoff_floor=1, backoff_ceiling=5)
    for _ in range(2):
        await patience.pause(is_watched=True)
    patience.delivered(0.0)
    await patience.pause(is_watched=True)
    patience.wish(to_watch=True)
    await patience.pause(is_watched=True)
    assert pauses == [1, 2, 1, 1]


async def test_a_wish_ends_the_pause(make: Callable[..., Patience]) -> None:
    patience = make(backoff_floor=60)
    pausing = asyncio.create_task(patience.pause(is_watched=False))
    await asyncio.sleep(0)
    patience.wish(to_watch=False)
    async with asyncio.timeout(5):
        await pausing


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Outcome(detail="OSError"), None),
        (Outcome(detail="camera_off"), (EndReason.CAMERA_OFF, None)),
        (Outcome(detail="unexpected"), (EndReason.SOURCE_FAILED, "unexpected")),
        (
            Outcome(detail="unknown_codec", is_unsupported=True),
            (EndReason.UNSUPPORTED_CODEC, "unknown_codec"),
        ),
    ],
)
async def test_who_has_just_come_waits_for_what_may_pass(
    make: Callable[..., Patience],
    outcome: Outcome,
    end: tuple[EndReason, str | None] | None,
) -> None:
    assert make().end_for(outcome) == end


async def test_patience_ends(make: Callable[..., Patience]) -> None:
    patience = make(source_patience=0)
    outcome = Outcome(detail="OSError")
    assert patience.end_for(outcome) == (EndReason.SOURCE_FAILED, "OSError")


async def test_only_viewers_have_patience_anew(make: Callable[..., Patience]) -> None:
    patience = make(source_patience=30)
    patience.delivered(-1000.0)
    patience.wish(to_watch=False)
    assert patience.end_for(Outcome(detail="OSError")) is not None
    patience.wish(to_watch=True)
    assert patience.end_for(Outcome(detail="OSError")) is None
