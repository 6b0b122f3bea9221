"""Sound gets its place among the pictures by both streams' reports."""

import pytest

from custom_components.kinesis_webrtc.peer.sender_clock import SenderClock

NOON = 3_900_000_000 << 32


@pytest.fixture
def clock() -> SenderClock:
    clock = SenderClock()
    clock.picture_came(90_000, 10.0)
    return clock


def test_without_a_picture_sound_has_no_place() -> None:
    assert SenderClock().place_sound(0, 10.0) is None


def test_without_reports_what_comes_together_is_together(clock: SenderClock) -> None:
    assert clock.place_sound(5_000, 10.5) == 90_000 + 45_000
    # From then on by its own clock, however it comes.
    assert clock.place_sound(5_960, 10.9) == 90_000 + 45_000 + 1_800


def test_reports_tell_better(clock: SenderClock) -> None:
    clock.place_sound(0, 10.0)
    clock.report_picture(NOON, 90_000)
    assert clock.place_sound(960, 10.0) == 90_000 + 1_800
    # What was captured half a second after the picture, at noon.
    clock.report_sound(NOON + (1 << 31), 4_800)
    assert clock.place_sound(4_800, 10.1) == 90_000 + 45_000
    assert clock.place_sound(9_600, 10.1) == 90_000 + 54_000


def test_times_may_roll_over(clock: SenderClock) -> None:
    place = (1 << 32) + 90_000
    clock.picture_came(place, 20.0)
    clock.report_picture(NOON, 0xFFFFFFFF)
    clock.report_sound(NOON, 0xFFFFFFFF)
    # One second after the reports, and after both clocks have rolled over.
    clock.place_sound(0xFFFFFFFF, 20.0)
    assert clock.place_sound(47_999, 20.0) == (1 << 32) - 1 + 90_000


def test_clocks_of_different_worlds_are_not_compared(clock: SenderClock) -> None:
    clock.report_picture(NOON, 90_000)
    clock.report_sound(NOON + (3600 << 32), 0)
    assert clock.place_sound(0, 10.0) == 90_000


def test_a_sender_without_a_clock_says_nothing(clock: SenderClock) -> None:
    clock.report_picture(0, 90_000)
    clock.report_sound(0, 480_000)
    assert clock.place_sound(0, 10.0) == 90_000
