"""A stream's pictures come out whole, in time, on one timeline."""

from collections.abc import Callable, Iterator
import contextlib
from fractions import Fraction
from functools import partial
from http.server import (
    BaseHTTPRequestHandler,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from itertools import pairwise
from pathlib import Path
import queue
import socket
import threading
import time

import av
import numpy as np
import pytest

from custom_components.kinesis_webrtc.peer import Orientation, StreamUrl
from custom_components.kinesis_webrtc.peer.h264 import (
    AccessUnit,
    has_b_slice,
    nal_units,
)
from custom_components.kinesis_webrtc.peer.reader import (
    Outcome,
    StreamFormat,
    StreamReader,
)
from custom_components.kinesis_webrtc.peer.sound import SoundFrame, SoundSink
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from tests.helpers.cameras import StallingCamera
from tests.helpers.clip import is_moving, make_clip, make_still, make_unknown_clip
from tests.helpers.sound import make_sound_clip


class Sink:
    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.formats: list[StreamFormat] = []
        self.reader: StreamReader | None = None
        self.stop_after = 0
        self.told: queue.Queue[AccessUnit] = queue.Queue()

    @property
    def steps(self) -> list[int]:
        return [b.timestamp - a.timestamp for a, b in pairwise(self.units)]

    def take(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self.told.put(unit)
        if self.reader is not None and len(self.units) == self.stop_after:
            self.reader.stop()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def read(sink: Sink) -> Callable[..., Outcome]:
    def run(
        url: Path | str,
        stop_after: int = 0,
        orientation: Orientation = Orientation.NONE,
        sound: SoundSink | None = None,
        read_timeout: float = 1,
        **options: str,
    ) -> Outcome:
        sink.reader = StreamReader(
            StreamUrl(url=str(url), options=options, orientation=orientation),
            timeline=Timeline(),
            on_format=sink.formats.append,
            on_unit=sink.take,
            open_timeout=5,
            read_timeout=read_timeout,
            sound=sound,
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
    assert -0.3 < took - span < 3


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


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "h264"])
def test_pictures_that_come_out_of_order_are_transcoded(
    clips: Path, sink: Sink, read: Callable[..., Outcome], suffix: str
) -> None:
    path = make_clip(
        clips / f"bframes.{suffix}", seconds=1, profile="main", b_pictures=2
    )
    assert read(path, re="0") == Outcome()
    assert len(sink.units) >= 25
    assert all(step > 0 for step in sink.steps)
    assert not any(has_b_slice(unit.data) for unit in sink.units[1:])
    assert sink.formats[-1].transcoded_from == "h264"
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for u in sink.units[-25:] for f in decoder.decode(av.Packet(u.data))]
    assert len(frames) == 25
    assert is_moving(frames)


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
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/cam"
        began = time.monotonic()
        assert read(url).detail is not None
        assert time.monotonic() - began < 6


class Heard:
    """Takes sound, or would if a codec were listened to."""

    codecs = frozenset({"PCMU"})

    def __init__(self) -> None:
        self.frames = 0

    def take(self, _codec: str, _frame: SoundFrame) -> None:
        self.frames += 1


@pytest.fixture
def blind(tmp_path: Path) -> Iterator[str]:
    with StallingCamera(make_sound_clip(tmp_path / "sound.ts", seconds=20)) as camera:
        yield camera.url


@pytest.mark.parametrize("is_heard", [True, False])
def test_camera_that_is_only_heard_any_more_is_given_up(
    sink: Sink, read: Callable[..., Outcome], blind: str, is_heard: bool
) -> None:
    sound = Heard()
    reading = threading.Thread(
        target=lambda: outcomes.append(read(blind, sound=sound if is_heard else None)),
        daemon=True,
    )
    outcomes: list[Outcome] = []
    reading.start()
    reading.join(6)
    assert [each.detail for each in outcomes] == ["TimeoutError"]
    assert sink.units
    assert bool(sound.frames) is is_heard


def test_reading_of_sound_alone_stops_when_told(
    sink: Sink, read: Callable[..., Outcome], blind: str
) -> None:
    reading = threading.Thread(
        target=read, args=(blind,), kwargs={"read_timeout": 60}, daemon=True
    )
    reading.start()
    while len(sink.units) < 20:
        sink.told.get(timeout=10)
    assert sink.reader is not None
    sink.reader.stop()
    reading.join(3)
    assert not reading.is_alive()


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


