"""A sender's offers pass as often as a viewer has reason to make them."""

from custom_components.kinesis_webrtc.offer_rate import OFFERS, PERIOD, OfferRate

from .conftest import Clock


def test_those_that_are_too_many_are_counted(clock: Clock) -> None:
    rate = OfferRate(clock)

    assert [rate.count("a") for _ in range(OFFERS + 3)] == [0] * OFFERS + [1, 2, 3]


def test_others_are_not_concerned(clock: Clock) -> None:
    rate = OfferRate(clock)
    for _ in range(OFFERS * 10):
        rate.count("a")

    assert rate.count("b") == 0


def test_time_makes_room_again(clock: Clock) -> None:
    rate = OfferRate(clock)
    for _ in range(OFFERS + 1):
        rate.count("a")
    clock.now += PERIOD

    assert rate.count("a") == 0


def test_whoever_goes_on_flooding_gets_no_more_than_the_rate(clock: Clock) -> None:
    rate = OfferRate(clock)
    passed = 0
    for _ in range(1000):
        clock.now += PERIOD / 100
        passed += rate.count("a") == 0

    assert passed == 10 * OFFERS


def test_senders_that_come_and_go_are_forgotten(clock: Clock) -> None:
    rate = OfferRate(clock)
    for number in range(10_000):
        rate.count(f"viewer-{number}")

    assert len(rate._senders) < 1000
