"""While a camera opens its viewers see its latest picture, and then the stream."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
import threading
import time

import av
import pytest

from custom_components.kinesis_webrtc.peer import (
    KeyFrameSent,
    Limits,
    MasterPeer,
    Orientation,
    SourceError,
    StreamUrl,
    stand_in,
    takeover,
)
from custom_components.kinesis_webrtc.peer.feed import CameraFeed
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.reader import StreamFormat, StreamReader
from custom_components.kinesis_webrtc.peer.ring import Ring
from custom_components.kinesis_webrtc.peer.stand_in import StandIn, encode
from custom_components.kinesis_webrtc.peer.subscription import Subscription
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from tests.helpers.clip import make_clip, make_still
from tests.helpers.viewers import EchoPeer

from .conftest import FileSource, Recorder
from .rtp_viewer import PlainEcho, units_in

IDR = b"\0\0\0\1\x67\1\2\3\0\0\0\1\x68\1\0\0\0\1\x65\x88key"
SLICE = b"\0\0\0\1\x41\x9a"


class Door:
    """The camera's door: streams are opened while it is."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.open, self.close = self._open.set, self._open.clear

    def enter(self, reader: StreamReader) -> None:
        while not self._open.wait(0.01) and not reader._stopped.is_set():
            pass


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door()
    stock = StreamReader._open

    def wait_and_open(reader: StreamReader) -> object:
        door.enter(reader)
        return stock(reader)

    monkeypatch.setattr(StreamReader, "_open", wait_and_open)
    return door


class CameraWithStill(FileSource):
    """A camera that also has a still, which differs from its stream."""

    def __init__(self, path: Path, picture: bytes = b"") -> None:
        super().__init__(path)
        self.picture = picture or make_still(230, size=240)
        self.fetched = 0
        self.is_off = False

    async def resolve(self) -> StreamUrl:
        if self.is_off:
            raise SourceError("camera_off")
        stream = await super().resolve()
        return StreamUrl(url=stream.url, options=stream.options, still=self.still)

    async def still(self) -> bytes:
        self.fetched += 1
        return self.picture


@pytest.fixture
def camera(clip: Path) -> CameraWithStill:
    return CameraWithStill(clip)


@pytest.fixture
async def make_feed() -> AsyncIterator[Callable[..., CameraFeed]]:
    feeds: list[CameraFeed] = []

    def make(camera: FileSource, **limits: float) -> CameraFeed:
        settings = {"linger": 0.0, "backoff_floor": 0.05} | limits
        feeds.append(CameraFeed(source=camera, limits=Limits(**settings)))
        return feeds[-1]

    yield make
    for feed in feeds:
        await feed.close()


async def take(subscription: Subscription, count: int = 1) -> list[AccessUnit]:
    async with asyncio.timeout(10):
        return [await subscription.next() for _ in range(count)]


def ignore(*_: object) -> None:
    """Take note of nothing."""


async def leave(feed: CameraFeed, subscription: Subscription) -> None:
    """Be the last to leave, and wait until the camera is closed."""
    task = feed._task
    subscription.close()
    assert task is not None
    await asyncio.wait({task}, timeout=5)
    await asyncio.sleep(0)
    assert not feed.is_open


def sizes(units: list[AccessUnit]) -> list[tuple[int, int]]:
    """Decode pictures and return their sizes."""
    decoder = av.CodecContext.create("h264", "r")
    frames = []
    for unit in units:
        packet = av.Packet(unit.data)
        packet.pts = unit.timestamp
        frames += decoder.decode(packet)
    frames += decoder.decode(None)
    return [(frame.width, frame.height) for frame in frames]


def assert_in_order(units: list[AccessUnit]) -> None:
    assert all(a.timestamp < b.timestamp for a, b in pairwise(units))


async def test_still_is_shown_while_the_camera_opens(
    make_feed: Callable[..., CameraFeed], camera: CameraWithStill, door: Door
) -> None:
    door.close()
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    [first] = await take(viewer)
    assert first.is_stand_in
    assert first.is_key
    late = feed.subscribe(ignore)
    assert await take(late) == [first]
    door.open()
    units = [first, *await take(viewer, 20)]
    count = sum(unit.is_stand_in for unit in units)
    assert not any(unit.is_stand_in for unit in units[count:])
    assert units[count].is_key
    assert_in_order(units)
    assert sizes(units) == [(240, 240)] * count + [(320, 240)] * (21 - count)
    assert camera.fetched == 1
    assert feed.opened == 1


async def test_latest_picture_is_shown_at_once_when_somebody_looks_again(
    make_feed: Callable[..., CameraFeed], camera: CameraWithStill, door: Door
) -> None:
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    seen = await take(viewer, 30)
    keys = [unit for unit in seen if unit.is_key and not unit.is_stand_in]
    await leave(feed, viewer)
    fetched = camera.fetched
    door.close()
    again = feed.subscribe(ignore)
    [first] = await take(again)
    assert first.is_stand_in
    assert first.data == keys[-1].data
    assert first.timestamp > seen[-1].timestamp
    door.open()
    units = [first, *await take(again, 10)]
    assert not units[-1].is_stand_in
    assert_in_order(units)
    assert sizes(units) == [(320, 240)] * 11
    assert camera.fetched == fetched


