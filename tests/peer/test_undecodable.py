"""Who asks without end, and loses nothing, does not show what it gets."""

from custom_components.kinesis_webrtc.peer.undecodable import Undecodable


def watch(
    *, every: float, seconds: float, lost: float = 0.0, reports: bool = True
) -> float | None:
    """Return when it is known of a viewer that asks so often; it reports each second."""
    viewer = Undecodable()
    for tick in range(int(seconds * 10)):
        if reports and tick % 10 == 0:
            viewer.report(lost, tick)
        if tick % int(every * 10) == 0 and viewer.asked(tick / 10):
            return tick / 10
    return None


def test_who_asks_without_end_cannot_show_it() -> None:
    assert watch(every=0.2, seconds=20) == 8.0
    assert watch(every=1.0, seconds=20) == 8.0


def test_who_asks_from_time_to_time_has_another_reason() -> None:
    assert watch(every=2.0, seconds=120) is None


def test_who_loses_packets_asks_for_that() -> None:
    assert watch(every=0.5, seconds=120, lost=0.02) is None


def test_who_reports_nothing_is_left_alone() -> None:
    assert watch(every=0.5, seconds=120, reports=False) is None


def test_who_gets_nothing_is_left_alone() -> None:
    viewer = Undecodable()
    for tick in range(100):
        viewer.report(0.0, 500)
        assert not viewer.asked(tick / 2)


def test_one_loss_begins_it_anew() -> None:
    viewer = Undecodable()
    known = []
    for tick in range(40):
        if tick % 2 == 0:
            viewer.report(0.3 if tick == 10 else 0.0, tick)
        if viewer.asked(tick / 2):
            known.append(tick / 2)
    # From the first request after the loss, which came with the request at five seconds.
    assert known[0] == 13.0


def test_who_joins_asks_for_a_moment_only() -> None:
    viewer = Undecodable()
    for tick in range(6):
        viewer.report(0.0, tick)
        assert not viewer.asked(tick / 2)
    viewer.report(0.0, 100)
    assert not viewer.asked(30.0)
