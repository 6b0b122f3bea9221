"""What a thread takes is measured while it works, and is nothing afterwards."""

import threading
import time

import pytest

from custom_components.kinesis_webrtc.peer import cpu
from custom_components.kinesis_webrtc.peer.cpu import CpuMeter


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Have the test say what time it is, and how much of it the thread had."""
    now = {"wall": 100.0, "thread": 5.0}
    monkeypatch.setattr(cpu.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(cpu.time, "thread_time", lambda: now["thread"])
    return now


def test_it_is_the_share_of_the_last_seconds(clocks: dict[str, float]) -> None:
    meter = CpuMeter()
    assert meter.percent == 0
    with meter.measuring():
        clocks["wall"] += 1
        clocks["thread"] += 1
        meter.lap()
        # A second is too short to tell.
        assert meter.percent == 0
        clocks["wall"] += 1
        meter.lap()
        assert meter.percent == 50
        clocks["wall"] += 4
        clocks["thread"] += 1
        meter.lap()
        assert meter.percent == 25
    assert meter.percent == 0


def test_other_threads_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_SPAN", 0.0)
    meter = CpuMeter()

    def work() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass

    thread = threading.Thread(target=work)
    with meter.measuring():
        thread.start()
        thread.join()
        meter.lap()
        assert meter.percent < 50
