"""Viewers made of aiortc hear the camera, in time with what they see."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket
import av
import numpy as np
import pytest

from custom_components.kinesis_webrtc.peer import MasterPeer, StreamUrl
from custom_components.kinesis_webrtc.peer.silence import FRAMES
from tests.helpers.sound import Ear, loudness, make_sound_clip, pitch_of
from tests.helpers.viewers import EchoPeer

from .conftest import FileSource
from .rtp_viewer import units_of

START_CODE = b"\0\0\0\1"


class Listener(EchoPeer):
    """Keeps packets and reports of sound and pictures, by payload type."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: dict[int, list[RtpPacket]] = {}
        self.reports: dict[int, list[RtcpSrPacket]] = {}
        self._transport = self.pc.getTransceivers()[0].receiver.transport
        self._stock = self._transport._handle_rtp_data
        self._stock_rtcp = self._transport._handle_rtcp_data
        vars(self._transport)["_handle_rtp_data"] = self._handle
        vars(self._transport)["_handle_rtcp_data"] = self._handle_rtcp
        self._arrived = asyncio.Event()

    async def watch(self, master: MasterPeer, formats: str = "96 0 8") -> None:
        offer = (await self.offer()).replace("96 0 8", formats)
        if "96" not in formats:
            offer = offer.replace("a=rtpmap:96 opus/48000/2\n", "")
        await self.accept(await master.answer("echo", offer, []))

    async def wait(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    def sounds(self, payload_type: int = 96) -> list[bytes]:
        return [each.payload for each in self.packets.get(payload_type, [])]

    def heard(self, codec: str = "opus", payload_type: int = 96) -> np.ndarray:
        ear = Ear(codec)
        return np.concatenate([ear.hear(each) for each in self.sounds(payload_type)])

    def captured(self, packet: RtpPacket, rate: int) -> float:
        """Return when a packet's media was captured, by the report before the last."""
        info = self.reports[packet.ssrc][-1].sender_info
        ahead = (packet.timestamp - info.rtp_timestamp + (1 << 31)) & 0xFFFFFFFF
        return info.ntp_timestamp / (1 << 32) + (ahead - (1 << 31)) / rate

    async def _handle(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data)
        self.packets.setdefault(packet.payload_type, []).append(packet)
        await self._stock(data, arrival_time_ms=arrival_time_ms)
        self._arrived.set()

    async def _handle_rtcp(self, data: bytes) -> None:
        for packet in RtcpPacket.parse(data):
            if isinstance(packet, RtcpSrPacket) and packet.sender_info.packet_count:
                self.reports.setdefault(packet.ssrc, []).append(packet)
        await self._stock_rtcp(data)
        self._arrived.set()


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


def beeps_of(viewer: Listener) -> list[float]:
    found: list[float] = []
    ear, was_loud = Ear(), True
    for packet in viewer.packets[96]:
        samples = ear.hear(packet.payload)
        is_loud = loudness(samples) > 0.05
        if is_loud and not was_loud:
            first = int(np.argmax(np.abs(samples) > 0.05))
            found.append(viewer.captured(packet, 48_000) + first / 48_000)
        was_loud = is_loud
    return found


def flashes_of(viewer: Listener) -> list[float]:
    found: list[float] = []
    decoder, payloads, was_bright = av.CodecContext.create("h264", "r"), [], True
    for packet in viewer.packets[99]:
        payloads.append(packet.payload)
        if not packet.marker:
            continue
        data = b"".join(START_CODE + unit for unit in units_of(payloads))
        payloads = []
        for frame in decoder.decode(av.Packet(data)):
            is_bright = frame.to_ndarray(format="gray").mean() > 128
            if is_bright and not was_bright:
                found.append(viewer.captured(packet, 90_000))
            was_bright = is_bright
    return found


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
