"""One thread sends to all; it comes with the first viewer and goes with the last."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
import threading
import time

import pytest

from custom_components.kinesis_webrtc.peer.fanout import Fanout
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.media_stream import NEVER
from custom_components.kinesis_webrtc.peer.packets import Layout
from custom_components.kinesis_webrtc.peer.ring import Frame

LAYOUT = Layout(99, b"", None, 16)
FRAME = Frame(7, AccessUnit(b"\x00\x00\x01\x65abc", 0, is_key=True))


class Stream:
    """Stands in for a viewer's stream."""

    def __init__(self, work: Callable[[float], float] = lambda _: NEVER) -> None:
        self.work = work
        self.frame = FRAME
        self.steps = 0
        self.threads: set[str] = set()
        self.stepped = threading.Semaphore(0)
        self.assemblies: list[object] = []
        self.failed = False

    def fail(self) -> None:
        self.failed = True

    def step(self, now: float, scratch: object, assemble: Callable) -> float:
        self.steps += 1
        self.threads.add(threading.current_thread().name)
        self.assemblies.append(assemble(self.frame, LAYOUT))
        try:
            return self.work(now)
        finally:
            self.stepped.release()


@pytest.fixture
def fanout() -> Iterator[Fanout]:
    fanout = Fanout()
    yield fanout
    fanout.close()


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.endswith("fanout")]


def test_thread_comes_and_goes_with_the_viewers(fanout: Fanout) -> None:
    assert not threads()
    first, second = Stream(), Stream()
    fanout.add(first)
    fanout.add(second)
    assert first.stepped.acquire(timeout=5)
    assert second.stepped.acquire(timeout=5)
    assert len(threads()) == 1
    fanout.remove(first)
    fanout.remove(first)
    fanout.remove(second)
    assert fanout.streams == 0
    for thread in threads():
        thread.join(5)
    third = Stream()
    fanout.add(third)
    assert third.stepped.acquire(timeout=5)
    assert first.threads == second.threads == third.threads
    fanout.close()
    assert not threads()


def test_thread_that_could_not_begin_is_begun_for_the_next_viewer(
    fanout: Fanout, without_threads: Callable[[], AbstractContextManager[None]]
) -> None:
    first, second = Stream(), Stream()
    with without_threads(), pytest.raises(RuntimeError):
        fanout.add(first)
    fanout.remove(first)
    fanout.add(second)
    assert second.stepped.acquire(timeout=5)


def test_viewers_are_looked_at_when_there_is_something_new(fanout: Fanout) -> None:
    stream = Stream()
    fanout.add(stream)
    assert stream.stepped.acquire(timeout=5)
    for _ in range(5):
        fanout.wake()
        assert stream.stepped.acquire(timeout=5)


def test_viewers_are_looked_at_when_they_are_due(fanout: Fanout) -> None:
    due: list[float] = []

    def work(now: float) -> float:
        if due:
            assert now >= due[-1]
        if len(due) == 3:
            return NEVER
        due.append(now + 0.02)
        return due[-1]

    began = time.monotonic()
    stream = Stream(work)
    fanout.add(stream)
    for _ in range(4):
        assert stream.stepped.acquire(timeout=5)
    assert time.monotonic() - began >= 0.06


def test_packets_are_laid_out_once_for_all(fanout: Fanout) -> None:
    streams = [Stream() for _ in range(3)]
    for stream in streams:
        fanout.add(stream)
    for stream in streams:
        assert stream.stepped.acquire(timeout=5)
    assert len({id(each) for stream in streams for each in stream.assemblies}) == 1


def test_pictures_of_two_rings_are_not_mixed_up(fanout: Fanout) -> None:
    first, second = Stream(), Stream()
    second.frame = Frame(7, AccessUnit(b"\x00\x00\x01\x65def", 0, is_key=True))
    for stream in (first, second):
        fanout.add(stream)
        assert stream.stepped.acquire(timeout=5)
    assert b"abc" in first.assemblies[0].batches[0].data
    assert b"def" in second.assemblies[0].batches[0].data


def test_viewer_that_fails_is_left_out(
    fanout: Fanout, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: float) -> float:
        raise LookupError("secret")

    broken, sound = Stream(fail), Stream()
    fanout.add(broken)
    fanout.add(sound)
    assert broken.stepped.acquire(timeout=5)
    assert sound.stepped.acquire(timeout=5)
    fanout.wake()
    assert sound.stepped.acquire(timeout=5)
    assert broken.steps == 1
    assert broken.failed
    assert not sound.failed
    assert fanout.streams == 1
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text
