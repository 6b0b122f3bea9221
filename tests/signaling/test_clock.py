from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import logging

import pytest

from custom_components.kinesis_webrtc.signaling import ServiceClock

LOCAL = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def clock() -> ServiceClock:
    return ServiceClock(now=lambda: LOCAL)


def date(offset: timedelta) -> str:
    return format_datetime(LOCAL + offset, usegmt=True)


@pytest.mark.parametrize("minutes", [10, -10])
def test_large_offset_is_corrected(clock: ServiceClock, minutes: int) -> None:
    clock.learn(date(timedelta(minutes=minutes)))

    assert clock.offset == timedelta(minutes=minutes)
    assert clock.now() == LOCAL + timedelta(minutes=minutes)


def test_small_offset_is_told_but_not_corrected(clock: ServiceClock) -> None:
    clock.learn(date(timedelta(seconds=30)))

    assert clock.offset == timedelta(seconds=30)
    assert clock.correction == timedelta()
    assert clock.now() == LOCAL


def test_a_listener_is_told_when_a_correction_begins_and_ends(
    clock: ServiceClock,
) -> None:
    told: list[timedelta] = []
    clock.on_correction(told.append)

    for seconds in (30, 600, 601, 20, 0):
        clock.learn(date(timedelta(seconds=seconds)))

    assert told == [timedelta(seconds=600), timedelta()]


@pytest.mark.parametrize("step", [-600, -3, 3, 600])
def test_an_offset_is_not_that_of_a_clock_that_was_set_since(step: float) -> None:
    passed = jumped = 0.0
    clock = ServiceClock(
        now=lambda: LOCAL + timedelta(seconds=passed + jumped),
        steady=lambda: 7 + passed,
    )
    clock.learn(date(timedelta(minutes=10)))

    passed = 3600
    assert clock.offset == timedelta(minutes=10)

    jumped = step
    assert clock.offset == timedelta()

    clock.learn(date(timedelta(seconds=passed + jumped + 30)))
    assert clock.offset == timedelta(seconds=30)


def test_correction_ends_when_the_clock_is_right_again(clock: ServiceClock) -> None:
    clock.learn(date(timedelta(hours=1)))
    clock.learn(date(timedelta()))

    assert clock.now() == LOCAL


@pytest.mark.parametrize(
    "value", [None, "", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT"]
)
def test_unreadable_date_changes_nothing(
    clock: ServiceClock, value: str | None
) -> None:
    clock.learn(date(timedelta(hours=1)))
    clock.learn(value)

    assert clock.offset == timedelta(hours=1)


def test_date_without_zone_is_utc(clock: ServiceClock) -> None:
    clock.learn("Fri, 02 Jan 2026 04:04:05 -0000")

    assert clock.offset == timedelta(hours=1)


def test_earlier_signature_is_doubted_after_a_new_offset(clock: ServiceClock) -> None:
    before = clock.correction
    clock.learn(date(timedelta(minutes=10)))

    assert clock.differs(before)
    assert not clock.differs(clock.correction)


def test_user_is_told_once(
    clock: ServiceClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        clock.learn(date(timedelta(minutes=10)))
        clock.learn(date(timedelta(minutes=11)))

    assert len(caplog.records) == 1
    assert "600 s" in caplog.text


def test_user_is_told_that_the_clock_is_right_again(
    clock: ServiceClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.learn(date(timedelta(minutes=10)))
    with caplog.at_level(logging.INFO):
        clock.learn(date(timedelta()))
        clock.learn(date(timedelta()))

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_local_clock_is_the_default() -> None:
    before = datetime.now(UTC)

    assert before <= ServiceClock().now() <= datetime.now(UTC)
