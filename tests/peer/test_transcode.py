"""Pictures of any codec, size and pixel format become H.264 that every viewer shows."""

from collections.abc import Callable
from fractions import Fraction
import itertools
import os
from pathlib import Path
import sys
import threading

import av
import numpy as np
import pytest

from custom_components.kinesis_webrtc.peer import Orientation, transcode
from custom_components.kinesis_webrtc.peer.h264 import nal_units
from custom_components.kinesis_webrtc.peer.transcode import (
    ArrivalClock,
    EncodedPicture,
    Encoder,
    Lag,
    Transcoder,
    yield_to_others,
)
from tests.helpers.clip import is_moving, make_clip


@pytest.fixture
def show() -> Callable[[list[EncodedPicture]], list[av.VideoFrame]]:
    """Decode pictures as a viewer does."""

    def decode(pictures: list[EncodedPicture]) -> list[av.VideoFrame]:
        decoder = av.CodecContext.create("h264", "r")
        frames = []
        for picture in pictures:
            frames += decoder.decode(av.Packet(picture.data))
        return frames + decoder.decode(None)

    return decode


def colour(
    rgb: tuple[int, int, int], *, size: tuple[int, int], pixel_format: str
) -> av.VideoFrame:
    pixels = np.full((size[1], size[0], 3), rgb, dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return frame.reformat(
        format=pixel_format,
        dst_color_range="JPEG" if pixel_format.startswith("yuvj") else "MPEG",
    )


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx265", "ts"), ("libvpx", "webm"), ("libvpx-vp9", "webm"), ("mpeg4", "mp4")],
)
def test_a_clip_of_another_codec_keeps_its_pictures(
    tmp_path: Path,
    codec: str,
    suffix: str,
    show: Callable[[list[EncodedPicture]], list[av.VideoFrame]],
) -> None:
    path = make_clip(tmp_path / f"clip.{suffix}", codec=codec, seconds=2)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        transcoder = Transcoder(stream, timeout=5)
        pictures = [
            picture
            for packet in container.demux(stream)
            for picture in transcoder.push(packet)
        ]
    assert len(pictures) == 50
    assert transcoder.size == (320, 240)
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(pictures)]
    assert all(3500 <= step <= 3700 for step in steps)
    frames = show(pictures)
    assert len(frames) == 50
    assert is_moving(frames)


def test_key_pictures_come_every_two_seconds_with_their_parameter_sets() -> None:
    encoder = Encoder(rate=10)
    pictures = [
        picture
        for number in range(45)
        for picture in encoder.encode(
            colour((number * 5, 80, 120), size=(64, 48), pixel_format="yuv420p"),
            number * 9000,
        )
    ]
    assert [n for n, picture in enumerate(pictures) if picture.is_key] == [0, 20, 40]
    for picture in pictures:
        kinds = [kind for kind, _, _ in nal_units(picture.data)]
        assert {7, 8, 5} <= set(kinds) if picture.is_key else 1 in kinds
        # One slice each: what is lost on the way is one picture.
        assert sum(kind in (1, 5) for kind in kinds) == 1


def test_pictures_are_turned_after_they_were_made_to_fit(
    show: Callable[[list[EncodedPicture]], list[av.VideoFrame]],
) -> None:
    encoder = Encoder(rate=25, orientation=Orientation.ROTATE_RIGHT)
    pixels = np.full((1080, 1920, 3), 40, dtype=np.uint8)
    pixels[:, :960] = 200
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    pictures = [p for n in range(3) for p in encoder.encode(frame, n * 3600)]
    assert encoder.size == (720, 1280)
    for turned in show(pictures):
        grey = turned.to_ndarray(format="gray")
        assert grey.shape == (1280, 720)
        assert grey[:600].mean() > 180
        assert grey[680:].mean() < 60


