"""What viewers say comes out at its pitch, one at a time, and only when it is wanted."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
import threading

import av
import numpy as np
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer
from custom_components.kinesis_webrtc.peer.talkback import (
    RATE,
    SILENCE,
    TalkBack,
    _Floor,
)
from tests.helpers.microphone import Microphone, decoded
from tests.helpers.sound import loudness, pitch_of
from tests.helpers.viewers import EchoPeer, Viewer

STEP = RATE // 50


class Sink:
    """Keeps what is said, and each time that somebody began."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.is_open = False
        self.threads: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def begin(self) -> None:
        assert not self.is_open
        self.is_open = True
        self.said.append(b"")
        self._tell()

    def take(self, chunk: bytes) -> None:
        assert self.is_open
        self.threads.add(threading.current_thread().name)
        self.said[-1] += chunk
        self._tell()

    def end(self) -> None:
        assert self.is_open
        self.is_open = False
        self._tell()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, condition: Callable[[], bool], timeout: float = 15) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def seconds(self) -> float:
        """How long the last one has spoken."""
        return len(self.said[-1]) * 8 / 320_000 if self.said else 0.0


@pytest.fixture
async def sink() -> Sink:
    return Sink()


def pitch(mp3: bytes, seconds: float = 0.5) -> float:
    """Return the pitch of the last of what was said."""
    return pitch_of(decoded(mp3)[-int(seconds * RATE) :], RATE)


async def talk(
    master: MasterPeer,
    viewer: Viewer,
    microphone: Microphone,
    *,
    formats: str = "96 0 8",
    viewer_id: str = "echo",
    heed: bool = True,
) -> str:
    """Connect a viewer with a microphone and return the answer.

    One that does not heed it sends whatever it says.
    """
    viewer.pc.getTransceivers()[0].sender.replaceTrack(microphone)
    offer = (await viewer.offer()).replace("96 0 8", formats)
    if "96" not in formats:
        offer = offer.replace("a=rtpmap:96 opus/48000/2\n", "")
    answer = await master.answer(viewer_id, offer, [])
    await viewer.accept(answer if heed else answer.replace("sendonly", "sendrecv"))
    return answer


@pytest.mark.parametrize("formats", ["96 0 8", "0", "8"])
async def test_what_a_viewer_says_comes_out_at_its_pitch(
    make_master: Callable[..., MasterPeer], sink: Sink, formats: str
) -> None:
    async with EchoPeer() as viewer:
        answer = await talk(
            make_master(talk_sink=sink), viewer, Microphone(440), formats=formats
        )
        audio, video = answer.split("m=video")
        assert "a=sendrecv" in audio
        assert "a=sendonly" in video
        await sink.wait(lambda: sink.seconds > 1.5)
        await viewer.wait_frames(5)
    await sink.wait(lambda: not sink.is_open)
    assert pitch(sink.said[0], 1.0) == pytest.approx(440, abs=2)
    assert sink.threads == {"kinesis_webrtc talk-back"}


@pytest.mark.parametrize("payload", [b"", b"\x03", b"\x01 no sound"])
async def test_packet_without_sound_does_not_end_what_is_said(
    make_master: Callable[..., MasterPeer],
    sink: Sink,
    caplog: pytest.LogCaptureFixture,
    payload: bytes,
) -> None:
    async with EchoPeer() as viewer:
        sender = viewer.pc.getTransceivers()[0].sender
        await talk(make_master(talk_sink=sink), viewer, Microphone(440))
        await sink.wait(lambda: sink.seconds > 0.5)
        encoder = vars(sender)["_RTCRtpSender__encoder"]
        stock, packets = encoder.encode, [0]

        def encode(*arguments: object) -> tuple[list[bytes], int]:
            payloads, timestamp = stock(*arguments)
            packets[0] += 1
            return (payloads if packets[0] > 3 else [payload], timestamp)

        encoder.encode = encode
        await sink.wait(lambda: packets[0] > 150)
    await sink.wait(lambda: not sink.is_open)
    assert pitch(sink.said[0], 1.0) == pytest.approx(440, abs=5)
    assert "failed to decode" not in caplog.text


