"""A camera of single pictures is seen as video."""

import asyncio
from collections.abc import AsyncIterator, Callable
import threading

import av
import pytest

from custom_components.kinesis_webrtc.peer import Stills, stills_reader
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.reader import (
    Outcome,
    StreamFormat,
)
from custom_components.kinesis_webrtc.peer.stills_reader import StillsReader
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from tests.helpers.clip import make_still


class Camera:
    """Gives its pictures one after the other, and the last one from then on."""

    def __init__(self, *pictures: bytes | Exception) -> None:
        self.pictures = list(pictures)
        self.fetched = 0

    async def fetch(self) -> bytes:
        picture = self.pictures[min(self.fetched, len(self.pictures) - 1)]
        self.fetched += 1
        if isinstance(picture, Exception):
            raise picture
        return picture


class Sink:
    """Keeps what was read, and stops the reader after so much."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.formats: list[StreamFormat] = []
        self.stop_after = 0
        self.reader: StillsReader

    def take(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) == self.stop_after:
            self.reader.stop()

    @property
    def greys(self) -> list[float]:
        decoder = av.CodecContext.create("h264", "r")
        frames = []
        for unit in self.units:
            frames += decoder.decode(av.Packet(unit.data))
        frames += decoder.decode(None)
        return [float(f.to_ndarray(format="rgb24").mean()) for f in frames]


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture
async def read(sink: Sink) -> AsyncIterator[Callable[..., asyncio.Task[Outcome]]]:
    tasks = []

    def run(
        camera: Camera, *, stop_after: int = 0, read_timeout: float = 5
    ) -> asyncio.Task[Outcome]:
        sink.stop_after = stop_after
        sink.reader = StillsReader(
            Stills(fetch=camera.fetch, interval=0.01),
            timeline=Timeline(),
            on_format=sink.formats.append,
            on_unit=sink.take,
            read_timeout=read_timeout,
        )
        tasks.append(asyncio.create_task(asyncio.to_thread(sink.reader.run)))
        return tasks[-1]

    yield run
    for task in tasks:
        async with asyncio.timeout(5):
            await task


async def test_each_new_picture_is_seen(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    camera = Camera(make_still(40), make_still(120), make_still(200))
    assert await read(camera, stop_after=3) == Outcome()
    assert [unit.is_key for unit in sink.units] == [True, False, False]
    assert sink.greys == pytest.approx([40, 120, 200], abs=8)
    assert sink.units[0].timestamp < sink.units[1].timestamp < sink.units[2].timestamp
    assert sink.formats == [
        StreamFormat(
            profile=sink.formats[0].profile,
            width=64,
            height=64,
            transcoded_from="stills",
        )
    ]


async def test_a_picture_that_stays_is_encoded_once(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    camera = Camera(*[make_still(40)] * 20, make_still(200))
    await read(camera, stop_after=2)
    assert camera.fetched == 21
    assert sink.greys == pytest.approx([40, 200], abs=8)


async def test_a_picture_that_stays_is_sent_again_in_time(
    sink: Sink,
    read: Callable[..., asyncio.Task[Outcome]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stills_reader, "_UNCHANGED", 0.05)
    await read(Camera(make_still(40)), stop_after=3)
    assert sink.greys == pytest.approx([40] * 3, abs=8)
    # It has cost next to nothing.
    assert len(sink.units[1].data) < 100


async def test_png_is_taken_as_well(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    await read(Camera(make_still(90, codec="png")), stop_after=1)
    assert sink.greys == pytest.approx([90], abs=8)


async def test_one_failure_is_borne(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    camera = Camera(
        make_still(40), OSError("away"), b"no picture", b"", make_still(200)
    )
    assert await read(camera, stop_after=2) == Outcome()
    assert sink.greys == pytest.approx([40, 200], abs=8)


async def test_a_camera_that_stays_away_ends_it_by_a_name(
    read: Callable[..., asyncio.Task[Outcome]],
) -> None:
    outcome = await read(Camera(OSError("http://user:secret@camera")), read_timeout=0.1)
    assert outcome == Outcome(detail="OSError")


async def test_a_camera_that_never_answers_ends_it(
    read: Callable[..., asyncio.Task[Outcome]],
) -> None:
    class Mute(Camera):
        async def fetch(self) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

    assert (await read(Mute(), read_timeout=0.1)).detail == "TimeoutError"


async def test_stopping_does_not_wait_for_the_camera(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    asked = asyncio.Event()
    left = asyncio.Event()

    class Mute(Camera):
        async def fetch(self) -> bytes:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            raise AssertionError

    reading = read(Mute(), read_timeout=3600)
    await asked.wait()
    sink.reader.stop()
    async with asyncio.timeout(5):
        assert await reading == Outcome()
        await left.wait()
    assert not [t for t in threading.enumerate() if t.name.startswith("kinesis")]


async def test_another_size_is_told_and_begins_anew(
    sink: Sink, read: Callable[..., asyncio.Task[Outcome]]
) -> None:
    await read(Camera(make_still(40), make_still(40, size=128)), stop_after=2)
    assert [(f.width, f.height) for f in sink.formats] == [(64, 64), (128, 128)]
    assert [unit.is_key for unit in sink.units] == [True, True]
