"""Pictures of one ring come, smaller, into another: at once, in time, in order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
import threading

import av
import pytest

from custom_components.kinesis_webrtc.peer import StreamUrl, shrink
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.reader import StreamReader
from custom_components.kinesis_webrtc.peer.ring import Ring
from custom_components.kinesis_webrtc.peer.shrink import Shrinker
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from tests.helpers.clip import make_clip, number_of

WIDTH = 1920


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> list[AccessUnit]:
    """Return the pictures of a camera with more than an Echo takes: High profile."""
    path = tmp_path_factory.mktemp("clips") / "large.mp4"
    return read(
        make_clip(path, size=(WIDTH, 1080), seconds=2.4, gop=20, profile="high")
    )


def read(path: Path) -> list[AccessUnit]:
    units: list[AccessUnit] = []
    StreamReader(
        StreamUrl(url=str(path), options={"re": "0"}),
        timeline=Timeline(),
        on_format=lambda _: None,
        on_unit=units.append,
        open_timeout=5,
        read_timeout=5,
    ).run()
    return units


class Shrinking:
    """A shrinker whose pictures are counted."""

    def __init__(self, **options: int) -> None:
        self.source = Ring(64_000_000)
        self.failed = threading.Event()
        self.came = threading.Semaphore(0)
        self.shrinker = Shrinker(
            self.source,
            max_bytes=16_000_000,
            backlog=75,
            on_picture=self.came.release,
            on_failure=self.failed.set,
            **options,
        )

    def push(self, units: list[AccessUnit]) -> None:
        for unit in units:
            self.source.push(unit)
        self.shrinker.wake()

    def push_slowly(self, units: list[AccessUnit]) -> None:
        """Push pictures as they would come: each when the last one is through."""
        for unit in units:
            self.push([unit])
            assert self.came.acquire(timeout=20)

    @property
    def pictures(self) -> list[AccessUnit]:
        ring = self.shrinker.ring
        frames = map(ring.get, range(ring.first, ring.end))
        return [frame.unit for frame in frames if frame is not None]


@pytest.fixture
def make_shrinking() -> Iterator[Callable[..., Shrinking]]:
    made: list[Shrinking] = []

    def make(**options: int) -> Shrinking:
        made.append(Shrinking(**options))
        return made[-1]

    yield make
    for each in made:
        each.shrinker.stop()
        if each.shrinker.thread.is_alive():
            each.shrinker.thread.join()


@pytest.fixture
def shrinking(make_shrinking: Callable[..., Shrinking]) -> Shrinking:
    shrinking = make_shrinking()
    shrinking.shrinker.start()
    return shrinking


def decode(pictures: list[AccessUnit]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    frames = []
    for picture in pictures:
        frames += decoder.decode(av.Packet(picture.data))
    return frames + decoder.decode(None)


def test_every_picture_comes_smaller_with_its_own_time(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    shrinking.push_slowly(units)
    pictures = shrinking.pictures
    assert [each.timestamp for each in pictures] == [each.timestamp for each in units]
    frames = decode(pictures)
    assert {(frame.width, frame.height) for frame in frames} == {(1280, 720)}
    assert [number_of(frame, WIDTH) for frame in frames] == list(range(len(units)))
    # So that viewers bring pictures and sound together as those of the camera.
    ring = shrinking.shrinker.ring
    for number in range(ring.first, ring.end):
        twin, frame = shrinking.source.get(number), ring.get(number)
        assert frame is not None
        assert twin is None or abs(frame.ntp - twin.ntp) < 0.5 * (1 << 32)
    assert ring.clock is shrinking.source.clock


def test_key_pictures_come_every_two_seconds_whatever_the_cameras_do(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    shrinking.push_slowly(units)
    keys = [each.timestamp for each in shrinking.pictures if each.is_key]
    assert keys == [units[0].timestamp, units[50].timestamp]


def test_what_was_there_before_is_not_shown(
    make_shrinking: Callable[..., Shrinking], units: list[AccessUnit]
) -> None:
    shrinking = make_shrinking()
    shrinking.push(units[:15])
    shrinking.shrinker.start()
    assert shrinking.came.acquire(timeout=20)
    [picture] = shrinking.pictures
    assert picture.is_key
    assert picture.timestamp == units[14].timestamp
    [frame] = decode([picture])
    assert number_of(frame, WIDTH) == 14


def test_pictures_before_a_change_do_not_count(
    make_shrinking: Callable[..., Shrinking], units: list[AccessUnit]
) -> None:
    shrinking = make_shrinking(not_before=20)
    shrinking.push(units[:10])
    shrinking.shrinker.start()
    shrinking.push(units[10:20])
    shrinking.push_slowly(units[20:22])
    stamps = [each.timestamp for each in shrinking.pictures]
    assert stamps == [each.timestamp for each in units[20:22]]


def test_another_size_goes_on_with_a_key_picture(
    shrinking: Shrinking, units: list[AccessUnit], tmp_path: Path
) -> None:
    tall = read(make_clip(tmp_path / "tall.mp4", size=(1080, 1440), seconds=0.2))
    after = [
        AccessUnit(each.data, units[9].timestamp + each.timestamp, each.is_key)
        for each in tall
    ]
    shrinking.push_slowly(units[:10] + after)
    sizes = [(frame.width, frame.height) for frame in decode(shrinking.pictures)]
    assert sizes == [(1280, 720)] * 10 + [(720, 960)] * 5
    assert shrinking.pictures[10].is_key


def test_after_a_break_it_begins_with_a_key_picture(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    shrinking.push_slowly(units[:5])
    shrinking.source.forget()
    shrinking.shrinker.forget()
    later = [
        AccessUnit(each.data, units[4].timestamp + 9000 + each.timestamp, each.is_key)
        for each in units[:3]
    ]
    shrinking.push_slowly(later)
    assert [each.is_key for each in shrinking.pictures] == [
        *(True, False, False, False, False),
        *(True, False, False),
    ]


def test_what_stands_in_for_the_stream_says_so_and_the_stream_begins_anew(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    still = replace(units[0], is_stand_in=True)
    assert shrinking.source.push_stand_in(still)
    shrinking.shrinker.wake()
    assert shrinking.came.acquire(timeout=20)
    live = [replace(each, timestamp=each.timestamp + 90_000) for each in units[:3]]
    shrinking.push_slowly(live)
    pictures = shrinking.pictures
    assert [each.is_stand_in for each in pictures] == [True, False, False, False]
    assert [each.is_key for each in pictures] == [True, True, False, False]


def test_damaged_pictures_cost_no_others(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    shrinking.push_slowly(units[:3])
    shrinking.push([AccessUnit(b"\x00\x00\x00\x01\x41\xff", units[3].timestamp, False)])
    shrinking.push_slowly(units[20:24])
    assert not shrinking.failed.is_set()
    assert len(decode(shrinking.pictures)) == 7


def test_its_thread_ends_and_nothing_comes_any_more(
    shrinking: Shrinking, units: list[AccessUnit]
) -> None:
    shrinking.push_slowly(units[:2])
    shrinking.shrinker.stop()
    shrinking.shrinker.thread.join()
    shrinking.push(units[2:4])
    assert len(shrinking.pictures) == 2
    assert shrinking.shrinker.cpu.percent == 0


def test_it_tells_what_it_costs(
    make_shrinking: Callable[..., Shrinking],
    units: list[AccessUnit],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("custom_components.kinesis_webrtc.peer.cpu._SPAN", 0.1)
    shrinking = make_shrinking()
    shrinking.shrinker.start()
    shrinking.push_slowly(units[:20])
    # It has done nothing else than that.
    assert 5 < shrinking.shrinker.cpu.percent <= 101


def test_what_cannot_be_encoded_is_told_once(
    shrinking: Shrinking,
    units: list[AccessUnit],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> Iterator[object]:
        raise LookupError("secret")

    monkeypatch.setattr(shrink.Encoder, "encode", fail)
    shrinking.push(units[:3])
    assert shrinking.failed.wait(20)
    shrinking.shrinker.thread.join()
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text
