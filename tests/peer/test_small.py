"""An Echo gets pictures that it can show; nobody else notices, and nobody pays twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
import itertools
from pathlib import Path
import threading

import pytest

from custom_components.kinesis_webrtc.peer import (
    Ended,
    KeyFrameSent,
    Limits,
    MasterPeer,
    SourceError,
    StreamUrl,
    shrink,
    takeover,
)
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.reader import StreamFormat
from custom_components.kinesis_webrtc.peer.ring import Ring
from custom_components.kinesis_webrtc.peer.small import SmallPictures
from tests.helpers.clip import make_clip, number_of
from tests.helpers.viewers import EchoPeer, Viewer

from .conftest import FileSource, Recorder
from .rtp_viewer import PlainEcho, PlainViewer, units_in

LARGE = (1920, 1080)
type Join = Callable[..., Awaitable[PlainEcho]]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "large.mp4"
    return make_clip(path, size=LARGE, seconds=4, fps=10, gop=10)


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Let viewers in, who leave at the end."""
    viewers: list[Viewer] = []

    async def join(to: MasterPeer, name: str, kind: type = PlainEcho) -> Viewer:
        viewer = kind()
        viewers.append(viewer)
        await viewer.accept(await to.answer(name, await viewer.offer(), []))
        return viewer

    yield join
    for viewer in viewers:
        await viewer.close()


def sizes(viewer: Viewer) -> set[tuple[int, int]]:
    return {(frame.width, frame.height) for frame in viewer.frames}


def shrinking() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.endswith("shrink")]


async def until_idle() -> None:
    """Wait until nothing is encoded: its thread ends by itself."""
    async with asyncio.timeout(10):
        for thread in shrinking():
            await asyncio.to_thread(thread.join)


