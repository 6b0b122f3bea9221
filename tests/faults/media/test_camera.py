"""Cameras that go away, take their time, change their size, and send what is broken."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
import time

import av
import pytest

from custom_components.kinesis_webrtc.peer import Ended, MasterPeer
from tests.helpers.cameras import Camera, StallingCamera
from tests.helpers.clip import make_clip
from tests.helpers.sound import make_sound_clip
from tests.helpers.watcher import Shown, Watcher
from tests.peer.conftest import Recorder
from tests.peer.rtp_viewer import units_in, units_of

PACKET = 188


def decode(shown: list[Shown]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    frames = []
    for each in shown:
        data = b"".join(b"\0\0\0\1" + unit for unit in units_of(each.data))
        frames += decoder.decode(av.Packet(data))
    return frames


@pytest.mark.parametrize("is_direct", [True, False], ids=["own", "stock"])
async def test_camera_that_goes_away_comes_back_to_the_same_view(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_direct: bool,
) -> None:
    if not is_direct:
        monkeypatch.setattr(
            "custom_components.kinesis_webrtc.peer.takeover.moved", lambda: ["it"]
        )
    camera = Camera(make_clip(tmp_path / "short.mp4", seconds=2.0), loops=0)
    master = make_master(source=camera)
    await master.prepare()
    async with Watcher() as watcher:
        await watcher.watch(master)
        camera.leave()
        await camera.wait_gone()
        before = watcher.shown()
        camera.come_back()
        back = time.monotonic()
        await watcher.wait_shown(10)
        assert master.viewers == 1
        after = watcher.shown()[len(before) :]
    # The pause before it is asked again, and a group of pictures.
    assert after[0].at - back < 5
    assert after[0].is_key
    steps = [b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in pairwise(after)]
    assert all(0 < step < 90_000 for step in steps)
    assert 0 < after[0].timestamp - before[-1].timestamp & 0xFFFFFFFF < 1 << 31
    assert len(recorder.all(Ended)) <= 1


@pytest.mark.parametrize("is_heard", [False, True], ids=["silence", "sound"])
async def test_camera_that_shows_nothing_more_is_opened_anew(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    tmp_path: Path,
    is_heard: bool,
) -> None:
    """Its connection stays, and maybe its sound goes on."""
    make = make_sound_clip if is_heard else make_clip
    with StallingCamera(make(tmp_path / "clip.ts", seconds=20)) as camera:
        master = make_master(source=camera, limits={"read_timeout": 1.0})
        await master.prepare()
        async with Watcher() as watcher:
            await watcher.watch(master)
            await watcher.wait(lambda: camera.visits >= 3)
            await watcher.wait_shown(10)
            keys = [each for each in watcher.shown() if each.is_key]
            # Its pause, and that before it is asked again.
            assert all(b.at - a.at < 4 for a, b in pairwise(keys))
            assert watcher.lost == 0
        assert len(recorder.all(Ended)) <= 1


async def test_camera_that_opens_slowly_is_awaited(
    make_master: Callable[..., MasterPeer], clip: Path, recorder: Recorder
) -> None:
    master = make_master(source=Camera(clip, opens_in=8.0))
    await master.prepare()
    async with Watcher() as watcher:
        offer = await watcher.offer()
        began = time.monotonic()
        answer = await master.answer("watcher", offer, [])
        assert time.monotonic() - began < 1
        await watcher.accept(answer)
        await watcher.wait(watcher.connected.is_set)
        assert time.monotonic() - began < 6
        assert not watcher.packets
        await watcher.wait(lambda: bool(watcher.shown()))
        assert 8 <= watcher.shown()[0].at - began < 12
        assert not recorder.all(Ended)


async def test_camera_that_changes_its_size_is_shown_on(
    make_master: Callable[..., MasterPeer], recorder: Recorder, tmp_path: Path
) -> None:
    small = make_clip(tmp_path / "small.h264", seconds=2.0)
    large = make_clip(tmp_path / "large.h264", seconds=2.0, size=(640, 480))
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    master = make_master(source=Camera(path, loops=0))
    await master.prepare()
    async with Watcher() as watcher:
        await watcher.watch(master)
        await watcher.wait_shown(90)
        widths = [frame.width for frame in decode(watcher.shown())]
        assert watcher.lost == 0
    assert set(widths) == {320, 640}
    assert widths == sorted(widths)
    assert master.feed.format is not None
    assert master.feed.format.width == 640


def damage(path: Path) -> Path:
    """Take a packet out of the middle of a picture, in each group but the first."""
    data = path.read_bytes()
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    kept, left = [], 0
    for number, packet in enumerate(packets):
        begins = bool(packet[1] & 0x40)
        is_video = (packet[1] & 0x1F) << 8 | packet[2] == 0x100
        left -= 1
        if is_video and not begins and left <= 0 and number > 100:
            left = 150
            continue
        kept.append(packet)
    assert 1 <= len(packets) - len(kept) <= 6
    damaged = path.with_name("damaged.ts")
    damaged.write_bytes(b"".join(kept))
    return damaged


async def test_picture_of_which_something_is_missing_is_not_passed_on(
    make_master: Callable[..., MasterPeer], recorder: Recorder, tmp_path: Path
) -> None:
    whole = make_clip(tmp_path / "whole.ts", seconds=6.0, gop=25)
    with av.open(str(whole)) as container:
        pictures = {bytes(each) for each in container.demux(video=0) if each.size}
    camera = Camera(damage(whole), loops=0)
    master = make_master(source=camera)
    await master.prepare()
    async with Watcher() as watcher:
        await watcher.watch(master)
        camera.leave()
        await camera.wait_gone()
        shown = watcher.shown()
        assert watcher.lost == 0
    known = {frozenset(units_in(each)) for each in pictures}
    assert all(set(units_of(each.data)) in known for each in shown)
    # Each group is left at the damage, and the next one is whole again.
    assert 4 * 5 < len(shown) < 6 * 25
    assert sum(each.is_key for each in shown) >= 5


async def test_bits_that_nobody_can_know_to_be_wrong_harm_nothing_else(
    make_master: Callable[..., MasterPeer],
    recorder: Recorder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clip = make_clip(tmp_path / "whole.h264", seconds=4.0)
    data = bytearray(clip.read_bytes())
    for at in range(len(data) // 4, len(data), 997):
        data[at] ^= 0x55
    clip.write_bytes(data)
    master = make_master(source=Camera(clip))
    await master.prepare()
    async with Watcher() as watcher:
        await watcher.watch(master)
        await watcher.wait_shown(6 * 25)
        assert watcher.lost == 0
        assert decode(watcher.shown()[:20])
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
