import random

from custom_components.kinesis_webrtc.signaling.backoff import Backoff


def longest(_: float, high: float) -> float:
    return high


def test_delays_grow_up_to_the_cap() -> None:
    backoff = Backoff(floor=1, cap=30, uniform=longest)

    assert [backoff.next_delay() for _ in range(7)] == [2, 4, 8, 16, 30, 30, 30]


def test_delays_never_end() -> None:
    backoff = Backoff(floor=1, cap=30, uniform=longest)

    assert {backoff.next_delay() for _ in range(5000)} == {2, 4, 8, 16, 30}


def test_reset_starts_anew() -> None:
    backoff = Backoff(floor=1, cap=30, uniform=longest)
    for _ in range(5):
        backoff.next_delay()

    backoff.reset()

    assert backoff.next_delay() == 2


def test_delays_are_spread_above_the_floor() -> None:
    backoff = Backoff(floor=1, cap=30, uniform=random.Random(1).uniform)
    delays = [backoff.next_delay() for _ in range(200)]

    assert min(delays) >= 1
    assert max(delays) <= 30
    assert len(set(delays)) == len(delays)


def test_floor_above_the_cap_wins() -> None:
    assert Backoff(floor=5, cap=1).next_delay() == 5
