"""A way that does not take all is known by what its viewer loses, late and for long."""

import pytest

from custom_components.kinesis_webrtc.peer.congestion import Congestion


class Way:
    """Reports once a second."""

    def __init__(self) -> None:
        self.congestion = Congestion()
        self.now = 100.0

    def lose(self, lost: float, seconds: int) -> list[float]:
        """Return when something has changed, in seconds from now."""
        changes = []
        for second in range(seconds):
            if self.congestion.report(self.now, lost):
                changes.append(second)
            self.now += 1
        return changes


@pytest.fixture
def way() -> Way:
    return Way()


def test_loss_that_lasts_is_congestion(way: Way) -> None:
    assert way.lose(0.0, 5) == []
    assert way.lose(0.15, 5) == [3]
    assert way.congestion.is_on


@pytest.mark.parametrize("lost", [0.03, 0.09])
def test_a_bad_line_that_carries_enough_is_none(way: Way, lost: float) -> None:
    assert way.lose(lost, 60) == []


def test_a_burst_is_none(way: Way) -> None:
    for _ in range(5):
        assert way.lose(0.5, 3) == []
        assert way.lose(0.0, 1) == []
    assert not way.congestion.is_on


def test_it_ends_when_all_goes_well_for_long(way: Way) -> None:
    way.lose(0.2, 4)
    assert way.lose(0.0, 9) == []
    # What is between the bounds is not well.
    assert way.lose(0.05, 20) == []
    assert way.lose(0.0, 12) == [10]
    assert not way.congestion.is_on


def test_whoever_has_a_relapse_waits_longer_each_time(way: Way) -> None:
    waits = []
    for _ in range(6):
        way.lose(0.2, 4)
        (wait,) = way.lose(0.0, 200)[:1]
        waits.append(wait)
        way.now -= 199 - wait
    assert waits == [10, 20, 40, 80, 160, 160]
    way.lose(0.0, 120)
    way.lose(0.2, 4)
    assert way.lose(0.0, 12) == [10]


def test_an_estimate_counts_with_loss_alone(way: Way) -> None:
    way.congestion.estimate(700_000, 1_000_000)
    assert way.lose(0.0, 20) == []
    assert way.lose(0.03, 5) == [3]


def test_an_estimate_that_is_enough_changes_nothing(way: Way) -> None:
    way.congestion.estimate(700_000, 1_000_000)
    way.congestion.estimate(900_000, 1_000_000)
    assert way.lose(0.03, 20) == []
