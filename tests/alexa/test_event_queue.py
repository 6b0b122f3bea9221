"""Events that wait, and what becomes of them when others come."""

from datetime import UTC, datetime

from hypothesis import given, strategies as st

from custom_components.kinesis_webrtc.alexa.event_queue import EventQueue, describe
from custom_components.kinesis_webrtc.alexa.events import (
    AddOrUpdate,
    Delete,
    DoorbellPress,
    Event,
    HealthChange,
    MotionChange,
)

AT = datetime(2026, 11, 23, tzinfo=UTC)
DOOR, GARDEN = "ha-front-door", "ha-garden"
LANE = (DOOR, False)
PRESSES = (DOOR, True)


def motion(detected: bool, endpoint_id: str = DOOR) -> MotionChange:
    return MotionChange(endpoint_id=endpoint_id, at=AT, detected=detected)


def health(reachable: bool, endpoint_id: str = DOOR) -> HealthChange:
    return HealthChange(endpoint_id=endpoint_id, at=AT, reachable=reachable)


def press(endpoint_id: str = DOOR) -> DoorbellPress:
    return DoorbellPress(endpoint_id=endpoint_id, at=AT)


def added(endpoint_id: str = DOOR) -> AddOrUpdate:
    return AddOrUpdate(endpoint={"endpointId": endpoint_id}, at=AT)


def deleted(endpoint_id: str = DOOR) -> Delete:
    return Delete(endpoint_id=endpoint_id, at=AT)


def queue(*events: Event, limit: int = 100) -> EventQueue:
    waiting = EventQueue(limit)
    for event in events:
        waiting.add(event, 10)
    return waiting


def events(waiting: EventQueue) -> list[Event]:
    return [item.event for item in waiting]


def test_a_newer_state_takes_the_place_of_the_older() -> None:
    waiting = queue(motion(True), health(True), motion(True, GARDEN), motion(False))

    assert events(waiting) == [motion(False), health(True), motion(True, GARDEN)]


def test_presses_are_never_merged() -> None:
    assert events(queue(press(), press())) == [press(), press()]


def test_of_a_camera_that_is_gone_nothing_else_is_told() -> None:
    waiting = queue(added(), press(), motion(True), motion(True, GARDEN), deleted())

    assert events(waiting) == [motion(True, GARDEN), deleted()]
    waiting.add(added(), 10)
    assert events(waiting) == [motion(True, GARDEN), added()]


def test_what_is_under_way_is_not_taken_back() -> None:
    waiting = queue(motion(True))
    (first,) = waiting
    first.under_way = True
    waiting.add(motion(False), 10)

    assert events(waiting) == [motion(True), motion(False)]
    waiting.add(deleted(), 10)
    assert events(waiting) == [motion(True), deleted()]


def test_what_could_not_be_told_waits_again_unless_something_newer_does() -> None:
    waiting = queue(motion(True))
    (first,) = waiting
    first.under_way = True
    waiting.give_back(first)
    assert waiting.first(LANE, 0) is first

    first.under_way = True
    waiting.add(motion(False), 10)
    waiting.give_back(first)
    assert events(waiting) == [motion(False)]


def test_a_lane_has_its_own_first() -> None:
    waiting = queue(motion(True), press(), press(GARDEN))

    first = waiting.first(PRESSES, 0)

    assert first is not None
    assert first.event == press()
    assert waiting.first((GARDEN, False), 0) is None


def test_what_is_stale_is_dropped() -> None:
    waiting = queue(press())
    waiting.add(press(), 20)

    first = waiting.first(PRESSES, 10)

    assert first is not None
    assert first.expires == 20
    assert len(waiting) == 1
    assert waiting.first(PRESSES, 20) is None
    assert len(waiting) == 0


def test_each_event_has_an_id_of_its_own() -> None:
    assert len({item.message_id for item in queue(press(), press(), motion(True))}) == 3


def test_the_log_names_an_event() -> None:
    (item,) = queue(press())

    assert describe(item) == "DoorbellPress of ha-front-door"


_EVENTS = st.sampled_from([DOOR, GARDEN]).flatmap(
    lambda name: st.sampled_from(
        [
            press(name),
            motion(True, name),
            motion(False, name),
            health(True, name),
            health(False, name),
            added(name),
            deleted(name),
        ]
    )
)


@given(st.lists(_EVENTS, max_size=40), st.integers(1, 10))
def test_what_waits_is_bounded_and_the_newest(sent: list[Event], limit: int) -> None:
    waiting = events(queue(*sent, limit=limit))

    assert len(waiting) <= limit
    subjects = [
        (event.endpoint_id, event.subject) for event in waiting if event.subject
    ]
    assert len(subjects) == len(set(subjects))
    if sent:
        assert sent[-1] in waiting
    for event in waiting:
        if event.subject is not None:
            last = [
                other
                for other in sent
                if (other.endpoint_id, other.subject)
                == (event.endpoint_id, event.subject)
            ][-1]
            assert event == last
