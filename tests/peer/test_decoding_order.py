"""Times to decode at keep the order in which pictures come."""

from itertools import pairwise

from custom_components.kinesis_webrtc.peer.decoding_order import DecodingOrder


def test_times_to_decode_at_keep_the_order_of_arrival() -> None:
    order = DecodingOrder()
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11]
    times = [order.place(each * 3600) for each in shown]
    assert all(before < after for before, after in pairwise(times))
    assert all(b - a == 3600 for a, b in pairwise(times[5:]))
    assert order.place(90_000_000) == 90_000_000
    assert order.place(0) == 0


def test_times_in_order_are_left_alone() -> None:
    order = DecodingOrder()
    shown = [0, 3600, 3600, 7200, 9000]
    assert [order.place(each) for each in shown] == shown
