"""A camera's sound comes out at its pitch, in time with the pictures, gap by gap."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from custom_components.kinesis_webrtc.peer import StreamUrl
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from custom_components.kinesis_webrtc.peer.reader import (
    Outcome,
    StreamReader,
)
from custom_components.kinesis_webrtc.peer.sound import (
    RATES,
    SoundFrame,
    _Labels,
    opus_samples,
)
from custom_components.kinesis_webrtc.peer.timeline import Timeline
from tests.helpers.sound import FLASH_SECONDS, Ear, loudness, make_sound_clip, pitch_of


class Sink:
    """Keeps sound and pictures."""

    def __init__(self) -> None:
        self.codecs = frozenset({"opus"})
        self.frames: dict[str, list[SoundFrame]] = {name: [] for name in RATES}
        self.units: list[AccessUnit] = []

    def take(self, codec: str, frame: SoundFrame) -> None:
        self.frames[codec].append(frame)

    def heard(self, codec: str = "opus") -> np.ndarray:
        ear = Ear(codec)
        return np.concatenate([ear.hear(each.data) for each in self.frames[codec]])

    def steps(self, codec: str = "opus") -> list[int]:
        stamps = [each.timestamp for each in self.frames[codec]]
        return [later - earlier for earlier, later in pairwise(stamps)]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def read(sink: Sink) -> Callable[[Path], Outcome]:
    def run(path: Path, **options: str) -> Outcome:
        return StreamReader(
            StreamUrl(url=str(path), options={"re": "0"} | options),
            timeline=Timeline(),
            on_format=lambda _: None,
            on_unit=sink.units.append,
            open_timeout=5,
            read_timeout=1,
            sound=sink,
        ).run()

    return run


SOURCES = [
    ("aac", "mp4", 44_100, "stereo"),
    ("aac", "ts", 16_000, "mono"),
    ("pcm_alaw", "mov", 8_000, "mono"),
    ("pcm_mulaw", "mov", 8_000, "mono"),
    ("pcm_s16le", "mkv", 48_000, "stereo"),
    ("pcm_s16be", "mov", 16_000, "mono"),
    ("libopus", "mkv", 48_000, "stereo"),
    ("mp2", "ts", 32_000, "mono"),
]


@pytest.mark.parametrize(("codec", "suffix", "rate", "layout"), SOURCES)
def test_tone_keeps_its_pitch(
    tmp_path: Path,
    sink: Sink,
    read: Callable[..., Outcome],
    codec: str,
    suffix: str,
    rate: int,
    layout: str,
) -> None:
    sink.codecs = frozenset(RATES)
    path = tmp_path / f"tone.{suffix}"
    make_sound_clip(path, codec=codec, rate=rate, layout=layout, seconds=2)
    assert read(path) == Outcome()
    assert len(sink.units) == 50
    for name, clock in RATES.items():
        assert 90 <= len(sink.frames[name]) <= 103
        middle = sink.heard(name)[clock // 2 : clock * 3 // 2]
        assert pitch_of(middle, clock) == pytest.approx(440, abs=2)
        assert 0.2 < loudness(middle) < 0.5
        assert set(sink.steps(name)) == {clock // 50}


def test_opus_of_20_ms_passes_bit_by_bit(
    tmp_path: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_sound_clip(tmp_path / "opus.mkv", codec="libopus", seconds=2)
    read(path)
    with av.open(str(path)) as container:
        packets = [bytes(each) for each in container.demux(audio=0) if each.size]
    sent = [each.data for each in sink.frames["opus"]]
    # What comes before the first picture has no place.
    assert len(packets) - len(sent) <= 2
    assert sent == packets[len(packets) - len(sent) :]
    assert set(sink.steps()) == {960}


def test_opus_of_another_length_is_cut_anew(
    tmp_path: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    read(
        make_sound_clip(
            tmp_path / "long.mkv",
            codec="libopus",
            seconds=2,
            options={"frame_duration": "60"},
        )
    )
    assert {opus_samples(each.data) for each in sink.frames["opus"]} == {960}
    assert pitch_of(sink.heard()[24_000:72_000], 48_000) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(("codec", "suffix", "rate", "layout"), SOURCES)
def test_flash_and_beep_are_at_the_same_time(
    tmp_path: Path,
    sink: Sink,
    read: Callable[..., Outcome],
    codec: str,
    suffix: str,
    rate: int,
    layout: str,
) -> None:
    path = tmp_path / f"beep.{suffix}"
    make_sound_clip(path, codec=codec, rate=rate, layout=layout, pitch=1000, beeps=True)
    read(path)
    decoder = av.CodecContext.create("h264", "r")
    flashes = [
        unit.timestamp / 90_000
        for unit in sink.units
        for frame in decoder.decode(av.Packet(unit.data))
        if frame.to_ndarray(format="gray").mean() > 128
    ]
    # Each is two pictures long.
    flashes = flashes[::2]
    beeps: list[float] = []
    ear = Ear()
    was_loud = True
    for each in sink.frames["opus"]:
        samples = ear.hear(each.data)
        is_loud = loudness(samples) > 0.05
        if is_loud and not was_loud:
            first = int(np.argmax(np.abs(samples) > 0.05))
            beeps.append((each.timestamp + first) / 48_000)
        was_loud = is_loud
    assert len(beeps) == 3
    for beep in beeps:
        assert min(abs(beep - flash) for flash in flashes) < FLASH_SECONDS / 2


def test_gap_in_the_sound_does_not_move_what_follows(
    tmp_path: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = tmp_path / "gap.mkv"
    make_sound_clip(path, codec="pcm_s16le", seconds=3, gap=(1.0, 1.6))
    read(path)
    steps = sink.steps()
    gaps = [step for step in steps if step != 960]
    assert len(gaps) == 1
    assert gaps[0] == pytest.approx(960 + 0.6 * 48_000, abs=1000)
    first, last = sink.frames["opus"][0], sink.frames["opus"][-1]
    assert (last.timestamp - first.timestamp) / 48_000 == pytest.approx(2.98, abs=0.05)


def test_nothing_is_made_for_nobody(
    tmp_path: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    sink.codecs = frozenset()
    read(make_sound_clip(tmp_path / "tone.mp4", seconds=1))
    assert len(sink.units) == 25
    assert not any(sink.frames.values())


def test_sound_that_cannot_be_decoded_harms_no_picture(
    tmp_path: Path, sink: Sink, read: Callable[..., Outcome]
) -> None:
    path = make_sound_clip(tmp_path / "tone.avi", codec="ac3", seconds=1)
    data = path.read_bytes()
    # The sync word of AC-3.
    path.write_bytes(data.replace(b"\x0b\x77", b"\x55\x55"))
    read(path)
    assert len(sink.units) == 25
    assert not sink.frames["opus"]


@pytest.mark.parametrize("drift", [-300, 300])
def test_slow_and_fast_clocks_stay_in_sync(drift: int) -> None:
    labels = _Labels(48_000)
    worst = 0
    last = -960
    place = 0.0
    for number in range(20_000):
        place += 1800 * (1 + drift / 1_000_000)
        jitter = (number * 7919 % 13 - 6) * 90
        labels.check(round(place) + jitter, 0)
        if labels.leave_out(960):
            continue
        stamp = labels.take(960)
        assert stamp - last >= 960 or number == 0
        last = stamp
        worst = max(worst, abs(stamp - round(place) * 48 // 90))
    assert worst < 0.05 * 48_000


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\xf8\xff\xfe", 960),
        (b"\x08", 960),
        (b"\x18", 2880),
        (b"\x79", 1920),
        (b"\xe3\x04", 480),
        (b"\xe3", 0),
    ],
)
def test_length_of_opus_is_read_from_its_first_bytes(
    packet: bytes, samples: int
) -> None:
    assert opus_samples(packet) == samples
