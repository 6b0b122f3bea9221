"""Timestamps of streams that come and go become one that only grows."""

from itertools import pairwise

from custom_components.kinesis_webrtc.peer.timeline import Timeline


def test_timestamps_that_stand_still_follow_the_clock() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    first = timeline.place(7)
    for _ in range(100):
        now += 0.04
        timeline.place(7)
    assert abs(timeline.last - first - 100 * 3600) <= 3600


def test_timeline_grows_over_jumps_and_restarts() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    places = [timeline.place(900_000)]
    now += 0.04
    places.append(timeline.place(903_600))
    now += 0.04
    places.append(timeline.place(0))
    now += 0.04
    places.append(timeline.place(90_000_000))
    now += 0.04
    places.append(timeline.place(None))
    timeline.restart()
    now += 1.0
    places.append(timeline.place(5))
    now += 0.04
    places.append(timeline.place(3605))
    steps = [after - before for before, after in pairwise(places)]
    assert all(abs(step - 3600) <= 1 for step in [*steps[:4], steps[5]])
    assert abs(steps[4] - 90_000) <= 1


def test_sound_has_a_place_once_pictures_of_its_clock_have_one() -> None:
    timeline = Timeline(lambda: 100.0)
    assert timeline.locate(900_000) is None
    picture = timeline.place(900_000)
    assert timeline.locate(901_800) == picture + 1800
    timeline.restart()
    assert timeline.locate(901_800) is None


def test_sound_of_another_clock_begins_at_the_last_picture() -> None:
    timeline = Timeline(lambda: 100.0)
    picture = timeline.place(900_000)
    assert timeline.locate(90_000_000) == picture


def test_what_is_shown_before_a_stream_has_a_place_before_all_of_it() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    last = timeline.place(5)
    assert timeline.advance() is None
    timeline.restart()
    now += 2.0
    shown = [timeline.advance()]
    now += 1.0
    shown.append(timeline.advance())
    first = timeline.place(7_000_000)
    assert shown == [last + 180_000, last + 270_000]
    assert first > last + 270_000
    assert timeline.advance() is None
