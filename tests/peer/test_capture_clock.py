"""Pictures that are delayed on their way do not move the clock."""

import pytest

from custom_components.kinesis_webrtc.peer.capture_clock import CaptureClock

BOOTED = 990_000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0] - BOOTED)
    return now


def test_delay_of_a_picture_is_not_its_time(now: list[float]) -> None:
    clock = CaptureClock()
    assert clock.offset is None
    for number in range(500):
        delay = (number % 5) * 0.03
        now[0] = 1_000_000 + number / 25 + delay
        clock.observe(number * 3600)
    assert clock.time_of(0) == pytest.approx(1_000_000, abs=0.002)


def test_slow_camera_is_followed(now: list[float]) -> None:
    clock = CaptureClock()
    for number in range(5000):
        now[0] = 1_000_000 + number / 25 * 1.0003
        clock.observe(number * 3600)
    assert clock.time_of(4999 * 3600) == pytest.approx(now[0], abs=0.01)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_clock_that_was_set_is_taken_at_once(
    now: list[float], monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clock = CaptureClock()
    clock.observe(0)
    known = clock.offset
    monkeypatch.setattr("time.time", lambda: now[0] + jump)
    assert clock.time_of(0) == now[0] + jump
    clock.observe(0)
    assert clock.time_of(0) == now[0] + jump
    assert clock.offset == known


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_camera_whose_clock_was_set_is_taken_at_once(
    now: list[float], jump: int
) -> None:
    clock = CaptureClock()
    clock.observe(0)
    clock.observe(jump * 90_000)
    assert clock.time_of(jump * 90_000) == now[0]