async def test_old_picture_is_not_shown_but_a_new_still(
    make_feed: Callable[..., CameraFeed],
    camera: CameraWithStill,
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    seen = await take(viewer, 3)
    await leave(feed, viewer)
    monkeypatch.setattr(stand_in, "_RECENT", 0.0)
    door.close()
    [first] = await take(feed.subscribe(ignore))
    assert first.is_stand_in
    assert first.data not in [unit.data for unit in seen]


async def test_still_has_the_size_of_the_stream_where_that_is_known(
    make_feed: Callable[..., CameraFeed],
    clip: Path,
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stand_in, "_RECENT", 0.0)
    jpeg = make_still(100, size=640)
    # Of other proportions, which are kept.
    feed = make_feed(CameraWithStill(clip, jpeg))
    viewer = feed.subscribe(ignore)
    units = await take(viewer, 3)
    while units[-1].is_stand_in:
        units += await take(viewer)
    await leave(feed, viewer)
    assert feed.format is not None
    door.close()
    assert sizes(await take(feed.subscribe(ignore))) == [(640, 640)]
    wide = StreamFormat(profile=None, width=1920, height=1080)
    assert sizes([AccessUnit(encode(jpeg, (320, 320)), 0, is_key=True)]) == [(320, 320)]
    assert encode(jpeg, (wide.width, wide.height)) == encode(jpeg, None)


async def test_nobody_is_taken_back_in_time_when_the_stream_breaks(
    make_feed: Callable[..., CameraFeed], clip: Path
) -> None:
    camera = CameraWithStill(clip)
    camera.options = {"stream_loop": "0", "re": "0"}
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    units = await take(viewer)
    while feed.opened < 3:
        units += await take(viewer)
    live = [unit for unit in units if not unit.is_stand_in]
    assert not any(unit.is_stand_in for unit in units[units.index(live[0]) :])


async def test_camera_that_is_off_shows_nothing(
    make_feed: Callable[..., CameraFeed], camera: CameraWithStill, door: Door
) -> None:
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    await take(viewer, 3)
    await leave(feed, viewer)
    camera.is_off = True
    end = feed.ring.end
    ended = asyncio.Event()
    feed.subscribe(lambda *_: ended.set())
    async with asyncio.timeout(5):
        await ended.wait()
    assert feed.ring.end == end


@pytest.mark.parametrize("picture", [b"no picture", b"\x89PNG"])
async def test_still_that_fails_does_not_matter(
    make_feed: Callable[..., CameraFeed], clip: Path, door: Door, picture: bytes
) -> None:
    door.close()
    camera = CameraWithStill(clip, picture)
    feed = make_feed(camera)
    viewer = feed.subscribe(ignore)
    async with asyncio.timeout(5):
        while not camera.fetched:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    door.open()
    [first] = await take(viewer)
    assert not first.is_stand_in


async def test_still_that_never_comes_delays_nothing(
    make_feed: Callable[..., CameraFeed], clip: Path
) -> None:
    class Slow(CameraWithStill):
        async def still(self) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

    feed = make_feed(Slow(clip))
    viewer = feed.subscribe(ignore)
    [first] = await take(viewer)
    assert not first.is_stand_in
    began = time.monotonic()
    await leave(feed, viewer)
    assert time.monotonic() - began < 2


async def test_nothing_is_fetched_for_nobody(
    make_feed: Callable[..., CameraFeed], camera: CameraWithStill, door: Door
) -> None:
    door.close()
    feed = make_feed(camera)
    feed.hold()
    await camera.wait_resolved(1)
    await asyncio.sleep(0.1)
    assert camera.fetched == 0
    assert feed.ring.end == 0
    [first] = await take(feed.subscribe(ignore))
    assert first.is_stand_in


async def test_those_who_want_the_stream_alone_wait_for_it(
    make_feed: Callable[..., CameraFeed], camera: CameraWithStill, door: Door
) -> None:
    door.close()
    feed = make_feed(camera)
    await take(feed.subscribe(ignore))
    judge = feed.subscribe(ignore, live_only=True)
    waiting = asyncio.create_task(judge.next())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    door.open()
    async with asyncio.timeout(10):
        assert not (await waiting).is_stand_in


@pytest.fixture
def alone() -> tuple[StandIn, Ring]:
    """Return a stand-in without a feed."""
    ring = Ring(1 << 20)
    shown = StandIn(ring=ring, timeline=Timeline(), limits=Limits(), on_shown=ignore)
    return shown, ring


async def shown_by(
    stand_in: StandIn, ring: Ring, stream: StreamUrl | None = None
) -> list[AccessUnit]:
    """Return what is shown while the camera opens."""
    stand_in.begin(stream or StreamUrl(url="rtsp://camera"), None)
    stand_in.show()
    await asyncio.sleep(0)
    await stand_in.end()
    return ring.group()


async def test_picture_in_parts_is_shown_whole(alone: tuple[StandIn, Ring]) -> None:
    shown, ring = alone
    for data, place, is_key in (
        (IDR, 0, True),
        (SLICE + b"1", 3600, False),
        (IDR, 7200, True),
        (SLICE + b"part", 7200, False),
        (SLICE + b"2", 10800, False),
    ):
        shown.keep(AccessUnit(data, place, is_key))
    [unit] = await shown_by(shown, ring)
    assert unit.data == IDR + SLICE + b"part"


async def test_picture_that_needs_those_before_it_is_not_kept(
    alone: tuple[StandIn, Ring],
) -> None:
    shown, ring = alone
    shown.keep(AccessUnit(IDR.replace(b"\x65", b"\x41"), 0, is_key=True))
    assert await shown_by(shown, ring) == []


async def test_picture_that_was_turned_otherwise_is_not_kept(
    alone: tuple[StandIn, Ring],
) -> None:
    shown, ring = alone
    shown.keep(AccessUnit(IDR, 0, is_key=True))
    turned = StreamUrl(url="rtsp://camera", orientation=Orientation.FLIP)
    assert await shown_by(shown, ring, turned) == []


def test_still_is_turned_as_the_stream_is() -> None:
    jpeg = make_still(100, size=(640, 360))
    for size, shape in (((180, 320), (180, 320)), (None, (360, 640))):
        data = encode(jpeg, size, Orientation.ROTATE_LEFT)
        assert sizes([AccessUnit(data, 0, is_key=True)]) == [shape]


async def test_stream_that_is_there_is_not_replaced(
    alone: tuple[StandIn, Ring],
) -> None:
    shown, ring = alone
    shown.keep(AccessUnit(IDR, 0, is_key=True))
    live = AccessUnit(IDR, 90_000, is_key=True)
    ring.push(live)
    assert await shown_by(shown, ring) == [live]


async def test_picture_is_sent_again_until_the_stream_is_there(
    alone: tuple[StandIn, Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "_PAUSE", 0.0)
    shown, ring = alone
    shown.keep(AccessUnit(IDR, 0, is_key=True))
    shown.begin(StreamUrl(url="rtsp://camera"), None)
    shown.show()
    async with asyncio.timeout(5):
        while ring.end < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    ring.push(AccessUnit(SLICE, 1 << 30, is_key=False))
    assert ring.group()[-1].is_stand_in
    live = AccessUnit(IDR, 1 << 31, is_key=True)
    ring.push(live)
    await asyncio.sleep(0.05)
    assert ring.group() == [live]
    await shown.end()


async def test_viewer_sees_the_still_then_every_picture_of_the_stream(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    tmp_path: Path,
    door: Door,
) -> None:
    camera = CameraWithStill(make_clip(tmp_path / "clip.mp4", gop=10))
    master = make_master(source=camera)
    await master.prepare()
    door.close()
    live: list[AccessUnit] = []
    push = master.feed.ring.push
    master.feed.ring.push = lambda unit: (live.append(unit), push(unit))
    async with PlainEcho() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(1)
        assert not recorder.all(KeyFrameSent)
        door.open()
        await recorder.wait(KeyFrameSent, "echo")
        await echo.wait_frames(30)
        pictures = echo.packets.pictures()
    sent = [units for _, units in pictures]
    still = sent[0]
    while sent[0] == still:
        del sent[0]
    assert sent == [units_in(unit.data) for unit in live[: len(sent)]]
    stamps = [(stamp - pictures[0][0]) & 0xFFFFFFFF for stamp, _ in pictures]
    assert stamps == sorted(set(stamps))
    shapes = [(frame.width, frame.height) for frame in echo.frames]
    assert shapes[0] == (240, 240)
    assert set(shapes[shapes.index((320, 240)) :]) == {(320, 240)}


async def test_viewer_that_aiortc_sends_to_sees_the_still_too(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    camera: CameraWithStill,
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(takeover, "moved", lambda: ["something"])
    master = make_master(source=camera)
    await master.prepare()
    door.close()
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(1)
        assert not recorder.all(KeyFrameSent)
        door.open()
        await recorder.wait(KeyFrameSent, "echo")
        await echo.wait_frames(20)
    shapes = [(frame.width, frame.height) for frame in echo.frames]
    assert shapes[0] == (240, 240)
    assert shapes[-1] == (320, 240)


async def test_viewer_that_judges_the_stream_gets_no_still(
    make_master: Callable[..., MasterPeer], camera: CameraWithStill, door: Door
) -> None:
    master = make_master(source=camera, live_only=lambda name: name == "judge")
    await master.prepare()
    door.close()
    async with EchoPeer() as judge, EchoPeer() as echo:
        await judge.accept(await master.answer("judge", await judge.offer(), []))
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(1)
        assert not judge.frames
        door.open()
        await judge.wait_frames(5)
    assert {(frame.width, frame.height) for frame in judge.frames} == {(320, 240)}
