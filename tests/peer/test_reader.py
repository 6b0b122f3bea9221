"""A stream's pictures come out whole, in time, on one timeline."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
import threading
import time

import av
import pytest

from custom_components.kinesis_webrtc.peer import StreamUrl
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit, nal_units
from custom_components.kinesis_webrtc.peer.reader import (
    Outcome,
    StreamFormat,
    StreamReader,
    Timeline,
)
from tests.helpers.clip import make_clip, make_unknown_clip


class Sink:
    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.formats: list[StreamFormat] = []
        self.reader: StreamReader | None = None
        self.stop_after = 0

    @property
    def steps(self) -> list[int]:
        return [b.timestamp - a.timestamp for a, b in pairwise(self.units)]

    def take(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if self.reader is not None and len(self.units) == self.stop_after:
            self.reader.stop()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def read(sink: Sink) -> Callable[..., Outcome]:
    def run(url: Path | str, stop_after: int = 0, **options: str) -> Outcome:
        sink.reader = StreamReader(
            StreamUrl(url=str(url), options=options),
            timeline=Timeline(),
            on_format=sink.formats.append,
            on_unit=sink.take,
            open_timeout=5,
            read_timeout=1,
        )
        sink.stop_after = stop_after
        return sink.reader.run()

    return run


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "h264"])
def test_every_container_gives_whole_pictures(
    clips: Path, sink: Sink, read: Callable[..., Outcome], suffix: str
) -> None:
    path = make_clip(clips / f"clip.{suffix}", seconds=1, gop=10)
    assert read(path, re="0") == Outcome()
    assert len(sink.units) == 25
    assert [n for n, unit in enumerate(sink.units) if unit.is_key] == [0, 10, 20]
    first = [kind for kind, _, _ in nal_units(sink.units[0].data)]
    assert [kind for kind in first if kind in (5, 7, 8)][:3] == [7, 8, 5]
    steps = sink.steps
    assert all(3500 <= step <= 3700 for step in steps)
    assert (sink.formats[0].width, sink.formats[0].height) == (320, 240)
    assert sink.formats[0].profile is not None
    assert sink.formats[0].profile.startswith("42")


def test_pictures_are_the_files_own(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "own.ts", seconds=1)
    read(path, re="0")
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    assert [unit.data for unit in sink.units] == packets


def test_what_comes_out_decodes_to_every_frame(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    read(make_clip(clips / "decode.mkv", seconds=1, profile="main"), re="0")
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for unit in sink.units for f in decoder.decode(av.Packet(unit.data))]
    frames += decoder.decode(None)
    assert len(frames) == 25


def test_local_files_are_paced(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "paced.mp4", seconds=1)
    began = time.monotonic()
    read(path)
    assert 0.9 < time.monotonic() - began < 1.5


def test_looped_file_goes_on_without_a_gap(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "loop.mp4", seconds=0.4)
    began = time.monotonic()
    read(path, stop_after=30, stream_loop="-1")
    took = time.monotonic() - began
    assert len(sink.units) == 30
    steps = sink.steps
    assert all(3000 <= step <= 5400 for step in steps)
    span = (sink.units[-1].timestamp - sink.units[0].timestamp) / 90_000
    assert abs(span - took) < 0.3


def test_file_may_be_repeated_a_few_times(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "twice.mp4", seconds=0.4)
    read(path, stream_loop="1", re="0")
    assert len(sink.units) == 20


def test_format_is_told_once(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    read(make_clip(clips / "format.mp4", seconds=1, gop=5), re="0")
    assert len(sink.formats) == 1


def test_codec_that_no_viewer_knows_is_transcoded(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "clip.avi", seconds=1, codec="mpeg4")
    assert read(path, re="0") == Outcome()
    assert len(sink.units) == 25
    assert sink.units[0].is_key
    assert all(3500 <= step <= 3700 for step in sink.steps)
    [told] = sink.formats
    assert (told.width, told.height, told.transcoded_from) == (320, 240, "mpeg4")
    assert told.profile is not None
    assert told.profile.startswith("42")


def test_transcoding_stops_when_told(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "long.avi", seconds=2, codec="mpeg4")
    assert read(path, stop_after=3, re="0", stream_loop="-1") == Outcome()
    assert len(sink.units) == 3


def test_codec_that_nobody_decodes_is_refused(
    tmp_path: Path, read: Callable[..., Outcome]
) -> None:
    assert read(make_unknown_clip(tmp_path)) == Outcome(
        detail="unknown_codec", is_unsupported=True
    )


def test_stream_without_video(clips: Path, read: Callable[..., Outcome]) -> None:
    path = clips / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    assert read(path).detail == "no_video_stream"


def test_failure_is_told_without_the_address(read: Callable[..., Outcome]) -> None:
    outcome = read("rtsp://user:secret@127.0.0.1:1/cam")
    assert outcome.detail is not None
    assert "secret" not in outcome.detail
    assert outcome.detail.endswith("Error")


def test_silent_camera_is_given_up(read: Callable[..., Outcome]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/cam"
        began = time.monotonic()
        assert read(url).detail is not None
        assert time.monotonic() - began < 6


def test_reading_stops_when_told(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_clip(clips / "stop.mp4", seconds=1)
    thread = threading.Thread(target=read, args=(path,), kwargs={"stream_loop": "-1"})
    thread.start()
    while not sink.units:
        time.sleep(0.01)
    assert sink.reader is not None
    sink.reader.stop()
    thread.join(1)
    assert not thread.is_alive()


def test_timestamps_that_stand_still_follow_the_clock() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    first = timeline.place(7)
    for _ in range(100):
        now += 0.04
        timeline.place(7)
    assert abs(timeline.last - first - 100 * 3600) <= 3600


def test_key_pictures_in_parts_come_out_whole(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    """As GStreamer's payloader and FFmpeg's parser split pictures of several slices."""
    plain = make_clip(clips / "sliced.h264", seconds=0.4, gop=5, slices=2)
    data, out, sets = plain.read_bytes(), b"", b""
    for kind, begin, end in nal_units(data):
        unit = b"\x00\x00\x00\x01" + data[begin:end]
        if kind in (7, 8):
            sets += unit if len([k for k, _, _ in nal_units(sets)]) < 2 else b""
            continue
        out += (sets if kind == 5 else b"") + unit
    path = clips / "split.h264"
    path.write_bytes(out)
    read(path, re="0")
    assert len(sink.units) == 10
    assert [n for n, each in enumerate(sink.units) if each.is_key] == [0, 5]
    for number in (0, 5):
        found = [kind for kind, _, _ in nal_units(sink.units[number].data)]
        assert [kind for kind in found if kind in (5, 7, 8)] == [7, 8, 5, 5]


def test_timeline_grows_over_jumps_and_restarts() -> None:
    now = 100.0
    timeline = Timeline(lambda: now)
    places = [timeline.place(900_000)]
    now += 0.04
    places.append(timeline.place(903_600))
    now += 0.04
    places.append(timeline.place(0))
    now += 0.04
    places.append(timeline.place(90_000_000))
    now += 0.04
    places.append(timeline.place(None))
    timeline.restart()
    now += 1.0
    places.append(timeline.place(5))
    now += 0.04
    places.append(timeline.place(3605))
    steps = [after - before for before, after in pairwise(places)]
    assert all(abs(step - 3600) <= 1 for step in [*steps[:4], steps[5]])
    assert abs(steps[4] - 90_000) <= 1