async def test_an_echo_and_a_browser_get_their_own_of_one_pull(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = FileSource(large)
    master = make_master(source=source)
    pushed: list[AccessUnit] = []
    push = master.feed.ring.push

    def record(unit: AccessUnit) -> None:
        pushed.append(unit)
        push(unit)

    monkeypatch.setattr(master.feed.ring, "push", record)
    echo = await join(master, "echo")
    browser = await join(master, "browser", PlainViewer)
    await echo.wait_frames(15, timeout=30)
    other = await join(master, "other echo")
    await other.wait_frames(5, timeout=30)
    await browser.packets.wait(lambda: len(browser.packets.pictures()) > 20)

    assert sizes(echo) == sizes(other) == {(1280, 720)}
    numbers = [number_of(frame, LARGE[0]) for frame in echo.frames]
    # A busy machine leaves pictures out before it comes late.
    steps = [(b - a) % 40 for a, b in itertools.pairwise(numbers)]
    assert all(1 <= step <= 30 for step in steps), numbers
    wanted = [units_in(unit.data) for unit in pushed]
    pictures = [units for _, units in browser.packets.pictures()]
    first = wanted.index(pictures[0])
    assert pictures == wanted[first : first + len(pictures)]
    assert source.resolved == master.feed.opened == 1
    assert len(shrinking()) == 1
    for event in recorder.all(KeyFrameSent):
        assert event.is_small == (event.viewer_id != "browser")
        assert event.shrunk_from == LARGE

    await master.close("echo")
    assert len(shrinking()) == 1
    await master.close("other echo")
    await until_idle()
    assert master.feed.small.shrunk_from is None
    seen = len(browser.packets.pictures())
    await browser.packets.wait(lambda: len(browser.packets.pictures()) > seen + 5)


async def test_lost_packets_and_key_frames_are_those_that_were_sent(
    make_master: Callable[..., MasterPeer], join: Join, large: Path
) -> None:
    echo = await join(make_master(source=FileSource(large)), "echo")
    packets = echo.packets
    await packets.wait(lambda: len(packets.rtp) > 10, timeout=30)
    packets.lose = lambda number: number % 5 == 0
    await packets.wait(lambda: len(packets.lost) > 4, timeout=30)
    packets.lose = lambda _: False
    await packets.wait(lambda: len(packets.repaired) >= len(packets.lost), timeout=30)
    assert packets.again == packets.lost
    before = packets.keys()
    await packets.ask_for_key_frame()
    await packets.wait(lambda: packets.keys() > before, timeout=30)
    seen = len(echo.frames)
    await echo.wait_frames(seen + 5, timeout=30)


async def test_what_fits_is_passed_through(
    make_master: Callable[..., MasterPeer], join: Join, recorder: Recorder
) -> None:
    master = make_master()
    echo = await join(master, "echo")
    await echo.wait_frames(5)
    assert sizes(echo) == {(320, 240)}
    assert not shrinking()
    event = await recorder.wait(KeyFrameSent)
    assert event.is_small
    assert event.shrunk_from is None


async def test_a_browser_alone_has_nothing_encoded(
    make_master: Callable[..., MasterPeer], join: Join, large: Path
) -> None:
    browser = await join(make_master(source=FileSource(large)), "browser", PlainViewer)
    await browser.packets.wait(lambda: len(browser.packets.pictures()) > 5)
    assert not shrinking()


async def test_an_echo_gets_the_lower_stream_and_others_the_main_one(
    make_master: Callable[..., MasterPeer], join: Join, large: Path, source: FileSource
) -> None:
    main = FileSource(large)
    master = make_master(source=main, small_source=source)
    echo = await join(master, "echo")
    await echo.wait_frames(5)
    assert sizes(echo) == {(320, 240)}
    assert main.resolved == 0
    browser = await join(master, "browser", Viewer)
    await browser.wait_frames(3, timeout=30)
    assert sizes(browser) == {LARGE}
    assert main.resolved == source.resolved == 1
    assert not shrinking()


async def test_a_lower_stream_that_gives_nothing_is_made_up_for(
    make_master: Callable[..., MasterPeer], join: Join, large: Path, recorder: Recorder
) -> None:
    class Gone:
        async def resolve(self) -> StreamUrl:
            raise SourceError("camera_removed")

    master = make_master(source=FileSource(large), small_source=Gone())
    echo = await join(master, "echo")
    await echo.wait_frames(5, timeout=30)
    assert sizes(echo) == {(1280, 720)}
    assert master.small_feed.is_fallback
    assert not recorder.all(Ended)


class Changing:
    """A camera that is opened again with other pictures."""

    def __init__(self, *paths: Path) -> None:
        self.paths = list(paths)

    async def resolve(self) -> StreamUrl:
        path = self.paths.pop(0) if len(self.paths) > 1 else self.paths[0]
        return StreamUrl(url=str(path), options={"re": "1"})


@pytest.mark.parametrize("is_one_stream", [False, True], ids=["reopened", "within"])
@pytest.mark.parametrize("grows", [False, True])
async def test_a_camera_that_changes_its_size_goes_on(
    make_master: Callable[..., MasterPeer],
    join: Join,
    tmp_path: Path,
    grows: bool,
    is_one_stream: bool,
) -> None:
    plain = make_clip(tmp_path / "plain.h264", seconds=1 if grows else 6)
    big = make_clip(tmp_path / "big.h264", size=LARGE, seconds=2, fps=10)
    order = (plain, big) if grows else (big, plain)
    before, after = (320, 240), (1280, 720)
    if not grows:
        before, after = after, before
    source = Changing(*order)
    if is_one_stream:
        both = tmp_path / "both.h264"
        both.write_bytes(b"".join(path.read_bytes() for path in order))
        source = Changing(both)
    master = make_master(source=source, limits={"backoff_floor": 0.01})
    echo = await join(master, "echo")
    await echo.wait_frames(3, timeout=30)
    async with asyncio.timeout(30):
        while after not in sizes(echo):
            await echo.wait_frames(len(echo.frames) + 1, timeout=30)
    # It is still the first stream, or one that begins with the other size.
    assert grows or not is_one_stream or master.feed.opened == 1
    seen = [(frame.width, frame.height) for frame in echo.frames]
    # No picture of the one is among those of the other, and none was too large.
    assert seen == [before] * seen.index(after) + [after] * (
        len(seen) - seen.index(after)
    )
    stamps = [frame.pts for frame in echo.frames]
    assert stamps == sorted(set(stamps))
    if not grows:
        await until_idle()
        assert not shrinking()


async def test_without_our_own_way_of_sending_it_holds_as_well(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(takeover, "moved", lambda: ["something"])
    master = make_master(source=FileSource(large))
    echo = await join(master, "echo", EchoPeer)
    browser = await join(master, "browser", Viewer)
    await echo.wait_frames(8, timeout=30)
    await browser.wait_frames(3, timeout=30)
    assert sizes(echo) == {(1280, 720)}
    assert sizes(browser) == {LARGE}


async def test_where_nothing_can_be_encoded_an_echo_gets_what_there_is(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr(shrink.Encoder, "encode", fail)
    master = make_master(source=FileSource(large))
    echo = await join(master, "echo")
    await echo.wait_frames(3, timeout=30)
    assert sizes(echo) == {LARGE}
    assert master.feed.small.shrunk_from is None


async def test_the_answer_names_the_profile_that_is_sent(
    make_master: Callable[..., MasterPeer], join: Join, large: Path
) -> None:
    master = make_master(source=FileSource(large))
    assert master.feed.small.profile is None
    browser = await join(master, "browser", PlainViewer)
    await browser.packets.wait(lambda: bool(browser.packets.pictures()))
    assert master.feed.profile == "42c028"
    assert master.feed.small.profile == "42e01f"


class Stream:
    """Notes from where a viewer's pictures are."""

    def __init__(self) -> None:
        self.ring: Ring | None = None
        self.not_before = 0

    def switch(self, ring: Ring, not_before: int = 0) -> None:
        self.ring, self.not_before = ring, not_before


@pytest.fixture
def ring() -> Ring:
    return Ring(1_000_000)


@pytest.fixture
async def small(ring: Ring) -> AsyncIterator[SmallPictures]:
    small = SmallPictures(ring, limits=Limits(), on_picture=lambda: None)
    yield small
    await asyncio.to_thread(small.close)


def form(width: int, height: int) -> StreamFormat:
    return StreamFormat(profile="64001f", width=width, height=height)


@pytest.mark.parametrize(
    ("size", "is_passed"),
    [
        ((1280, 720), True),
        ((720, 1280), True),
        ((640, 480), True),
        ((1281, 720), False),
        ((1280, 722), False),
        ((2560, 1920), False),
        ((1080, 1920), False),
    ],
)
async def test_no_more_pixels_than_an_echo_takes(
    small: SmallPictures, ring: Ring, size: tuple[int, int], is_passed: bool
) -> None:
    stream = Stream()
    small.learn(form(*size))
    small.add(stream)
    assert (stream.ring is ring) is is_passed
    assert small.shrunk_from == (None if is_passed else size)
    small.remove(stream)
    assert small.shrunk_from is None


async def test_pictures_of_before_a_change_are_not_gone_back_to(
    small: SmallPictures, ring: Ring
) -> None:
    stream = Stream()
    small.add(stream)
    assert (stream.ring, stream.not_before) == (ring, 0)
    small.learn(form(1920, 1080))
    for number in range(3):
        ring.push(AccessUnit(b"\x00" * 10, 3600 * number + 3600, number == 0))
    assert stream.ring is not ring
    small.learn(form(640, 480))
    assert (stream.ring, stream.not_before) == (ring, 3)
    later = Stream()
    small.add(later)
    assert (later.ring, later.not_before) == (ring, 3)


async def test_a_viewer_that_cannot_show_the_cameras_own_costs_an_echo_nothing(
    small: SmallPictures, ring: Ring
) -> None:
    echo, unable = Stream(), Stream()
    small.learn(form(640, 480))
    small.add(echo)
    small.add(unable, is_encoded=True)
    assert echo.ring is ring
    assert unable.ring is not ring
    # That is no matter of the camera's size.
    assert small.shrunk_from is None
    small.remove(unable)
    await until_idle()


async def test_thread_that_cannot_begin_is_begun_for_the_next_viewer(
    small: SmallPictures,
    ring: Ring,
    without_threads: Callable[[], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = Stream(), Stream()
    small.learn(form(*LARGE))
    with without_threads():
        small.add(first)
    # The camera's own pictures are better than none.
    assert first.ring is ring
    assert "Pictures are not made smaller: can't start new thread" in caplog.text
    small.add(second)
    assert second.ring is not ring