def encode(
    count: int, *, size: tuple[int, int] = (320, 240), slices: int = 1
) -> tuple[av.VideoCodecContext, list[av.Packet]]:
    """Return pictures of noise, which take many fragments each."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(25)
    encoder.time_base = Fraction(1, 25)
    encoder.options = {
        "preset": "ultrafast",
        "x264-params": f"keyint=10:scenecut=0:slices={slices}:sliced-threads=0:"
        "bframes=0:rc-lookahead=0:sync-lookahead=0",
    }
    noise = np.random.default_rng(1)
    packets = []
    for number in range(count):
        picture = noise.integers(0, 200, (size[1], size[0], 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    return encoder, packets + encoder.encode(None)


def units_of(data: bytes) -> list[bytes]:
    """Return the NAL units: RTP does not keep their start codes."""
    return [data[begin:end] for _, begin, end in nal_units(data)]


class RtspSender:
    """Sends pictures to a reader that listens, with FFmpeg's payloader."""

    def __init__(self, encoder: av.VideoCodecContext) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"rtsp://127.0.0.1:{free.getsockname()[1]}/camera"
        self.encoder = encoder

    def run(self, packets: list[av.Packet], may_send: Callable[[int], None]) -> None:
        deadline = time.monotonic() + 20
        while True:
            out = av.open(
                self.url, "w", format="rtsp", options={"rtsp_transport": "tcp"}
            )
            try:
                track = out.add_stream("libx264", rate=25)
                track.width, track.height = self.encoder.width, self.encoder.height
                track.pix_fmt = self.encoder.pix_fmt
                track.time_base = Fraction(1, 25)
                out.start_encoding()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with out:
            for number, packet in enumerate(packets):
                may_send(number)
                packet.stream = track
                out.mux(packet)


@pytest.fixture
def send(
    read: Callable[..., Outcome], request: pytest.FixtureRequest
) -> Callable[..., None]:
    def run(
        encoder: av.VideoCodecContext,
        packets: list[av.Packet],
        may_send: Callable[[int], None] = lambda _number: None,
        **options: str,
    ) -> None:
        sender = RtspSender(encoder)
        listening = {"rtsp_flags": "listen", "listen_timeout": "20"} | options
        reading = threading.Thread(target=read, args=(sender.url,), kwargs=listening)
        reading.start()
        try:
            sender.run(packets, may_send)
        finally:
            reading.join(20)
        assert not reading.is_alive()

    return run


@pytest.mark.parametrize("slices", [1, 3])
def test_rtsp_gives_each_picture_before_the_next_one_begins(
    sink: Sink, send: Callable[..., None], slices: int
) -> None:
    encoder, packets = encode(40, slices=slices)
    sent = [units_of(bytes(packet)) for packet in packets]

    def may_send(number: int) -> None:
        # By then, two groups of pictures have shown what the stream is like.
        if number > 20:
            while units_of(sink.told.get(timeout=10).data) != sent[number - 1]:
                pass

    send(encoder, packets, may_send)
    assert [units_of(unit.data) for unit in sink.units] == sent
    assert [n for n, unit in enumerate(sink.units) if unit.is_key] == [0, 10, 20, 30]
    assert sink.steps == [3600] * 39
    assert (sink.formats[0].width, sink.formats[0].height) == (320, 240)
    assert len(sink.formats) == 1


def test_rtsp_with_the_time_of_day_as_timestamps(
    sink: Sink, send: Callable[..., None]
) -> None:
    encoder, packets = encode(20, slices=3)
    sent = [units_of(bytes(packet)) for packet in packets]
    send(encoder, packets, use_wallclock_as_timestamps="1")
    assert [units_of(unit.data) for unit in sink.units] == sent
    assert all(step > 0 for step in sink.steps)


def test_resolution_may_change_within_the_stream(
    sink: Sink, send: Callable[..., None]
) -> None:
    encoder, small = encode(10)
    _, large = encode(10, size=(640, 480))
    for number, packet in enumerate(large):
        packet.pts = packet.dts = 10 + number
    send(encoder, small + large)
    assert [(each.width, each.height) for each in sink.formats] == [
        (320, 240),
        (640, 480),
    ]
    assert len(sink.units) == 20
    key = [kind for kind, _, _ in nal_units(sink.units[10].data)]
    assert [kind for kind in key if kind in (5, 7, 8)] == [7, 8, 5]


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx265", "hevc"), ("mpeg2video", "m2v")]
)
def test_resolution_may_change_within_what_is_transcoded(
    clips: Path, sink: Sink, read: Callable[..., Outcome], codec: str, suffix: str
) -> None:
    sizes = [(320, 240), (640, 480)]
    parts = [
        make_clip(
            clips / f"part.{suffix}", seconds=1, codec=codec, size=size
        ).read_bytes()
        for size in sizes
    ]
    path = clips / f"both.{suffix}"
    path.write_bytes(b"".join(parts))
    assert read(path, re="0") == Outcome()
    assert [(each.width, each.height) for each in sink.formats] == sizes
    assert [n for n, each in enumerate(sink.units) if each.is_key] == [0, 25]
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for u in sink.units for f in decoder.decode(av.Packet(u.data))]
    seen = [(frame.width, frame.height) for frame in frames + decoder.decode(None)]
    assert seen == [size for size in sizes for _ in range(25)]


