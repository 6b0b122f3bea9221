"""Where aiortc sends by itself, viewers hear the camera as well."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from aiortc.mediastreams import MediaStreamError
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer, takeover
from custom_components.kinesis_webrtc.peer.capture_clock import CaptureClock
from custom_components.kinesis_webrtc.peer.silence import FRAMES
from custom_components.kinesis_webrtc.peer.sound_fanout import SoundFanout
from custom_components.kinesis_webrtc.peer.sound_track import SoundPacker, SoundTrack
from tests.helpers.listener import Listener, beeps_of, flashes_of
from tests.helpers.sound import make_sound_clip, pitch_of

from .conftest import FileSource


@pytest.fixture
def stock(
    make_master: Callable[..., MasterPeer], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., MasterPeer]:
    monkeypatch.setattr(takeover, "moved", lambda: ["RTCRtpSender._run_rtp"])
    # Neither its thread nor what that needs of the library is to be had.
    monkeypatch.delattr("custom_components.kinesis_webrtc.peer.fanout.Fanout._run")
    return make_master


@pytest.mark.parametrize(("codec", "number"), [("opus", 96), ("PCMA", 8)])
async def test_viewer_hears_the_tone(
    stock: Callable[..., MasterPeer], tmp_path: Path, codec: str, number: int
) -> None:
    source = FileSource(make_sound_clip(tmp_path / "tone.mp4", pitch=700))
    async with Listener() as viewer:
        formats = "96 0 8" if codec == "opus" else str(number)
        await viewer.watch(stock(source=source), formats)
        silence = FRAMES[codec][1]
        await viewer.wait(
            lambda: sum(each != silence for each in viewer.sounds(number)) > 60
        )
        rate = 48_000 if codec == "opus" else 8_000
        samples = viewer.heard(codec, number)[-rate * 4 // 5 :]
        assert pitch_of(samples, rate) == pytest.approx(700, abs=3)
        stamps = [each.timestamp for each in viewer.packets[number]]
    steps = {
        (later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(stamps[-40:])
    }
    assert steps == {rate // 50}


async def test_flash_and_beep_are_together(
    stock: Callable[..., MasterPeer], tmp_path: Path
) -> None:
    path = make_sound_clip(tmp_path / "beep.mp4", beeps=True, pitch=1000, seconds=8)
    async with Listener() as viewer:
        await viewer.watch(stock(source=FileSource(path)))
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


async def test_it_is_silent_without_sound_and_ends_when_stopped() -> None:
    sound = SoundFanout(CaptureClock(), lambda: None)
    track = SoundTrack("PCMU", sound)
    assert not sound.codecs
    payloads, first = SoundPacker().pack(await track.recv())
    assert payloads == [FRAMES["PCMU"][1]]
    _, second = SoundPacker().pack(await track.recv())
    assert second - first == 160
    assert sound.codecs == {"PCMU"}
    track.stop()
    assert not sound.codecs
    with pytest.raises(MediaStreamError):
        await track.recv()
