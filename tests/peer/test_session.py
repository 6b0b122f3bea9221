"""One viewer's connection, where masters and feeds do not show it."""

import asyncio

import pytest

from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    Connected,
    Ended,
    EndReason,
    KeyFrameSent,
    MasterPeer,
)
from tests.helpers.viewers import EchoPeer, Viewer

from .browser_offer import CHROMIUM
from .conftest import FIXTURES, Recorder

ECHO = (FIXTURES / "offer-2023-current.sdp").read_text()


async def test_events_come_in_their_order(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await recorder.wait(KeyFrameSent)
    await recorder.wait(Ended)
    assert [type(event) for event in recorder.events] == [
        Connected,
        KeyFrameSent,
        Ended,
    ]


async def test_events_of_a_session_that_ends_at_once_come_after_the_answer(
    master: MasterPeer, recorder: Recorder
) -> None:
    await master.answer("echo", ECHO, [])
    await master.close("echo")
    assert not recorder.events
    await recorder.wait(Ended)


async def test_multicast_dns_names_are_looked_up_beside_the_answer(
    master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    class Mdns:
        async def resolve(self, name: str) -> str:
            assert name == "0a1b-2c.local"
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None:
            """Nothing is open."""

    async def create(_: object) -> Mdns:
        return Mdns()

    monkeypatch.setattr("aioice.ice.get_or_create_mdns_protocol", create)
    offer = CHROMIUM.replace(
        "a=mid:0\n", "a=mid:0\na=candidate:1 1 udp 1 0a1b-2c.local 5000 typ host\n"
    )
    async with asyncio.timeout(1):
        rules = AddressRules(names=True)
        await master.answer("browser", offer, [], rules=rules)
        await asked.wait()


async def test_failing_candidate_is_nobodys_trouble(
    master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise OSError

    monkeypatch.setattr("aioice.ice.get_or_create_mdns_protocol", fail)
    await master.answer("browser", CHROMIUM, [])
    await master.add_candidate("browser", "1 1 udp 1 a-b.local 5000 typ host")
    await asyncio.sleep(0.05)
    assert master.viewers == 1


async def test_profile_of_the_camera_is_answered_once_it_is_known(
    master: MasterPeer,
) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(3)
    assert master.feed.profile is not None
    answer = await master.answer("browser", CHROMIUM, [])
    # x264's baseline is the constrained one.
    assert "a=rtpmap:108 H264/90000" in answer


async def test_restart_of_ice_gets_a_connection_of_its_own(
    master: MasterPeer, recorder: Recorder
) -> None:
    async with Viewer() as viewer:
        await viewer.accept(await master.answer("browser", await viewer.offer(), []))
        await viewer.wait_frames(3)
    first = await master.answer("browser", CHROMIUM, [])
    second = await master.answer("browser", CHROMIUM.replace("Ab1+", "Cd2+"), [])
    assert first != second
    assert master.viewers == 1


async def test_selected_pair_is_told(master: MasterPeer, recorder: Recorder) -> None:
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        connected = await recorder.wait(Connected)
        assert connected.local_type == "host"
        assert connected.remote_type in ("host", "prflx")
        assert connected.timings.answered_ms is not None
        assert connected.timings.connected_ms is not None
        assert connected.timings.answered_ms < connected.timings.connected_ms
    await recorder.wait(Ended)


async def test_what_was_sent_is_counted(master: MasterPeer, recorder: Recorder) -> None:
    assert master.bytes_sent == 0
    async with EchoPeer() as echo:
        await echo.accept(await master.answer("echo", await echo.offer(), []))
        await echo.wait_frames(10)
        during = master.bytes_sent
    first = await recorder.wait(Ended)

    assert 0 < during <= first.bytes_sent
    assert master.bytes_sent == first.bytes_sent

    async with EchoPeer() as echo:
        await echo.accept(await master.answer("other", await echo.offer(), []))
        await echo.wait_frames(3)
        assert master.bytes_sent > first.bytes_sent


async def test_closing_that_hangs_is_bounded(
    make_master, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = make_master(limits={"close_patience": 0.1})
    await master.answer("echo", ECHO, [])
    pc = master._sessions["echo"]._pc
    stock = pc.close

    async def hang() -> None:
        await stock()
        await asyncio.Event().wait()

    monkeypatch.setattr(pc, "close", hang)
    async with asyncio.timeout(2):
        await master.shutdown()
    assert [e.reason for e in recorder.all(Ended)] == [EndReason.SHUTDOWN]
