"""A camera that only speaks WebRTC is read without decoding anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import pairwise
import json
from pathlib import Path
import re
import socket

from aiortc.rtp import RtpPacket
import pytest

from custom_components.kinesis_webrtc.peer import (
    Limits,
    MasterPeer,
    SourceError,
    Stills,
    WebRtcCamera,
)
from custom_components.kinesis_webrtc.peer.camera_view import CameraView
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit, nal_units
from custom_components.kinesis_webrtc.peer.reader import Outcome, StreamFormat
from custom_components.kinesis_webrtc.peer.sound import SoundFrame
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from custom_components.kinesis_webrtc.peer.webrtc_reader import WebRtcReader
from tests.helpers.clip import is_moving, make_clip, make_still
from tests.helpers.sound import make_sound_clip
from tests.helpers.viewers import Viewer
from tests.helpers.webrtc_camera import ModelSession, WebRtcCameraModel, WebRtcView
from tests.system import SYSTEM_PYTHON, require


class Session(ModelSession):
    """Carries a view's signaling, and what a test wants of it."""

    def __init__(
        self,
        camera: Camera,
        on_candidate: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        super().__init__(camera.model, on_candidate, on_end)
        self._camera = camera

    async def offer(self, sdp: str) -> str:
        self._camera.offered.set()
        if self._camera.error is not None:
            raise self._camera.error
        return self._camera.on_answer(await super().offer(self._camera.on_offer(sdp)))


class Camera:
    """What the tests see of a camera model."""

    def __init__(self, model: WebRtcCameraModel) -> None:
        self.model = model
        self.sessions: list[Session] = []
        self.offered = asyncio.Event()
        self.error: Exception | None = None
        self.on_offer: Callable[[str], str] = lambda offer: offer
        self.on_answer: Callable[[str], str] = lambda answer: answer

    def join(
        self, on_candidate: Callable[[str], None], on_end: Callable[[str], None]
    ) -> Session:
        self.sessions.append(Session(self, on_candidate, on_end))
        return self.sessions[-1]

    @property
    def view(self) -> WebRtcView:
        return self.sessions[-1].view


class Sink:
    """Keeps what was read, of which the test may wait for some."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.formats: list[StreamFormat] = []
        self.sound: list[SoundFrame] = []
        self.codecs = frozenset({"opus"})
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def take_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._loop.call_soon_threadsafe(self._changed.set)

    def take(self, codec: str, frame: SoundFrame) -> None:
        assert codec == "opus"
        self.sound.append(frame)
        self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, is_enough: Callable[[], bool], timeout: float = 20) -> None:
        async with asyncio.timeout(timeout):
            while not is_enough():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture(scope="session")
def sound_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("webrtc")
    return make_sound_clip(folder / "clip.mkv", codec="libopus")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("webrtc") / "long.mp4", gop=1000)


@pytest.fixture
async def camera(sound_clip: Path) -> Camera:
    return Camera(WebRtcCameraModel(sound_clip))


@pytest.fixture
async def sink() -> Sink:
    return Sink()


class Reading:
    """A reader at work."""

    def __init__(self, reader: WebRtcReader) -> None:
        self.reader = reader
        self.task = asyncio.create_task(asyncio.to_thread(reader.run))

    async def outcome(self, timeout: float = 20) -> Outcome:
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self.task)

    async def stop(self) -> Outcome:
        self.reader.stop()
        return await self.outcome()


@pytest.fixture
async def read(camera: Camera, sink: Sink) -> AsyncIterator[Callable[..., Reading]]:
    readings: list[Reading] = []

    def run(*, limits: Limits | None = None, **options: object) -> Reading:
        reader = WebRtcReader(
            WebRtcCamera(join=camera.join, **options),
            timeline=Timeline(),
            on_format=sink.formats.append,
            on_unit=sink.take_unit,
            limits=limits or Limits(close_timeout=0.5),
            sound=sink,
        )
        readings.append(Reading(reader))
        return readings[-1]

    yield run
    for reading in readings:
        await reading.stop()
    for session in camera.sessions:
        assert session.closings == 1
        await session.view.close()


def payloads(data: bytes) -> list[bytes]:
    return [data[begin:end] for _, begin, end in nal_units(data)]


def numbers_of(camera: Camera, units: list[AccessUnit]) -> list[int]:
    """Return which pictures of the camera's clip these are, to the bit."""
    clip = [payloads(data) for data, _ in camera.model.pictures]
    return [clip.index(payloads(unit.data)) for unit in units]


def assert_whole(camera: Camera, units: list[AccessUnit]) -> None:
    """Hold that nothing is handed out after what it needs has not been."""
    numbers = numbers_of(camera, units)
    assert units[0].is_key
    for before, unit, number in zip(numbers, units[1:], numbers[1:], strict=False):
        assert unit.is_key or number == before + 1, numbers


async def test_pictures_come_as_they_were_sent(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read()
    await sink.wait(lambda: len(sink.units) >= 40)
    assert await reading.stop() == Outcome()

    assert_whole(camera, sink.units)
    steps = {
        after.timestamp - before.timestamp for before, after in pairwise(sink.units)
    }
    assert steps == {3600}
    assert [(f.width, f.height, f.transcoded_from) for f in sink.formats] == [
        (320, 240, None)
    ]
    assert sink.formats[0].profile is not None
    assert sink.formats[0].profile.startswith("42")


async def test_the_offer_is_for_h264_and_opus_alone(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    read(data_channel="data")
    await sink.wait(lambda: bool(sink.units))
    offer = camera.view.offer
    # The order that Google's cameras insist on.
    assert re.findall(r"^m=(\w+)", offer, re.MULTILINE) == [
        "audio",
        "video",
        "application",
    ]
    names = set(re.findall(r"^a=rtpmap:\d+ (\S+)", offer, re.MULTILINE))
    assert names == {"opus/48000/2", "H264/90000"}
    assert set(re.findall(r"profile-level-id=(\w{2})", offer)) == {"42", "4d", "64"}


async def test_what_is_lost_on_the_way_comes_again(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read()
    await sink.wait(lambda: bool(sink.units))
    seen: set[bytes] = set()

    def drop(packet: bytes) -> bool:
        number = packet[2:4]
        is_first = number not in seen
        seen.add(number)
        return is_first and int.from_bytes(number) % 7 == 0

    camera.view.drop = drop
    wanted = camera.view.key_frames_wanted
    begin = len(sink.units)
    await sink.wait(lambda: len(sink.units) >= begin + 40)
    await reading.stop()

    assert any(int.from_bytes(number) % 7 == 0 for number in seen)
    numbers = numbers_of(camera, sink.units[begin:])
    clip = len(camera.model.pictures)
    for before, after in pairwise(numbers):
        assert after == (before + 1) % clip or camera.view.key_frames_wanted > wanted
    assert_whole(camera, sink.units)


async def test_a_picture_that_is_lost_for_good_ends_its_group(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read()
    await sink.wait(lambda: bool(sink.units))
    lost: set[bytes] = set()
    left = 3

    def drop(packet: bytes) -> bool:
        nonlocal left
        number = packet[2:4]
        if left and int.from_bytes(number) % 11 == 0 and number not in lost:
            left -= 1
            lost.add(number)
        return number in lost

    camera.view.drop = drop
    await sink.wait(lambda: left == 0)
    wanted = camera.view.key_frames_wanted
    keys = sum(unit.is_key for unit in sink.units)
    await sink.wait(lambda: sum(unit.is_key for unit in sink.units) > keys)
    await reading.stop()

    assert camera.view.key_frames_wanted >= max(wanted, 1)
    assert_whole(camera, sink.units)


async def test_a_key_picture_is_asked_for_when_a_viewer_wants_one(
    camera: Camera, sink: Sink, read: Callable[..., Reading], long_clip: Path
) -> None:
    camera.model = WebRtcCameraModel(long_clip)
    reading = read()
    await sink.wait(lambda: sum(unit.is_key for unit in sink.units) == 1)
    # One that has just come is as good.
    reading.reader.request_key_frame()
    count = len(sink.units)
    await sink.wait(lambda: len(sink.units) >= count + 30)
    assert [unit.is_key for unit in sink.units].count(True) == 1
    wanted = camera.view.key_frames_wanted

    reading.reader.request_key_frame()
    await sink.wait(lambda: sum(unit.is_key for unit in sink.units) == 2)

    assert camera.view.key_frames_wanted == wanted + 1
    await reading.stop()
    reading.reader.request_key_frame()


async def test_a_camera_with_rare_key_pictures_is_asked_for_more(
    camera: Camera,
    sink: Sink,
    read: Callable[..., Reading],
    long_clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.peer.camera_view._KEY_INTERVAL", 0.5
    )
    camera.model = WebRtcCameraModel(long_clip)
    read()
    await sink.wait(lambda: sum(unit.is_key for unit in sink.units) >= 3)
    assert_whole(camera, sink.units)


async def test_sound_is_passed_on_in_time_with_the_pictures(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    # The clocks of both streams have nothing to do with each other; reports tell.
    camera.model.sound_ahead = 1000.0
    reading = read()
    await sink.wait(lambda: len(sink.units) > 100 and len(sink.sound) > 100)
    await reading.stop()

    sent = set(camera.model.sound)
    assert all(frame.data in sent for frame in sink.sound)
    # The last of both came together, but for what the machine was busy with.
    heard = sink.sound[-1].timestamp / 48_000
    assert heard == pytest.approx(sink.units[-1].timestamp / 90_000, abs=0.3)


async def test_sound_goes_on_when_its_packets_are_counted_anew(
    sink: Sink, read: Callable[..., Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = CameraView._sound_packet_came
    came: list[int] = []

    def take(view: CameraView, packet: RtpPacket, data: bytes) -> None:
        came.append(packet.sequence_number)
        if len(came) > 50:
            packet.sequence_number = (packet.sequence_number - 20_000) & 0xFFFF
        stock(view, packet, data)

    monkeypatch.setattr(CameraView, "_sound_packet_came", take)
    read()
    await sink.wait(lambda: len(sink.sound) > 100)


@pytest.mark.parametrize(
    ("profile", "tools", "taken"),
    [("main", "cabac=1", "4d001f"), ("high", "cabac=1:8x8dct=1", "64001f")],
)
async def test_other_profiles_pass_as_well(
    camera: Camera,
    sink: Sink,
    read: Callable[..., Reading],
    tmp_path: Path,
    profile: str,
    tools: str,
    taken: str,
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", profile=profile, tools=tools)
    camera.model = WebRtcCameraModel(clip)
    number = ""

    # aiortc, of which the camera is made, knows the Baseline profile alone.
    def take_as_baseline(offer: str) -> str:
        nonlocal number
        (number,) = re.findall(rf"^a=fmtp:(\d+) .*{taken}", offer, re.MULTILINE)
        others = rf"^a=(rtpmap|fmtp|rtcp-fb):(?!{number}|96)\d+ .*\n"
        return re.sub(others, "", offer, flags=re.MULTILINE).replace(taken, "42e01f")

    def answer_truly(answer: str) -> str:
        assert re.findall(r"^m=video \S+ \S+ (.*?)\r?$", answer, re.MULTILINE) == [
            number
        ]
        return answer.replace("42e01f", taken)

    camera.on_offer, camera.on_answer = take_as_baseline, answer_truly
    read()
    await sink.wait(lambda: len(sink.units) > 10)
    assert_whole(camera, sink.units)
    assert sink.formats[0].profile is not None
    assert sink.formats[0].profile[:2] == taken[:2]


async def test_a_goodbye_ends_it(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read()
    await sink.wait(lambda: bool(sink.units))
    await camera.view.close()
    assert (await reading.outcome()).detail == "camera_ended_view"


async def test_what_the_camera_says_ends_it(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read()
    await sink.wait(lambda: bool(sink.units))
    camera.sessions[0].on_end("camera_error")
    assert await reading.outcome() == Outcome(detail="camera_error")


async def test_silence_ends_it(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    reading = read(limits=Limits(read_timeout=0.5, close_timeout=0.5))
    await sink.wait(lambda: bool(sink.units))
    camera.view.pause()
    assert await reading.outcome() == Outcome(detail="no_picture")


async def test_a_camera_that_refuses_says_why(
    camera: Camera, read: Callable[..., Reading]
) -> None:
    camera.error = SourceError("offer_refused")
    assert await read().outcome() == Outcome(detail="offer_refused")


@pytest.mark.parametrize("answer", ["", "junk", "v=0\r\n"])
async def test_an_unusable_answer_is_told(
    camera: Camera, read: Callable[..., Reading], answer: str
) -> None:
    camera.on_answer = lambda _: answer
    assert await read().outcome() == Outcome(detail="unusable_answer")


async def test_a_camera_that_does_not_answer_is_left(
    camera: Camera, read: Callable[..., Reading]
) -> None:
    async def never(_: str) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    limits = Limits(open_timeout=0.3, close_timeout=0.5)
    reading = read(limits=limits)
    camera.sessions[0].offer = never
    assert await reading.outcome() == Outcome(detail="no_answer")


async def test_it_can_be_stopped_before_it_has_begun(
    camera: Camera, sink: Sink
) -> None:
    reader = WebRtcReader(
        WebRtcCamera(join=camera.join),
        timeline=Timeline(),
        on_format=sink.formats.append,
        on_unit=sink.take_unit,
        limits=Limits(),
    )
    reader.stop()
    assert await asyncio.to_thread(reader.run) == Outcome()
    assert not camera.offered.is_set()
    await camera.view.close()


def without_h264(answer: str) -> str:
    return answer.replace("H264/90000", "VP8/90000")


async def test_a_camera_without_h264_is_told(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    camera.on_answer = without_h264
    outcome = await read().outcome()
    assert outcome == Outcome(detail="no_h264", is_unsupported=True)


async def test_a_camera_without_h264_is_seen_by_its_stills(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    async def fetch() -> bytes:
        return make_still(90)

    camera.on_answer = without_h264
    reading = read(stills=Stills(fetch=fetch, interval=0.01))
    await sink.wait(lambda: bool(sink.units))
    assert await reading.stop() == Outcome()
    assert sink.formats[0].transcoded_from == "stills"


async def test_without_stills_either_the_reason_is_the_cameras(
    camera: Camera, read: Callable[..., Reading]
) -> None:
    async def fetch() -> bytes:
        raise OSError

    camera.on_answer = without_h264
    reading = read(
        stills=Stills(fetch=fetch, interval=0.01),
        limits=Limits(read_timeout=0.1, close_timeout=0.5),
    )
    assert (await reading.outcome()).detail == "no_h264"


async def test_b_pictures_are_told(
    camera: Camera, read: Callable[..., Reading], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "b.mp4", profile="main", b_pictures=2)
    camera.model = WebRtcCameraModel(clip)
    outcome = await read().outcome()
    assert outcome == Outcome(detail="b_pictures", is_unsupported=True)


async def test_candidates_may_come_late(
    camera: Camera, sink: Sink, read: Callable[..., Reading]
) -> None:
    found: list[str] = []

    def without_candidates(answer: str) -> str:
        lines = answer.splitlines()
        found.extend(line for line in lines if line.startswith("a=candidate:"))
        camera.sessions[0].on_candidate(found[0].removeprefix("a="))
        left = [line for line in lines if "candidate" not in line]
        return "".join(f"{line}\r\n" for line in left)

    camera.on_answer = without_candidates
    read()
    await sink.wait(lambda: bool(sink.units))
    with suppress(IndexError):
        camera.sessions[0].on_candidate(found[1].removeprefix("a="))


class GstSession:
    """The signaling of GStreamer's camera."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.process: asyncio.subprocess.Process | None = None

    async def offer(self, sdp: str) -> str:
        program = Path(__file__).with_name("gst_camera.py")
        self.process = await asyncio.create_subprocess_exec(
            SYSTEM_PYTHON,
            str(program),
            str(self._file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"sdp": sdp}).encode() + b"\n")
        return json.loads(await self.process.stdout.readline())["sdp"]

    async def add_candidate(self, candidate: str, mid: str, index: int) -> None:
        """Do without."""

    def close(self) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.close()


def slices(data: bytes) -> list[bytes]:
    """Return what is not there to be repeated, as payloaders do with parameter sets."""
    return [part for part in payloads(data) if part[0] & 0x1F in (1, 5)]


def own_address() -> str:
    """Return this machine's address; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


async def test_another_implementations_pictures_pass_to_the_bit(
    sink: Sink, tmp_path: Path, loopback: list[str]
) -> None:
    require("gi:GstWebRTC", "gst:webrtcbin", "gst:x264enc", "gst:opusenc")
    # GStreamer makes no use of the loopback address.
    loopback[:] = [own_address()]
    file = tmp_path / "sent.h264"
    session = GstSession(file)
    reader = WebRtcReader(
        WebRtcCamera(join=lambda *_: session),
        timeline=Timeline(),
        on_format=sink.formats.append,
        on_unit=sink.take_unit,
        limits=Limits(close_timeout=0.5),
        sound=sink,
    )
    reading = Reading(reader)
    await sink.wait(lambda: len(sink.units) >= 60 and len(sink.sound) >= 60, timeout=40)
    assert await reading.stop() == Outcome()
    assert session.process
    await session.process.wait()

    sent = slices(file.read_bytes())
    received = [part for unit in sink.units for part in slices(unit.data)]
    first = sent.index(received[0])
    assert sent[first : first + len(received)] == received
    assert [(f.width, f.height) for f in sink.formats] == [(640, 480)]


class Source:
    """A camera of the model, as the peer's source."""

    def __init__(self, model: WebRtcCameraModel) -> None:
        self._model = model

    async def resolve(self) -> WebRtcCamera:
        return WebRtcCamera(join=lambda *told: ModelSession(self._model, *told))


async def test_viewers_share_one_view_of_the_camera(
    long_clip: Path, make_master: Callable[..., MasterPeer]
) -> None:
    model = WebRtcCameraModel(long_clip)
    master = make_master(source=Source(model), limits={"backoff_floor": 0.05})
    await master.prepare()
    async with Viewer() as first, Viewer() as second:
        for name, viewer in (("first", first), ("second", second)):
            await viewer.accept(await master.answer(name, await viewer.offer(), []))
            await viewer.wait_frames(10)
        assert model.open_views == 1
        assert len(model.views) == 1
        assert is_moving(first.frames)

        # The camera ends the view, as some do every few minutes.
        await model.views[0].close()
        count = len(first.frames)
        await first.wait_frames(count + 30)
        assert len(model.views) == 2
        assert master.feed.opened == 2

    await master.close("first")
    await master.close("second")
    await model.wait(lambda: not model.open_views)
    await master.shutdown()
    await model.close()


async def test_a_viewers_wish_for_a_key_picture_reaches_the_camera(
    long_clip: Path, make_master: Callable[..., MasterPeer]
) -> None:
    model = WebRtcCameraModel(long_clip)
    master = make_master(source=Source(model))
    await master.prepare()
    async with Viewer() as viewer:
        await viewer.accept(await master.answer("viewer", await viewer.offer(), []))
        # One that is a second old.
        await viewer.wait_frames(40)
        wanted = model.views[0].key_frames_wanted
        (receiver,) = (r for r in viewer.pc.getReceivers() if r.track.kind == "video")
        (source,) = receiver.getSynchronizationSources()
        await receiver._send_rtcp_pli(source.source)
        # The camera is asked every four seconds as it is.
        await model.wait(lambda: model.views[0].key_frames_wanted > wanted, timeout=2)
    await master.shutdown()
    await model.close()
