"""Viewers made of aiortc hear the camera, in time with what they see."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer, StreamUrl
from custom_components.kinesis_webrtc.peer.silence import FRAMES
from tests.helpers.listener import Listener, beeps_of, flashes_of
from tests.helpers.sound import make_sound_clip, pitch_of

from .conftest import FileSource


def camera(path: Path, **settings: object) -> FileSource:
    return FileSource(make_sound_clip(path, **settings))


def is_heard(listener: Listener, codec: str = "opus", number: int = 96) -> bool:
    return sum(x != FRAMES[codec][1] for x in listener.sounds(number)) > 60


async def test_viewer_hears_the_tone(
    make_master: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    source = camera(tmp_path / "tone.mp4", rate=16_000, pitch=700)
    async with Listener() as viewer:
        await viewer.watch(make_master(source=source))
        await viewer.wait(lambda: is_heard(viewer))
        assert pitch_of(viewer.heard()[-38_400:], 48_000) == pytest.approx(700, abs=3)
        await viewer.wait_audio(30)
        numbers = [each.sequence_number for each in viewer.packets[96]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(("codec", "number"), [("PCMU", 0), ("PCMA", 8)])
async def test_viewer_of_g711_alone_hears_the_tone(
    make_master: Callable[..., MasterPeer], tmp_path: Path, codec: str, number: int
) -> None:
    source = camera(tmp_path / "tone.mov", codec="pcm_alaw", rate=8_000)
    async with Listener() as viewer:
        await viewer.watch(make_master(source=source), str(number))
        await viewer.wait(lambda: is_heard(viewer, codec, number))
        samples = viewer.heard(codec, number)[-6_400:]
        assert pitch_of(samples, 8_000) == pytest.approx(440, abs=3)


async def test_opus_arrives_bit_by_bit(
    make_master: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    source = camera(tmp_path / "opus.mkv", codec="libopus")
    with av.open(str(source.path)) as container:
        sent = {bytes(each) for each in container.demux(audio=0) if each.size}
    async with Listener() as viewer:
        await viewer.watch(make_master(source=source))
        await viewer.wait(lambda: is_heard(viewer))
        assert set(viewer.sounds()) <= sent | {FRAMES["opus"][1]}


async def test_flash_and_beep_are_captured_at_the_same_time(
    make_master: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    source = camera(tmp_path / "beep.mp4", beeps=True, pitch=1000, seconds=8)
    async with Listener() as viewer:
        await viewer.watch(make_master(source=source))
        await viewer.wait(
            lambda: (
                len(viewer.reports) == 2
                and all(len(each) >= 5 for each in viewer.reports.values())
            )
        )
        beeps, flashes = beeps_of(viewer), flashes_of(viewer)
    assert len(beeps) >= 3
    for beep in beeps[1:-1]:
        assert min(abs(beep - flash) for flash in flashes) < 0.06


async def test_sound_comes_back_with_the_camera(
    make_master: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    class Restarting(FileSource):
        """A camera whose stream ends after a second, each time."""

        async def resolve(self) -> StreamUrl:
            stream = await super().resolve()
            return StreamUrl(url=stream.url, options={})

    path = make_sound_clip(tmp_path / "short.mp4", seconds=1)
    master = make_master(source=Restarting(path), limits={"backoff_floor": 0.6})
    async with Listener() as viewer:
        await viewer.watch(master)

        def turns() -> list[bool]:
            heard = [each != FRAMES["opus"][1] for each in viewer.sounds()]
            return [
                now
                for now, before in zip(heard, [None, *heard], strict=False)
                if now != before
            ]

        await viewer.wait(lambda: turns().count(True) >= 2)
        assert master.feed.opened >= 2
        stamps = [each.timestamp for each in viewer.packets[96]]
        steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(stamps)]
        assert all(960 <= step < 48_000 * 3 for step in steps)


async def test_camera_without_sound_is_silent(master: MasterPeer) -> None:
    async with Listener() as viewer:
        await viewer.watch(master)
        await viewer.wait(lambda: len(viewer.sounds()) > 60)
        assert set(viewer.sounds()) == {FRAMES["opus"][1]}


async def test_nothing_is_encoded_when_all_have_gone(
    make_master: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    master = make_master(source=camera(tmp_path / "tone.mp4"))
    async with Listener() as viewer:
        await viewer.watch(master)
        await viewer.wait(lambda: is_heard(viewer))
        assert master.feed.sound.codecs == {"opus"}
        await master.close("echo")
        assert not master.feed.sound.codecs
        assert master.feed.sound.listeners == 0