async def test_nothing_is_taken_where_nobody_wants_it(
    master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders = []
    monkeypatch.setattr(
        "aiortc.rtcrtpreceiver.decoder_worker", lambda *_: decoders.append(1)
    )
    microphone = Microphone(440)
    async with EchoPeer() as viewer:
        answer = await talk(master, viewer, microphone, heed=False)
        assert answer.count("a=sendonly") == 2
        async with asyncio.timeout(15):
            await microphone.has_spoken.wait()
        [session] = master._sessions.values()
        receiver = session._pc.getTransceivers()[0].receiver
        assert "inbound-rtp" not in {
            x.type for x in (await receiver.getStats()).values()
        }
        # The viewer's own.
        assert len(decoders) == 2


async def test_nobody_is_heard_before_there_is_a_voice(
    make_master: Callable[..., MasterPeer], sink: Sink
) -> None:
    microphone = Microphone()
    async with EchoPeer() as viewer:
        await talk(make_master(talk_sink=sink), viewer, microphone)
        await viewer.wait_audio(50)
        assert not sink.said
        microphone.pitch = 700
        await sink.wait(lambda: sink.seconds > 1)
    assert pitch(sink.said[0]) == pytest.approx(700, abs=3)


async def test_who_speaks_first_has_the_floor_until_they_leave(
    make_master: Callable[..., MasterPeer], sink: Sink
) -> None:
    master = make_master(talk_sink=sink)
    second = Microphone()
    async with EchoPeer() as other:
        async with EchoPeer() as viewer:
            await talk(master, viewer, Microphone(440))
            await talk(master, other, second, viewer_id="other")
            await sink.wait(lambda: sink.seconds > 0.5)
            second.pitch = 1000
            await sink.wait(lambda: sink.seconds > 2)
        await sink.wait(lambda: len(sink.said) == 2 and sink.seconds > 1)
    first, last = sink.said
    spectrum = np.abs(np.fft.rfft(decoded(first)[-RATE:]))
    assert spectrum[440] > 100 * spectrum[1000]
    assert pitch(last) == pytest.approx(1000, abs=3)


async def test_switching_off_ends_what_is_said_but_not_the_view(
    make_master: Callable[..., MasterPeer], sink: Sink
) -> None:
    master = make_master(talk_sink=sink)
    async with EchoPeer() as viewer:
        await talk(master, viewer, Microphone(440))
        await sink.wait(lambda: sink.seconds > 0.5)
        await master.set_talk_sink(None)
        assert not sink.is_open
        said = len(sink.said[0])
        seen = len(viewer.frames)
        await viewer.wait_frames(seen + 25)
        assert len(sink.said[0]) == said
        assert len(sink.said) == 1
    async with EchoPeer() as viewer:
        answer = await talk(master, viewer, Microphone(440))
        assert "sendrecv" not in answer


async def test_a_viewer_who_only_speaks_is_heard(
    make_master: Callable[..., MasterPeer], sink: Sink
) -> None:
    class Speaker(EchoPeer):
        async def offer(self) -> str:
            audio, video = (await super().offer()).split("m=video")
            return f"{audio.replace('sendrecv', 'sendonly')}m=video{video}"

    async with Speaker() as viewer:
        answer = await talk(make_master(talk_sink=sink), viewer, Microphone(440))
        assert "a=recvonly" in answer.split("m=video")[0]
        await sink.wait(lambda: sink.seconds > 0.5)


def sound(count: int, number: int, loud: bool = True) -> list[av.AudioFrame]:
    """Return frames of 20 ms."""
    frames = []
    for index in range(count):
        times = (np.arange(STEP) + (number + index) * STEP) / RATE
        wave = np.sin(2 * np.pi * 440 * times) * (10_000 if loud else 100)
        frame = av.AudioFrame.from_ndarray(
            wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        frames.append(frame)
    return frames


async def test_gaps_are_silent_and_sound_that_is_late_is_dropped(sink: Sink) -> None:
    floor = _Floor(sink)
    for number, frame in enumerate(sound(50, 0)):
        floor.hear("one", frame, number / 50)
        floor.keep_up(number / 50)
    for now in (1.1, 1.2, 1.3, 1.5, 1.9, 2.0):
        floor.keep_up(now)
    # All that was held up for a second comes at once.
    for frame in sound(50, 50):
        floor.hear("one", frame, 2.0)
    floor.keep_up(2.0)
    for number, frame in enumerate(sound(50, 100)):
        floor.hear("one", frame, 2 + number / 50)
        floor.keep_up(2 + number / 50)
    floor.leave("one")
    samples = decoded(sink.said[0])
    assert len(samples) / RATE == pytest.approx(3.3, abs=0.25)
    loud = [
        loudness(samples[at : at + STEP]) > 0.05 for at in range(0, len(samples), STEP)
    ]
    changes = sum(one != other for one, other in pairwise(loud))
    assert changes <= 4
    assert 90 <= sum(loud) <= 130


async def test_silence_gives_the_floor_back(sink: Sink) -> None:
    floor = _Floor(sink)
    now = 0.0
    for frame in sound(25, 0) + sound(int(SILENCE * 50) + 10, 25, loud=False):
        floor.hear("one", frame, now)
        floor.keep_up(now)
        now += 0.02
    assert not sink.is_open
    assert len(sink.said) == 1
    for frame in sound(10, 0):
        floor.hear("two", frame, now)
    assert sink.is_open
    assert len(sink.said) == 2


async def test_a_click_is_no_voice(sink: Sink) -> None:
    floor = _Floor(sink)
    for frame in sound(2, 0) + sound(50, 2, loud=False) + sound(2, 52):
        floor.hear("one", frame, 0)
    assert not sink.said


async def test_what_came_before_the_voice_is_heard_as_well(sink: Sink) -> None:
    floor = _Floor(sink)
    for number, frame in enumerate(sound(50, 0, loud=False) + sound(3, 50)):
        floor.hear("one", frame, number / 50)
    floor.leave("one")
    assert len(decoded(sink.said[0])) / RATE == pytest.approx(0.3, abs=0.1)


async def test_memory_is_bounded_while_the_thread_is_held_up(sink: Sink) -> None:
    held = threading.Event()
    begin = sink.begin

    def hold() -> None:
        begin()
        held.wait(10)

    sink.begin = hold
    talk_back = TalkBack(sink)
    for frame in sound(10, 0):
        talk_back.take("one", frame)
    await sink.wait(lambda: sink.is_open)
    for frame in sound(500, 10):
        talk_back.take("one", frame)
    assert len(talk_back._waiting) == 50
    held.set()
    talk_back.close()
    await asyncio.to_thread(talk_back.join)
    assert not sink.is_open
    talk_back.take("one", sound(1, 0)[0])
    assert not talk_back._waiting


async def test_thread_that_cannot_begin_is_begun_for_the_next_frame(
    sink: Sink, without_threads: Callable[[], AbstractContextManager[None]]
) -> None:
    talk_back = TalkBack(sink)
    first, *others = sound(10, 0)
    with without_threads(), pytest.raises(RuntimeError):
        talk_back.take("one", first)
    talk_back.join()
    for frame in others:
        talk_back.take("one", frame)
    await sink.wait(lambda: sink.is_open)
    talk_back.close()
    await asyncio.to_thread(talk_back.join)
