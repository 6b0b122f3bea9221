"""A viewer that loses too much gets less, one that shows nothing gets another encoding."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket
import pytest

from custom_components.kinesis_webrtc.peer import (
    Ended,
    MasterPeer,
    congestion,
    undecodable,
)
from custom_components.kinesis_webrtc.peer.session import PeerSession
from tests.helpers.clip import make_clip
from tests.helpers.viewers import Viewer

from .conftest import FileSource, Recorder
from .rtp_viewer import PlainEcho, PlainViewer

type Join = Callable[..., Awaitable[PlainEcho]]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "large.mp4"
    return make_clip(path, size=(640, 480), seconds=4, gop=10)


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Let viewers in, who leave at the end."""
    viewers: list[Viewer] = []

    async def join(to: MasterPeer, name: str, kind: type = PlainViewer) -> Viewer:
        viewer = kind()
        viewers.append(viewer)
        await viewer.accept(await to.answer(name, await viewer.offer(), []))
        await viewer.packets.wait(lambda: len(viewer.packets.pictures()) > 5)
        return viewer

    yield join
    for viewer in viewers:
        await viewer.close()


class Reports:
    """Has a viewer report as the test says, and not as it is."""

    def __init__(self, session: PeerSession) -> None:
        assert session._pc is not None
        self._sender = session._pc.getTransceivers()[-1].sender
        self._highest = 0

    async def tell(self, lost: float, times: int = 1) -> None:
        for _ in range(times):
            self._highest += 100
            info = RtcpReceiverInfo(
                ssrc=self._sender._ssrc,
                fraction_lost=int(256 * lost),
                packets_lost=0,
                highest_sequence=self._highest,
                jitter=0,
                lsr=0,
                dlsr=0,
            )
            packet = RtcpRrPacket(ssrc=1, reports=[info])
            await self._sender._handle_rtcp_packet(packet)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have congestion begin and end with the second report that says so."""
    monkeypatch.setattr(congestion, "_TO_BEGIN", 0.0)
    monkeypatch.setattr(congestion, "_TO_END", 0.0)
    # The viewers' own reports tell that all is well.
    monkeypatch.setattr(
        "aiortc.rtcrtpreceiver.RTCRtpReceiver._send_rtcp", _send_nothing
    )


async def _send_nothing(self: object, packet: object) -> None:
    return


def kinds(viewer: Viewer, begin: int) -> list[bool]:
    """Return of each picture from one on whether it is a key picture."""
    return [
        any(unit[0] & 31 == 5 for unit in units)
        for _, units in viewer.packets.pictures()[begin:]
    ]


@pytest.mark.usefixtures("at_once")
async def test_a_viewer_that_loses_too_much_gets_key_pictures_alone(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    recorder: Recorder,
) -> None:
    master = make_master(source=FileSource(large))
    slow, quick = await join(master, "slow"), await join(master, "quick")
    reports = Reports(master._sessions["slow"])
    await reports.tell(0.3)
    assert master._sessions["slow"].care.is_congested
    assert not master._sessions["quick"].care.is_congested
    begin = len(slow.packets.pictures()) + 3
    seen = len(quick.packets.pictures())
    await slow.packets.wait(lambda: len(slow.packets.pictures()) >= begin + 4)
    assert all(kinds(slow, begin))
    await quick.packets.wait(lambda: len(quick.packets.pictures()) > seen + 20)
    assert not all(kinds(quick, seen))

    await reports.tell(0.0)
    assert not master._sessions["slow"].care.is_congested
    begin = len(slow.packets.pictures())
    await slow.packets.wait(lambda: len(slow.packets.pictures()) > begin + 20)
    after = kinds(slow, begin)
    # All of them, from a key picture on.
    assert after[0]
    assert after.count(False) > 10
    stamps = [stamp for stamp, _ in slow.packets.pictures()]
    assert stamps == sorted(set(stamps))
    await master.close("slow")
    ended = await recorder.wait(Ended, "slow")
    assert ended.congested_seconds > 0
    await master.close("quick")
    assert (await recorder.wait(Ended, "quick")).congested_seconds == 0


@pytest.mark.usefixtures("at_once")
async def test_where_there_is_a_lower_stream_it_gets_that(
    make_master: Callable[..., MasterPeer], join: Join, large: Path, source: FileSource
) -> None:
    master = make_master(source=FileSource(large), small_source=source)
    slow = await join(master, "slow")
    reports = Reports(master._sessions["slow"])

    async def shows(size: tuple[int, int]) -> None:
        async with asyncio.timeout(20):
            while (slow.frames[-1].width, slow.frames[-1].height) != size:
                await slow.wait_frames(len(slow.frames) + 1)

    await shows((640, 480))
    await reports.tell(0.3)
    await shows((320, 240))
    seen = len(slow.packets.pictures())
    await slow.packets.wait(lambda: len(slow.packets.pictures()) > seen + 15)
    assert not all(kinds(slow, seen))
    await reports.tell(0.0)
    await shows((640, 480))
    stamps = [stamp for stamp, _ in slow.packets.pictures()]
    assert stamps == sorted(set(stamps))
    # What it was lent is given back.
    assert not master.small_feed._subscriptions


async def test_real_loss_is_reported_and_counts(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(congestion, "_TO_BEGIN", 0.5)
    master = make_master(source=FileSource(large))
    viewer = await join(master, "viewer")
    viewer.packets.lose = lambda number: number % 3 == 0
    async with asyncio.timeout(30):
        while not master._sessions["viewer"].care.is_congested:
            seen = len(viewer.packets.rtp)
            await viewer.packets.wait(lambda: len(viewer.packets.rtp) > seen)  # noqa: B023


async def test_a_viewer_that_shows_nothing_gets_another_encoding(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undecodable, "_PATIENCE", 1.0)
    monkeypatch.setattr(undecodable, "_REPORTS", 1)
    master = make_master(source=FileSource(large))
    unable, able = await join(master, "unable"), await join(master, "able")
    reports = Reports(master._sessions["unable"])
    async with asyncio.timeout(20):
        while not master._sessions["unable"].care.is_encoded:
            await reports.tell(0.0)
            await unable.packets.ask_for_key_frame()
            await asyncio.sleep(0.2)
    own = {unit[:8] for unit in _sets(able)}
    before = len(unable.packets.pictures())
    await unable.packets.wait(
        lambda: any(kinds(unable, before)) and not own & set(_sets(unable, before)),
        timeout=30,
    )
    # The one that can show it goes on with the camera's own.
    seen = len(able.packets.pictures())
    await able.packets.wait(lambda: any(kinds(able, seen)))
    assert {unit[:8] for unit in _sets(able, seen)} == own
    decoded = len(unable.frames)
    await unable.wait_frames(decoded + 5)
    await master.close("unable")
    assert (await recorder.wait(Ended, "unable")).is_encoded
    await master.close("able")
    assert not (await recorder.wait(Ended, "able")).is_encoded


async def test_a_viewer_that_lost_something_goes_on_with_the_cameras_own(
    make_master: Callable[..., MasterPeer],
    join: Join,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undecodable, "_PATIENCE", 0.5)
    monkeypatch.setattr(undecodable, "_REPORTS", 1)
    master = make_master(source=FileSource(large))
    viewer = await join(master, "viewer")
    reports = Reports(master._sessions["viewer"])
    for _ in range(8):
        await reports.tell(0.05)
        await viewer.packets.ask_for_key_frame()
        seen = len(viewer.packets.pictures())
        await viewer.packets.wait(lambda: len(viewer.packets.pictures()) > seen + 5)  # noqa: B023
    assert not master._sessions["viewer"].care.is_encoded


def _sets(viewer: Viewer, begin: int = 0) -> list[bytes]:
    """Return the sequence parameter sets that a viewer got, from a picture on."""
    return [
        unit[:8]
        for _, units in viewer.packets.pictures()[begin:]
        for unit in units
        if unit[0] & 31 == 7
    ]
