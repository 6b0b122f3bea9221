"""One camera, however many watch: opened, shared, replayed, reopened, closed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import contextlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import shutil
import socket
import threading
import time

import pytest

from custom_components.kinesis_webrtc.peer import (
    EndReason,
    Limits,
    Orientation,
    SourceError,
    Stills,
    StreamUrl,
)
from custom_components.kinesis_webrtc.peer.feed import CameraFeed
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit, nal_units
from custom_components.kinesis_webrtc.peer.subscription import Subscription
from tests.helpers.clip import make_still, make_unknown_clip

from .conftest import FileSource


class Ends:
    def __init__(self) -> None:
        self.seen: list[tuple[EndReason, str | None]] = []
        self.event = asyncio.Event()

    def __call__(self, reason: EndReason, detail: str | None) -> None:
        self.seen.append((reason, detail))
        self.event.set()


@pytest.fixture
async def ends() -> Ends:
    return Ends()


@pytest.fixture
async def make_feed(source: FileSource) -> AsyncIterator[Callable[..., CameraFeed]]:
    feeds: list[CameraFeed] = []

    def make(camera: object = source, **limits: float) -> CameraFeed:
        settings = {"linger": 0.1, "backoff_floor": 0.05} | limits
        feeds.append(CameraFeed(source=camera, limits=Limits(**settings)))
        return feeds[-1]

    yield make
    for feed in feeds:
        await feed.close()


async def take(subscription: Subscription, count: int) -> list[AccessUnit]:
    async with asyncio.timeout(10):
        return [await subscription.next() for _ in range(count)]


def is_complete_key(unit: AccessUnit) -> bool:
    found = [kind for kind, _, _ in nal_units(unit.data)]
    return [kind for kind in found if kind in (5, 7, 8)][:3] == [7, 8, 5]


async def closed(feed: CameraFeed) -> None:
    task = feed._task
    if task is not None:
        await asyncio.wait({task}, timeout=5)
        await asyncio.sleep(0)
    assert not feed.is_open


async def test_nothing_is_opened_for_nobody(
    make_feed: Callable[..., CameraFeed], source: FileSource
) -> None:
    feed = make_feed()
    assert not feed.is_open
    assert source.resolved == 0
    assert feed.profile is None


async def test_first_picture_is_a_complete_key_picture(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed()
    units = await take(feed.subscribe(ends), 5)
    assert is_complete_key(units[0])
    assert not any(unit.is_key for unit in units[1:])
    assert feed.profile is not None
    assert feed.format is not None
    assert (feed.format.width, feed.format.height) == (320, 240)


async def test_joining_viewer_gets_the_group_in_flight(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed()
    first = feed.subscribe(ends)
    seen = await take(first, 12)
    group = feed.ring.group()
    second = feed.subscribe(ends)
    joined = await take(second, len(group) + 3)
    assert joined[: len(group)] == group
    assert is_complete_key(joined[0])
    assert joined[0] == seen[0]
    stamps = [unit.timestamp for unit in joined]
    assert stamps == sorted(set(stamps))
    assert feed.opened == 1


async def test_camera_is_closed_after_the_last_viewer_and_not_before(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed()
    first, second = feed.subscribe(ends), feed.subscribe(ends)
    await take(first, 2)
    first.close()
    first.close()
    await take(second, 8)
    second.close()
    assert feed.is_open
    await closed(feed)
    assert not feed.ring.group()
    assert not ends.seen


async def test_viewer_in_time_finds_the_camera_still_open(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed(linger=5.0)
    first = feed.subscribe(ends)
    await take(first, 2)
    first.close()
    await take(feed.subscribe(ends), 3)
    assert feed.opened == 1


async def test_viewer_that_comes_while_closing_opens_it_again(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed(linger=0.0)
    first = feed.subscribe(ends)
    await take(first, 2)
    first.close()
    feed._stop()
    await take(feed.subscribe(ends), 3)
    assert feed.opened == 2


async def test_broken_stream_is_opened_again_and_time_goes_on(
    make_feed: Callable[..., CameraFeed], ends: Ends, clip: Path
) -> None:
    camera = FileSource(clip, stream_loop="0", re="0")
    feed = make_feed(camera)
    subscription = feed.subscribe(ends)
    stamps = [unit.timestamp for unit in await take(subscription, 1)]
    while feed.opened < 3:
        stamps += [unit.timestamp for unit in await take(subscription, 1)]
    stamps += [unit.timestamp for unit in await take(subscription, 5)]
    assert stamps == sorted(set(stamps))
    assert camera.resolved >= 3


async def test_camera_that_comes_late_is_waited_for(
    make_feed: Callable[..., CameraFeed], ends: Ends, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "late.mp4"
    camera = FileSource(path)
    feed = make_feed(camera)
    subscription = feed.subscribe(ends)
    await camera.wait_resolved(3)
    shutil.copy(clip, path)
    await take(subscription, 3)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (SourceError("no_stream"), (EndReason.SOURCE_FAILED, "no_stream")),
        (SourceError("camera_off"), (EndReason.CAMERA_OFF, None)),
        (LookupError("secret"), (EndReason.SOURCE_FAILED, "LookupError")),
    ],
)
async def test_viewers_do_not_wait_for_ever(
    make_feed: Callable[..., CameraFeed],
    ends: Ends,
    error: Exception,
    end: tuple[EndReason, str | None],
) -> None:
    class Broken:
        async def resolve(self) -> StreamUrl:
            raise error

    feed = make_feed(Broken(), source_patience=0.2)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [end]
    await closed(feed)


async def test_source_that_says_nothing_is_given_up(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    class Mute:
        async def resolve(self) -> StreamUrl:
            await asyncio.Event().wait()
            raise AssertionError

    feed = make_feed(Mute(), open_timeout=0.1, source_patience=0.15)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [(EndReason.SOURCE_FAILED, "no_stream_in_time")]


async def test_codec_that_nobody_decodes_ends_all(
    make_feed: Callable[..., CameraFeed], ends: Ends, tmp_path: Path
) -> None:
    feed = make_feed(FileSource(make_unknown_clip(tmp_path)))
    feed.subscribe(ends)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [(EndReason.UNSUPPORTED_CODEC, "unknown_codec")] * 2


async def test_stills_are_a_stream_like_any_other(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    class Webcam:
        async def resolve(self) -> Stills:
            return Stills(fetch=self.fetch, interval=0.01)

        async def fetch(self) -> bytes:
            return make_still(90)

    feed = make_feed(Webcam())
    [unit] = await take(feed.subscribe(ends), 1)
    assert unit.is_key
    assert feed.format is not None
    assert feed.format.transcoded_from == "stills"
    # Who comes later does not wait for the picture to change.
    assert await take(feed.subscribe(ends), 1) == [unit]


async def test_unforeseen_failure_ends_all_and_is_logged(
    make_feed: Callable[..., CameraFeed],
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed = make_feed()

    async def fail() -> None:
        raise LookupError("secret")

    monkeypatch.setattr(feed, "_open_and_read", fail)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [(EndReason.SOURCE_FAILED, "unexpected")]
    assert "LookupError" in caplog.text
    assert "secret" not in caplog.text


async def test_reader_that_crashes_is_a_broken_stream(
    make_feed: Callable[..., CameraFeed], ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.peer.reader.StreamReader.run", crash
    )
    feed = make_feed(source_patience=0.2)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [(EndReason.SOURCE_FAILED, "RuntimeError")]


async def test_closing_waits_for_the_camera(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed()
    await take(feed.subscribe(ends), 2)
    await feed.close()
    assert not feed.is_open
    feed.subscribe(ends)
    assert not feed.is_open


@pytest.fixture
def mute() -> Iterator[tuple[StreamUrl, list[socket.socket]]]:
    """Take connections and say nothing; give the camera, and who has come."""
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    clients.append(server.accept()[0])

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield StreamUrl(url=f"rtsp://127.0.0.1:{server.getsockname()[1]}/"), clients
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for client in clients:
        client.close()


async def test_camera_that_says_nothing_has_one_thread_however_many_come_and_go(
    make_feed: Callable[..., CameraFeed],
    ends: Ends,
    mute: tuple[StreamUrl, list[socket.socket]],
) -> None:
    stream, clients = mute

    class Mute:
        async def resolve(self) -> StreamUrl:
            return stream

    def threads() -> int:
        return sum(each.name.endswith(" feed") for each in threading.enumerate())

    feed = make_feed(Mute(), linger=0.0, open_timeout=4.0, read_timeout=2.0)
    for _ in range(5):
        viewers = [feed.subscribe(ends), feed.subscribe(ends)]
        async with asyncio.timeout(5):
            while not clients:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for viewer in viewers:
            viewer.close()
        # Long enough for it to be let go of, were it not for its silence.
        await asyncio.sleep(0.05)
        assert threads() == 1
    feed.subscribe(ends)
    assert len(clients) == 1
    began = time.monotonic()
    await feed.close()
    assert time.monotonic() - began < 3
    assert threads() == 0
    assert not ends.seen


async def pictures(feed: CameraFeed, count: int = 1) -> None:
    """Wait until the feed has so many pictures of the group in flight."""
    async with asyncio.timeout(10):
        while len(feed.ring.group()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_held_camera_is_open_for_nobody_and_shows_at_once(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed()
    release = feed.hold()
    await pictures(feed, 3)
    group = feed.ring.group()
    viewer = feed.subscribe(ends)
    assert (await take(viewer, 3)) == group[:3]
    viewer.close()
    await asyncio.sleep(0.3)
    assert feed.is_open
    assert feed.opened == 1
    release()
    await closed(feed)
    assert not feed.is_held


async def test_last_hold_counts_and_viewers_stay(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    feed = make_feed(linger=0.0)
    first, second = feed.hold(), feed.hold()
    await pictures(feed)
    first()
    first()
    await asyncio.sleep(0.1)
    assert feed.is_open
    viewer = feed.subscribe(ends)
    second()
    await take(viewer, 10)
    assert feed.opened == 1
    viewer.close()
    await closed(feed)


async def test_held_camera_that_fails_is_tried_for_as_long_as_it_takes(
    make_feed: Callable[..., CameraFeed], clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "late.mp4"
    camera = FileSource(path)
    feed = make_feed(camera, source_patience=0.0)
    feed.hold()
    await camera.wait_resolved(4)
    shutil.copy(clip, path)
    await pictures(feed, 2)


async def test_viewer_of_a_held_camera_that_fails_does_not_wait_for_its_pause(
    make_feed: Callable[..., CameraFeed], ends: Ends, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "late.mp4"
    camera = FileSource(path)
    feed = make_feed(camera, backoff_floor=60.0)
    feed.hold()
    await camera.wait_resolved(1)
    shutil.copy(clip, path)
    await take(feed.subscribe(ends), 2)


async def test_viewer_of_a_held_camera_that_is_off_is_told_and_the_hold_goes_on(
    make_feed: Callable[..., CameraFeed], ends: Ends, clip: Path
) -> None:
    class Sleepy(FileSource):
        is_off = True

        async def resolve(self) -> StreamUrl:
            stream = await super().resolve()
            if self.is_off:
                raise SourceError("camera_off")
            return stream

    camera = Sleepy(clip)
    feed = make_feed(camera)
    feed.hold()
    await camera.wait_resolved(2)
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert ends.seen == [(EndReason.CAMERA_OFF, None)]
    camera.is_off = False
    await pictures(feed, 2)


async def test_viewer_that_comes_late_has_the_whole_patience(
    make_feed: Callable[..., CameraFeed], ends: Ends, tmp_path: Path
) -> None:
    camera = FileSource(tmp_path / "never.mp4")
    feed = make_feed(camera, source_patience=0.5)
    feed.hold()
    await asyncio.sleep(0.6)
    began = asyncio.get_running_loop().time()
    feed.subscribe(ends)
    await asyncio.wait_for(ends.event.wait(), 5)
    assert asyncio.get_running_loop().time() - began >= 0.5
    assert feed.is_open


async def test_stills_are_fetched_for_viewers_alone(
    make_feed: Callable[..., CameraFeed], ends: Ends
) -> None:
    class Webcam:
        fetched = 0

        async def resolve(self) -> Stills:
            return Stills(fetch=self.fetch, interval=0.01)

        async def fetch(self) -> bytes:
            self.fetched += 1
            return make_still(90)

    camera = Webcam()
    feed = make_feed(camera)
    feed.hold()
    await closed(feed)
    assert camera.fetched == 0
    viewer = feed.subscribe(ends)
    await take(viewer, 1)
    feed.hold()
    viewer.close()
    await closed(feed)


async def test_closing_ends_holds(make_feed: Callable[..., CameraFeed]) -> None:
    feed = make_feed()
    release = feed.hold()
    await pictures(feed)
    await feed.close()
    assert not feed.is_open
    release()
    feed.hold()
    assert not feed.is_open


async def test_camera_is_opened_anew_with_another_source_and_viewers_stay(
    make_feed: Callable[..., CameraFeed], ends: Ends, clip: Path
) -> None:
    class Turned(FileSource):
        orientation = Orientation.NONE

        async def resolve(self) -> StreamUrl:
            stream = await super().resolve()
            return replace(stream, orientation=self.orientation)

    camera = Turned(clip)
    feed = make_feed(camera, backoff_floor=60.0)
    feed.reopen()
    assert not feed.is_open
    viewer = feed.subscribe(ends)
    units = await take(viewer, 3)
    camera.orientation = Orientation.ROTATE_RIGHT
    feed.reopen()
    while feed.format is None or feed.format.width != 240:
        units += await take(viewer, 1)
    units += await take(viewer, 5)
    assert feed.opened == 2
    assert feed.format.transcoded_from == "h264"
    assert all(a.timestamp < b.timestamp for a, b in pairwise(units))
    assert not ends.seen