def test_no_picture_waits_for_the_next() -> None:
    encoder = Encoder(rate=25)
    for number in range(5):
        frame = colour((200, 30, 30), size=(320, 240), pixel_format="yuv420p")
        assert [p.timestamp for p in encoder.encode(frame, number * 3600)] == [
            number * 3600
        ]


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1920, 1080), (1280, 720)),
        ((2560, 1920), (960, 720)),
        ((1080, 1920), (720, 1280)),
        ((641, 479), (640, 478)),
        ((320, 240), (320, 240)),
        ((7680, 1080), (1280, 180)),
        ((1, 1), (2, 2)),
    ],
)
def test_pictures_are_made_to_fit_in_their_own_proportions(
    size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    encoder = Encoder(rate=25)
    [picture] = encoder.encode(colour((9, 9, 9), size=size, pixel_format="yuv444p"), 0)
    assert encoder.size == fitted
    # Level 3.1 at most, of the profile that every viewer takes.
    sps = next(picture.data[b:e] for k, b, e in nal_units(picture.data) if k == 7)
    assert sps[1] == 0x42
    assert sps[2] & 0x40
    assert sps[3] <= 31


@pytest.mark.parametrize(
    "pixel_format", ["yuvj420p", "yuv422p", "yuvj422p", "rgb24", "gray", "yuv420p10le"]
)
def test_colours_stay_what_they_are(
    pixel_format: str, show: Callable[[list[EncodedPicture]], list[av.VideoFrame]]
) -> None:
    grey = (140, 140, 140)
    rgb = grey if pixel_format == "gray" else (200, 60, 40)
    encoder = Encoder(rate=25)
    frame = colour(rgb, size=(160, 96), pixel_format=pixel_format)
    [shown] = show(list(encoder.encode(frame, 0)))
    seen = shown.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    assert np.abs(seen - rgb).max() < 12, seen


def test_another_resolution_begins_with_a_key_picture() -> None:
    encoder = Encoder(rate=25)
    sizes = [(320, 240), (320, 240), (640, 480), (640, 480)]
    pictures = [
        picture
        for number, size in enumerate(sizes)
        for picture in encoder.encode(
            colour((90, 90, 90), size=size, pixel_format="yuv420p"), number * 3600
        )
    ]
    assert [picture.is_key for picture in pictures] == [True, False, True, False]


def test_damaged_packets_cost_their_pictures_only(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", codec="mpeg4", seconds=2, gop=5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        transcoder = Transcoder(stream, timeout=5)
        count = 0
        damaged = av.Packet(b"\x00" * 40)
        damaged.stream = stream
        for number, packet in enumerate(container.demux(stream)):
            count += len(list(transcoder.push(damaged if number == 7 else packet)))
    assert 40 <= count < 50


def test_more_than_thirty_pictures_a_second_are_thinned(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", codec="mpeg4", seconds=1, fps=60)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        transcoder = Transcoder(stream, timeout=5)
        pictures = [
            picture
            for packet in container.demux(stream)
            for picture in transcoder.push(packet)
        ]
    assert 28 <= len(pictures) <= 31


def test_a_machine_that_is_too_slow_leaves_pictures_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 100.0
    monkeypatch.setattr(transcode.time, "monotonic", lambda: clock)
    lag = Lag()
    late = []
    for number in range(40):
        late.append(lag.is_too_late(number * 0.04))
        # Encoding takes 100 ms, leaving out takes 5, and the camera waits for nobody.
        clock = max(clock + (0.005 if late[-1] else 0.1), 100 + (number + 1) * 0.04)
    assert late[:8] == [False] * 8
    assert True in late
    # Once it has caught up, it goes on.
    assert False in late[late.index(True) :]


def test_a_camera_whose_clock_jumps_is_not_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcode.time, "monotonic", lambda: 100.0)
    lag = Lag()
    assert [lag.is_too_late(at) for at in (50.0, 0.0, 0.04)] == [False] * 3


def test_pictures_that_come_together_are_drawn_apart_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(transcode.time, "monotonic", lambda: now)
    clock = ArrivalClock()
    times = [clock.read() for _ in range(20)]
    assert times[:4] == [9_000_000 + 3000 * number for number in range(4)]
    assert times == sorted(times)
    assert times[-1] == 9_000_000 + 22_500
    now = 110.0
    assert clock.read() == 9_900_000


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority there")
def test_the_thread_that_encodes_steps_back_alone() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    seen: list[int] = []

    def work() -> None:
        yield_to_others()
        seen.append(niceness())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [min(19, before + 10)]
    assert niceness() == before


def test_time_base_of_the_stream_is_told_in_rtp_units(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", codec="mpeg4", seconds=1, fps=10)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base != Fraction(1, 90_000)
        transcoder = Transcoder(stream, timeout=5)
        pictures = [
            picture
            for packet in container.demux(stream)
            for picture in transcoder.push(packet)
        ]
    assert [p.timestamp for p in pictures] == [n * 9000 for n in range(10)]
