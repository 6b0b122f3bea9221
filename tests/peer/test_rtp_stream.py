"""What viewers get: every bit, in order, at once, again when lost, and each its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
import itertools
from pathlib import Path
import time

from aiortc import clock
from aiortc.rtp import RtpPacket
import pytest

from custom_components.kinesis_webrtc.peer import (
    Connected,
    Ended,
    EndReason,
    KeyFrameSent,
    MasterPeer,
)
from custom_components.kinesis_webrtc.peer.h264 import AccessUnit
from tests.helpers.clip import make_clip
from tests.helpers.servers import Coturn
from tests.helpers.viewers import Viewer

from .conftest import FileSource, Recorder
from .rtp_viewer import PlainEcho, PlainViewer, units_in
from .test_gathering import only_relayed

type Join = Callable[..., Awaitable[PlainEcho | PlainViewer]]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip whose only key picture is its first, with pictures of some size."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return make_clip(path, seconds=24, gop=1000)


@pytest.fixture
async def join(master: MasterPeer) -> AsyncIterator[Join]:
    """Let viewers in, who leave at the end."""
    viewers: list[Viewer] = []

    async def join(
        name: str, kind: type = PlainEcho, to: MasterPeer = master
    ) -> Viewer:
        viewer = kind()
        viewers.append(viewer)
        await viewer.accept(await to.answer(name, await viewer.offer(), []))
        return viewer

    yield join
    for viewer in viewers:
        await viewer.close()


@pytest.fixture
def units(master: MasterPeer, monkeypatch: pytest.MonkeyPatch) -> list[AccessUnit]:
    """Return what the camera gives, as it comes."""
    seen: list[AccessUnit] = []
    push = master.feed.ring.push

    def record(unit: AccessUnit) -> None:
        seen.append(unit)
        push(unit)

    monkeypatch.setattr(master.feed.ring, "push", record)
    return seen


def is_contiguous(packets: list[RtpPacket]) -> bool:
    found = [packet.sequence_number for packet in packets]
    return all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(found))


async def test_every_bit_of_the_camera_reaches_every_viewer(
    join: Join, units: list[AccessUnit]
) -> None:
    echo = await join("echo")
    await echo.packets.wait(lambda: len(echo.packets.pictures()) > 12)
    browser = await join("browser", PlainViewer)
    await browser.packets.wait(lambda: len(browser.packets.pictures()) > 40)
    wanted = [units_in(unit.data) for unit in units]
    formats = set()
    for viewer in (echo, browser):
        rtp, pictures = viewer.packets.rtp, viewer.packets.pictures()
        first = wanted.index(pictures[0][1])
        assert [u for _, u in pictures] == wanted[first : first + len(pictures)]
        assert units[first].is_key
        stamps = [unit.timestamp for unit in units[first:]]
        for (stamp, _), expected in zip(pictures, stamps, strict=False):
            assert (stamp - pictures[0][0]) & 0xFFFFFFFF == expected - stamps[0]
        assert is_contiguous(rtp)
        assert rtp[0].sequence_number < 32768
        formats.add(rtp[0].payload_type)
        assert {packet.payload_type for packet in rtp} == {rtp[0].payload_type}
    assert 99 in formats
    assert len(formats) == 2
    assert echo.packets.ssrc != browser.packets.ssrc
    assert echo.packets.rtp[0].extensions.mid is None
    assert browser.packets.rtp[0].extensions.mid == "1"
    last = echo.packets.rtp[-1].extensions.abs_send_time
    behind = ((clock.current_ntp_time() >> 14) - last) & 0xFFFFFF
    assert behind < 10 << 18


async def test_viewer_that_joins_late_sees_the_group_in_flight_at_once(
    join: Join, units: list[AccessUnit]
) -> None:
    first = await join("first")
    await first.packets.wait(lambda: len(first.packets.pictures()) > 15)
    second = await join("second")
    await second.packets.wait(lambda: len(second.packets.pictures()) > 2)
    assert len([unit for unit in units if unit.is_key]) >= 1
    started = units_in(units[0].data)
    wanted = [units_in(unit.data) for unit in units]
    assert second.packets.pictures()[0][1] in wanted
    assert any(unit[0] & 31 == 5 for unit in second.packets.pictures()[0][1])
    assert first.packets.pictures()[0][1] == started


@pytest.mark.parametrize("kind", [PlainEcho, PlainViewer])
async def test_lost_packets_are_sent_once_more(
    join: Join, units: list[AccessUnit], kind: type
) -> None:
    viewer = await join("viewer", kind)
    packets = viewer.packets
    await packets.wait(lambda: len(packets.rtp) > 10)
    packets.lose = lambda number: number % 3 == 0
    await packets.wait(lambda: len(packets.lost) > 8)
    packets.lose = lambda _: False
    await packets.wait(lambda: len(packets.repaired) >= len(packets.lost))
    assert {each.sequence_number for each in packets.repaired} == set(packets.lost)
    # Without a format of their own they have to be the same, bit by bit.
    assert packets.again == (packets.lost if kind is PlainEcho else {})
    pictures = packets.pictures()
    wanted = [units_in(unit.data) for unit in units]
    assert [u for _, u in pictures] == wanted[: len(pictures)]
    seen = len(viewer.frames)
    await viewer.wait_frames(seen + 10)


async def test_what_was_never_sent_is_not_sent_once_more(
    join: Join, master: MasterPeer
) -> None:
    viewer = await join("viewer")
    await viewer.packets.wait(lambda: len(viewer.packets.pictures()) > 3)
    stream = master._sessions["viewer"]._streams[-1]
    await master.close("viewer")
    number = viewer.packets.rtp[-1].sequence_number
    assert stream.find(number) is not None
    assert stream.find((viewer.packets.rtp[0].sequence_number - 1) & 0xFFFF) is None
    assert stream.find((number + 1000) & 0xFFFF) is None


async def test_key_frame_is_sent_again_when_asked_for_and_not_too_often(
    make_master: Callable[..., MasterPeer], join: Join, long_clip: Path
) -> None:
    master = make_master(
        source=FileSource(long_clip), limits={"key_frame_interval": 1.5}
    )
    viewer = await join("viewer", to=master)
    packets = viewer.packets
    await packets.wait(lambda: len(packets.pictures()) > 60)
    assert packets.keys() == 1
    for _ in range(5):
        await packets.ask_for_key_frame()
    await packets.wait(lambda: packets.keys() > 1)
    before = len(packets.pictures())
    await packets.wait(lambda: len(packets.pictures()) > before + 10)
    for _ in range(5):
        await packets.ask_for_key_frame()
    await packets.wait(lambda: len(packets.pictures()) > before + 40)
    assert packets.keys() == 2
    assert is_contiguous(packets.rtp)
    pictures = packets.pictures()
    stamps = [(stamp - pictures[0][0]) & 0xFFFFFFFF for stamp, _ in pictures]
    assert stamps == sorted(set(stamps))
    again = next(
        place
        for place, (_, found) in enumerate(pictures)
        if place and found == pictures[0][1]
    )
    following = [found for _, found in pictures[again:]]
    assert following[:60] == [found for _, found in pictures[:60]][: len(following)]
    # The pictures are decoded without a break, and time goes on as the camera's.
    decoded = len(viewer.frames)
    await viewer.wait_frames(decoded + 10)


async def test_full_intra_request_is_a_wish_for_a_key_frame(
    make_master: Callable[..., MasterPeer], join: Join, long_clip: Path
) -> None:
    master = make_master(
        source=FileSource(long_clip), limits={"key_frame_interval": 0.5}
    )
    packets = (await join("viewer", to=master)).packets
    await packets.wait(lambda: len(packets.pictures()) > 30)
    assert packets.keys() == 1
    await packets.ask_for_all_of_it(1)
    await packets.wait(lambda: packets.keys() > 1)


async def test_slow_viewer_costs_nobody_else_a_picture(
    join: Join, master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = await join("slow"), await join("quick")
    await slow.packets.wait(lambda: len(slow.packets.pictures()) > 3)
    stream = master._sessions["slow"]._streams[-1]
    others = master._sessions["quick"]._streams[-1]
    stream._cursor._backlog = 4
    outlet = stream._outlet
    assert outlet is not None
    with monkeypatch.context() as patch:
        patch.setattr(outlet, "send", lambda _memory, _runs, skip: skip)
        stuck = len(slow.packets.rtp)
        seen = len(quick.packets.pictures())
        await quick.packets.wait(lambda: len(quick.packets.pictures()) > seen + 30)
        assert len(slow.packets.rtp) <= stuck + 20
    await slow.packets.wait(lambda: len(slow.packets.rtp) > stuck + 60)
    assert stream.dropped > 0
    assert is_contiguous(slow.packets.rtp)
    assert is_contiguous(quick.packets.rtp)
    assert others.dropped == 0
    # The slow one goes on with a key picture.
    stamps = [stamp for stamp, _ in slow.packets.pictures()]
    breaks = [
        place
        for place, (a, b) in enumerate(itertools.pairwise(stamps), 1)
        if (b - a) & 0xFFFFFFFF > 3600
    ]
    for place in breaks:
        units = slow.packets.pictures()[place][1]
        assert any(unit[0] & 31 == 5 for unit in units)


async def test_reports_count_what_was_sent(join: Join, units: list[AccessUnit]) -> None:
    echo = await join("echo")
    packets = echo.packets
    await packets.wait(lambda: len(packets.reports) >= 3)
    pairs = []
    for arrived, report in packets.reports:
        info = report.sender_info
        if not info.packet_count:
            continue
        until = max(
            place
            for place, packet in enumerate(packets.rtp, 1)
            if packet.timestamp == info.rtp_timestamp
        )
        assert info.packet_count == until
        assert abs(arrived - until) < 60
        sent = sum(len(packet.payload) for packet in packets.rtp[:until])
        assert info.octet_count == sent
        assert abs(info.ntp_timestamp - clock.current_ntp_time()) < 30 << 32
        pairs.append((info.ntp_timestamp, info.rtp_timestamp))
    assert len(pairs) > 1
    for (ntp, rtp), (later_ntp, later_rtp) in itertools.pairwise(pairs):
        seconds = (later_ntp - ntp) / (1 << 32)
        assert seconds == pytest.approx(
            ((later_rtp - rtp) & 0xFFFFFFFF) / 90_000, abs=1
        )


async def test_statistics_count_what_went_past_the_transport(
    join: Join, master: MasterPeer
) -> None:
    echo = await join("echo")
    await echo.packets.wait(lambda: len(echo.packets.pictures()) > 20)
    pc = master._sessions["echo"]._pc
    assert pc is not None
    sender = pc.getTransceivers()[-1].sender
    stats = {each.type: each for each in (await sender.getStats()).values()}
    assert stats["outbound-rtp"].packetsSent >= 20
    sent = stats["transport"]
    assert sent.packetsSent >= stats["outbound-rtp"].packetsSent
    assert sent.bytesSent > stats["outbound-rtp"].bytesSent


async def test_viewer_behind_a_relay_gets_every_bit(
    master: MasterPeer,
    recorder: Recorder,
    coturn: Coturn,
    units: list[AccessUnit],
) -> None:
    async with PlainEcho() as echo:
        offer = await echo.offer()
        only_relayed(echo)
        answer = await master.answer("echo", offer, [coturn.turn()])
        await echo.accept(answer)
        await echo.packets.wait(lambda: len(echo.packets.pictures()) > 30)
        assert (await recorder.wait(Connected)).local_type == "relay"
    wanted = [units_in(unit.data) for unit in units]
    pictures = echo.packets.pictures()
    first = wanted.index(pictures[0][1])
    assert [u for _, u in pictures] == wanted[first : first + len(pictures)]


async def test_first_key_picture_is_told_once(join: Join, recorder: Recorder) -> None:
    echo = await join("echo")
    await echo.packets.wait(lambda: echo.packets.keys() > 2)
    assert len(recorder.all(KeyFrameSent)) == 1


async def test_viewers_that_come_and_go_leave_nothing(
    join: Join, master: MasterPeer, recorder: Recorder
) -> None:
    stays = await join("stays")
    await stays.packets.wait(lambda: len(stays.packets.pictures()) > 2)
    for turn in range(4):
        viewer = await join(f"viewer {turn}")
        await viewer.packets.wait(lambda: bool(viewer.packets.rtp))  # noqa: B023
        await master.close(f"viewer {turn}")
    seen = len(stays.packets.pictures())
    await stays.packets.wait(lambda: len(stays.packets.pictures()) > seen + 5)
    assert master.feed.fanout.streams == 2
    assert is_contiguous(stays.packets.rtp)
    began = time.monotonic()
    await master.shutdown()
    assert time.monotonic() - began < 10
    assert master.feed.fanout.streams == 0


async def test_viewer_that_cannot_be_sent_to_is_let_go(
    join: Join, master: MasterPeer, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = await join("broken"), await join("sound")
    await broken.packets.wait(lambda: len(broken.packets.pictures()) > 2)
    stream = master._sessions["broken"]._streams[-1]

    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(stream, "_send", fail)
    ended = await recorder.wait(Ended, "broken")
    assert ended.reason == EndReason.CONNECTION_FAILED
    seen = len(sound.packets.pictures())
    await sound.packets.wait(lambda: len(sound.packets.pictures()) > seen + 5)


async def test_viewer_that_no_thread_sends_to_is_let_go(
    join: Join, master: MasterPeer, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(master.feed.fanout, "add", refuse)
        await join("broken")
        ended = await recorder.wait(Ended, "broken")
    assert ended.reason == EndReason.CONNECTION_FAILED
    sound = await join("sound")
    await sound.packets.wait(lambda: len(sound.packets.pictures()) > 5)
