"""Sound reaches listeners when it is due; silence fills what is left."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import pairwise
import time

import pytest

from custom_components.kinesis_webrtc.peer.capture_clock import CaptureClock
from custom_components.kinesis_webrtc.peer.silence import FRAMES
from custom_components.kinesis_webrtc.peer.sound import SoundFrame
from custom_components.kinesis_webrtc.peer.sound_fanout import DueFrame, SoundFanout

SILENCE = FRAMES["opus"][1]


class Viewer:
    """Keeps what it is to send."""

    def __init__(self, codec: str = "opus") -> None:
        self.codec = codec
        self.due: deque[DueFrame] = deque()

    @property
    def got(self) -> list[tuple[bytes, int, int]]:
        return [(each.data, each.timestamp, each.ntp) for each in self.due]

    @property
    def sounds(self) -> list[bytes]:
        return [data for data, _, _ in self.got if data != SILENCE]

    def check(self, samples: int = 960) -> None:
        stamps = [stamp for _, stamp, _ in self.got]
        assert all(later - earlier >= samples for earlier, later in pairwise(stamps))


@pytest.fixture
def clock() -> CaptureClock:
    return CaptureClock()


@pytest.fixture
def fanout(clock: CaptureClock) -> SoundFanout:
    return SoundFanout(clock, lambda: None)


async def until(fanout: SoundFanout, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            pause = fanout.serve()
            if condition():
                return
            await asyncio.sleep(min(pause, 0.02))


def live(clock: CaptureClock) -> int:
    assert clock.offset is not None
    return int((time.monotonic() - clock.offset) * 48_000)


async def test_silence_until_sound_comes_and_when_it_stops(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    viewer = Viewer()
    fanout.add(viewer)
    await until(fanout, lambda: len(viewer.got) > 5)
    assert not viewer.sounds
    clock.observe(90_000)
    at = live(clock) + 960
    for number in range(10):
        fanout.take("opus", SoundFrame(b"%d" % number, at + number * 960))
    await until(fanout, lambda: len(viewer.sounds) >= 8)
    assert viewer.sounds[-1] == b"9" or len(viewer.sounds) < 10
    await until(fanout, lambda: viewer.got[-1][0] == SILENCE)
    await until(fanout, lambda: viewer.got[-5][0] == SILENCE)
    viewer.check()


async def test_timestamps_and_reports_are_of_one_clock(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    clock.observe(900_000)
    viewer = Viewer()
    fanout.add(viewer)
    at = live(clock)
    for number in range(5):
        fanout.take("opus", SoundFrame(b"x", at + 960 + number * 960))
    await until(fanout, lambda: len(viewer.sounds) >= 4)
    for _, stamp, captured in viewer.got:
        seconds = captured / (1 << 32) - 2_208_988_800
        assert seconds == pytest.approx(clock.time_of(stamp * 90 // 48), abs=0.005)


async def test_joining_viewer_gets_no_old_sound(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    clock.observe(90_000)
    first, second = Viewer(), Viewer()
    fanout.add(first)
    at = live(clock) + 960
    fanout.take("opus", SoundFrame(b"old", at))
    await until(fanout, lambda: bool(first.sounds))
    fanout.add(second)
    fanout.take("opus", SoundFrame(b"new", at + 960))
    await until(fanout, lambda: bool(second.sounds))
    assert second.sounds == [b"new"]
    assert fanout.listeners == 2


async def test_sound_that_is_early_waits_for_its_time(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    clock.observe(90_000)
    viewer = Viewer()
    fanout.add(viewer)
    at = live(clock) + 24_000
    fanout.take("opus", SoundFrame(b"later", at))
    await until(fanout, lambda: bool(viewer.sounds))
    assert live(clock) >= at - 960
    viewer.check()


async def test_each_codec_is_asked_for_while_somebody_listens(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    assert not fanout.codecs
    opus, g711 = Viewer(), Viewer("PCMA")
    fanout.add(opus)
    fanout.add(g711)
    assert fanout.codecs == {"opus", "PCMA"}
    await until(fanout, lambda: len(g711.got) > 3)
    assert {data for data, _, _ in g711.got} == {FRAMES["PCMA"][1]}
    g711.check(160)
    fanout.remove(g711)
    assert fanout.codecs == {"opus"}
    fanout.remove(opus)
    fanout.remove(opus)
    assert not fanout.codecs
    assert fanout.listeners == 0


async def test_timestamps_go_on_when_the_clock_is_set(
    clock: CaptureClock, fanout: SoundFanout
) -> None:
    clock.observe(900_000)
    viewer = Viewer()
    fanout.add(viewer)
    await until(fanout, lambda: len(viewer.got) > 3)
    clock.observe(90_000)
    seen = len(viewer.got)
    await until(fanout, lambda: len(viewer.got) > seen + 10)
    viewer.check()
    assert viewer.got[-1][1] - viewer.got[0][1] < 48_000 * 5


@pytest.mark.parametrize("jump", [-600.0, 600.0])
async def test_sound_goes_on_when_the_systems_clock_is_set(
    clock: CaptureClock,
    fanout: SoundFanout,
    monkeypatch: pytest.MonkeyPatch,
    jump: float,
) -> None:
    clock.observe(900_000)
    began = time.monotonic()
    viewer = Viewer()
    fanout.add(viewer)
    await until(fanout, lambda: len(viewer.got) > 3)
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() + jump)
    seen = len(viewer.got)
    await until(fanout, lambda: len(viewer.got) > seen + 5)
    clock.observe(900_000 + int((time.monotonic() - began) * 90_000))
    at = live(clock) + 960
    for number in range(10):
        fanout.take("opus", SoundFrame(b"x", at + number * 960))
    await until(fanout, lambda: len(viewer.sounds) >= 8)
    viewer.check()
    assert viewer.got[-1][1] - viewer.got[0][1] < 48_000 * 5
    reported = viewer.got[-1][2] / (1 << 32) - 2_208_988_800
    assert reported == pytest.approx(time.time(), abs=1)
