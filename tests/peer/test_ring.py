"""The latest pictures: two groups of them, within bounds, and places among them."""

import time

from aiortc import clock
import pytest

from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.ring import Cursor, Ring, ntp


def unit(number: int, *, key: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(b"\x00" * size, number * 3600, key)


@pytest.fixture
def ring() -> Ring:
    return Ring(10_000)


def push(ring: Ring, numbers: range, gop: int = 5) -> None:
    for number in numbers:
        ring.push(unit(number, key=number % gop == 0))


def kept(ring: Ring) -> list[int]:
    numbers = range(ring.first, ring.end)
    assert all(ring.get(number) is not None for number in numbers)
    assert ring.get(ring.first - 1) is None
    return list(numbers)


def test_group_in_flight_and_the_one_before_are_kept(ring: Ring) -> None:
    push(ring, range(17))
    assert kept(ring) == list(range(10, 17))
    assert ring.key == 15
    assert [each.timestamp // 3600 for each in ring.group()] == [15, 16]


def test_nothing_is_kept_of_a_camera_that_is_closed(ring: Ring) -> None:
    cursor = Cursor(ring, 75)
    push(ring, range(7))
    while cursor.take():
        pass
    ring.clear()
    assert kept(ring) == []
    assert ring.group() == []
    assert ring.bit_rate == 0
    assert cursor.take() is None
    push(ring, range(8, 12))
    # Numbers go on, and so do the places of those who have stayed.
    assert kept(ring) == [7, 8]
    assert (frame := cursor.take()) is not None
    assert frame.unit.is_key
    ring.clear()
    assert cursor.take() is None


def test_nothing_counts_before_a_key_picture(ring: Ring) -> None:
    push(ring, range(3, 7))
    assert [each.timestamp // 3600 for each in ring.group()] == [5, 6]
    ring.forget()
    assert ring.group() == []
    push(ring, range(7, 10))
    assert ring.end == 2
    push(ring, range(10, 12))
    assert [each.timestamp // 3600 for each in ring.group()] == [10, 11]


def test_memory_is_bounded_and_a_group_without_its_key_is_none() -> None:
    ring = Ring(35)
    push(ring, range(3))
    assert len(ring.group()) == 3
    push(ring, range(3, 5))
    assert ring.group() == []
    assert kept(ring) == [2, 3, 4]
    push(ring, range(5, 6))
    assert len(ring.group()) == 1
    ring.push(unit(6, size=1000))
    assert kept(ring) == [6]


def test_key_picture_in_parts_is_one(ring: Ring) -> None:
    for number in (0, 1, 2, 2, 3):
        ring.push(unit(number, key=number in {0, 2}))
    assert [each.timestamp // 3600 for each in ring.group()] == [2, 2, 3]


def test_rate_is_told_once_there_is_enough(ring: Ring) -> None:
    push(ring, range(5), gop=100)
    assert ring.bit_rate == 0
    push(ring, range(5, 26), gop=100)
    assert ring.bit_rate == pytest.approx(26 * 80)


def test_times_are_those_of_the_network() -> None:
    now = time.time()
    assert abs(ntp(now) - clock.current_ntp_time()) < 5 << 32
    assert ntp(0.5) == 2_208_988_800 << 32 | 1 << 31


def taken(cursor: Cursor) -> list[int]:
    numbers = []
    while (frame := cursor.take()) is not None:
        numbers.append(frame.unit.timestamp // 3600)
    return numbers


def test_those_who_join_begin_with_the_group_in_flight(ring: Ring) -> None:
    push(ring, range(8))
    cursor = Cursor(ring, 2)
    assert cursor.peek() is ring.get(5)
    assert taken(cursor) == [5, 6, 7]
    assert cursor.peek() is None
    push(ring, range(8, 11))
    assert taken(cursor) == [8, 9, 10]
    assert cursor.dropped == 0


def test_those_who_join_early_wait_for_a_key_picture(ring: Ring) -> None:
    cursor = Cursor(ring, 2)
    push(ring, range(3, 5))
    assert taken(cursor) == []
    push(ring, range(5, 7))
    assert taken(cursor) == [5, 6]


def test_slow_viewer_loses_whole_pictures_until_the_next_key_picture(
    ring: Ring,
) -> None:
    cursor = Cursor(ring, 5)
    push(ring, range(2), gop=20)
    assert taken(cursor) == [0, 1]
    push(ring, range(2, 7), gop=20)
    assert not cursor.is_behind()
    push(ring, range(7, 20), gop=20)
    assert cursor.is_behind()
    assert taken(cursor) == []
    push(ring, range(20, 22), gop=20)
    assert taken(cursor) == [20, 21]
    assert cursor.dropped == 18


def test_slow_viewer_goes_on_at_the_latest_key_picture(ring: Ring) -> None:
    cursor = Cursor(ring, 5)
    push(ring, range(1))
    assert taken(cursor) == [0]
    push(ring, range(1, 23))
    assert taken(cursor) == [20, 21, 22]
    assert cursor.dropped == 19


def test_backlog_of_those_who_join_shrinks_as_they_catch_up(ring: Ring) -> None:
    push(ring, range(50), gop=100)
    cursor = Cursor(ring, 3)
    for _ in range(45):
        cursor.take()
    push(ring, range(50, 53), gop=100)
    assert not cursor.is_behind()
    assert cursor.take() is ring.get(45)
    push(ring, range(53, 60), gop=100)
    assert taken(cursor) == []
    assert cursor.dropped == 0


def test_viewer_goes_back_to_the_latest_key_picture(ring: Ring) -> None:
    cursor = Cursor(ring, 5)
    assert not cursor.rewind()
    push(ring, range(9))
    assert taken(cursor) == [5, 6, 7, 8]
    assert cursor.rewind()
    assert taken(cursor) == [5, 6, 7, 8]
    ring.forget()
    assert not cursor.rewind()
    assert taken(cursor) == []