@contextlib.contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        # Closing waits for those that still send, then.
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serve(clips: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with serving(partial(Handler, directory=clips)) as address:
        yield address


@pytest.mark.parametrize("suffix", ["ts", "flv", "mp4", "mkv", "h264"])
@pytest.mark.parametrize("slices", [1, 3])
def test_http_gives_the_same_pictures_as_a_file(
    clips: Path,
    sink: Sink,
    read: Callable[..., Outcome],
    serve: str,
    suffix: str,
    slices: int,
) -> None:
    path = make_clip(
        clips / f"http-{slices}.{suffix}", seconds=2, gop=10, slices=slices
    )
    assert read(f"{serve}/{path.name}") == Outcome()
    over_http = [(unit.data, unit.is_key) for unit in sink.units]
    assert len(over_http) == 50
    sink.units.clear()
    read(path, re="0")
    assert over_http == [(unit.data, unit.is_key) for unit in sink.units]


class SlowCamera(BaseHTTPRequestHandler):
    """Sends pictures one by one, in a form that has no times."""

    pictures = tuple(make_still(4 * number, size=640) for number in range(40))

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        """Begin with the first picture."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        due = time.monotonic()
        with contextlib.suppress(OSError):
            for picture in self.pictures:
                size = len(picture)
                head = (
                    f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"
                )
                self.wfile.write(head.encode() + picture + b"\r\n")
                due += 1 / 12
                time.sleep(max(0.0, due - time.monotonic()))


class BrokenCamera(SlowCamera):
    """Goes on with what is no picture."""

    pictures = SlowCamera.pictures[:3] + (b"\xff\xd8 no picture \xff\xd9",) * 60


def test_camera_whose_pictures_cannot_be_decoded_is_given_up(
    sink: Sink, read: Callable[..., Outcome]
) -> None:
    with serving(BrokenCamera) as address:
        assert read(f"{address}/stream.mjpg", read_timeout=1).detail == "TimeoutError"
    assert len(sink.units) == 3


def test_stream_without_times_is_as_fast_as_it_comes(
    sink: Sink, read: Callable[..., Outcome]
) -> None:
    with serving(SlowCamera) as address:
        read(f"{address}/stream.mjpg")
    assert len(sink.units) >= 35
    assert sum(sink.steps[-10:]) / 10 == pytest.approx(90_000 / 12, rel=0.3)


def test_stream_without_idr_pictures_has_key_pictures(
    clips: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = clips / "refresh.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": "intra-refresh=1:keyint=10:sliced-threads=0",
        }
        for number in range(30):
            frame = av.VideoFrame(320, 240, "yuv420p")
            frame.pts = number
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read(path, re="0")
    keys = [unit for unit in sink.units if unit.is_key]
    assert len(keys) >= 3
    kinds = [kind for kind, _, _ in nal_units(keys[1].data)]
    assert 7 in kinds
    assert 5 not in kinds


@pytest.mark.parametrize("codec", ["mpeg2video", "libx265"])
def test_http_gives_other_codecs_to_the_transcoder_whole(
    clips: Path, sink: Sink, read: Callable[..., Outcome], serve: str, codec: str
) -> None:
    path = make_clip(clips / f"{codec}.ts", seconds=1, gop=10, codec=codec)
    assert read(f"{serve}/{path.name}") == Outcome()
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for unit in sink.units for f in decoder.decode(av.Packet(unit.data))]
    frames += decoder.decode(None)
    assert len(frames) == len(sink.units) >= 24


@pytest.mark.parametrize("door", ["file", "http"])
def test_pictures_that_are_to_be_turned_are_transcoded(
    clips: Path, sink: Sink, read: Callable[..., Outcome], serve: str, door: str
) -> None:
    path = make_clip(clips / "turned.ts", seconds=1, gop=10)
    url = path if door == "file" else f"{serve}/{path.name}"
    assert read(url, orientation=Orientation.ROTATE_LEFT, re="0") == Outcome()
    (known,) = sink.formats
    assert (known.width, known.height) == (240, 320)
    assert known.transcoded_from == "h264"
    decoder = av.CodecContext.create("h264", "r")
    frames = [f for unit in sink.units for f in decoder.decode(av.Packet(unit.data))]
    frames += decoder.decode(None)
    assert len(frames) == len(sink.units) >= 24
    # The bar, which stood and went to the right, lies and climbs.
    rows = [int(f.to_ndarray(format="gray").mean(axis=1).argmax()) for f in frames]
    assert rows[0] > 300
    assert rows[20] < rows[10] < rows[0]
