"""The log keeps what became of the last views, and names no viewer."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.kinesis_webrtc.peer import (
    Connected,
    Ended,
    EndReason,
    KeyFrameSent,
    RefusalReason,
    Timings,
)
from custom_components.kinesis_webrtc.session_log import (
    KEPT,
    ConnectionKind,
    Door,
    SessionLog,
)

from .conftest import Clock

TIMINGS = Timings(answered_ms=120.0, connected_ms=300.0, key_frame_ms=350.0)


@pytest.fixture
def log(clock: Clock) -> SessionLog:
    return SessionLog(clock)


def connected(viewer_id: str = "v", local: str = "host", remote: str = "host"):
    return Connected(
        viewer_id=viewer_id,
        local_type=local,
        remote_type=remote,
        timings=Timings(answered_ms=120.0, connected_ms=300.0),
    )


def ended(viewer_id: str = "v", reason: EndReason = EndReason.VIEWER_CLOSED):
    return Ended(viewer_id=viewer_id, reason=reason, timings=TIMINGS, bytes_sent=9)


def test_a_view_is_kept_when_it_is_over(log: SessionLog, clock: Clock) -> None:
    log.record(connected())
    log.record(KeyFrameSent(viewer_id="v"))
    assert list(log.records) == []
    assert log.viewers == 1

    clock.now += 60
    log.record(ended())

    (record,) = log.records
    assert log.viewers == 0
    assert record.reason == "viewer_closed"
    assert record.timings == TIMINGS
    assert record.connection is ConnectionKind.DIRECT
    assert (record.local_type, record.remote_type) == ("host", "host")
    assert record.seconds == pytest.approx(60)
    assert record.bytes_sent == 9


def test_a_system_clock_that_is_set_meanwhile_does_not_count(
    log: SessionLog, clock: Clock, freezer: FrozenDateTimeFactory
) -> None:
    log.record(connected())
    clock.now += 60
    freezer.tick(timedelta(hours=-3))
    log.record(ended())

    (record,) = log.records
    assert record.seconds == pytest.approx(60)


def test_one_that_never_connected_and_a_refusal_are_kept_too(log: SessionLog) -> None:
    log.record(ended(reason=EndReason.NEVER_CONNECTED))
    log.record_refusal("w", RefusalReason.NO_H264)

    refused, never = log.records
    assert never.reason == "never_connected"
    assert never.connection is None
    assert never.seconds is None
    assert refused.reason == "no_h264"
    assert refused.timings == Timings()


def test_only_the_last_ones_are_kept(log: SessionLog) -> None:
    for number in range(KEPT + 5):
        log.record(
            Ended(
                viewer_id="v",
                reason=EndReason.VIEWER_CLOSED,
                timings=TIMINGS,
                bytes_sent=number,
            )
        )
    assert [record.bytes_sent for record in log.records] == [
        *range(KEPT + 4, 4, -1),
    ]


@pytest.mark.parametrize(
    ("viewer_id", "door"),
    [
        ("home:1", Door.HOME),
        ("self-test-1", Door.SELF_TEST),
        ("alexa-abc-1", Door.ALEXA),
        ("C1A2", Door.CHANNEL),
    ],
)
def test_a_viewer_is_known_by_its_door_alone(
    log: SessionLog, viewer_id: str, door: Door
) -> None:
    log.record(ended(viewer_id))
    (record,) = log.records
    assert record.door is door
    assert viewer_id not in repr(record)


@pytest.mark.parametrize(
    ("local", "remote", "kind"),
    [
        ("host", "host", ConnectionKind.DIRECT),
        ("srflx", "host", ConnectionKind.REFLEXIVE),
        ("host", "prflx", ConnectionKind.REFLEXIVE),
        ("relay", "host", ConnectionKind.RELAYED),
        ("srflx", "relay", ConnectionKind.RELAYED),
        (None, None, None),
    ],
)
def test_the_way_follows_from_the_pair(
    log: SessionLog, local: str, remote: str, kind: ConnectionKind | None
) -> None:
    log.record(connected(local=local, remote=remote))
    assert log.connection is kind
    assert log.answer_ms == 120.0


def test_offers_that_came_to_nothing_for_want_of_time_are_counted(
    log: SessionLog,
) -> None:
    log.record_refusal("v", RefusalReason.STALE)
    log.record(ended(reason=EndReason.NOT_DELIVERED))
    assert log.offers_expired == 2

    log.record_refusal("v", RefusalReason.NO_H264)
    log.record(ended(reason=EndReason.NEVER_CONNECTED))
    assert log.offers_expired == 2


def test_all_can_be_gone_at_once(log: SessionLog) -> None:
    log.record(connected())
    log.clear_connected()
    assert log.viewers == 0
