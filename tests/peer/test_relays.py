"""Relayed views outlive what their relay was given for, and end where it is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import logging
import time

from aioice.stun import Method
import pytest

from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    Connected,
    Ended,
    EndReason,
    KeyFrameSent,
    MasterPeer,
    internals,
)
from tests.helpers.servers import Coturn
from tests.helpers.turn import TurnServer
from tests.helpers.viewers import EchoPeer, hear_from

from .browser_offer import CHROMIUM
from .conftest import Recorder
from .test_gathering import only_relayed


@pytest.fixture
async def turn() -> AsyncIterator[TurnServer]:
    """Give allocations for three seconds, and permissions for two."""
    async with TurnServer(lifetime=3, permission=2.0) as server:
        yield server


@pytest.fixture
async def relayed(make_master: Callable[..., MasterPeer]) -> MasterPeer:
    master = make_master(limits={"relay_refresh": 1.0, "relay_grace": 3.0})
    await master.prepare()
    return master


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def view_through(turn: TurnServer, master: MasterPeer, echo: EchoPeer) -> None:
    """Show the camera by the relay alone."""
    answer = await master.answer("echo", await echo.offer(), [turn.server])
    [(_, port)] = turn.relays
    hear_from(echo, [port])
    await echo.accept(answer)
    await echo.wait_frames(3)
    assert echo.selected_types[1] == "relay"


async def test_view_outlives_allocation_and_permission_many_times(
    relayed: MasterPeer, turn: TurnServer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        await view_through(turn, relayed, echo)
        # Before there was a permission.
        dropped = turn.dropped
        began = time.monotonic()
        # More than four lifetimes of the allocation.
        await echo.wait_frames(len(echo.frames) + 13 * 25, timeout=40)
        assert time.monotonic() - began > 4 * turn.lifetime - 1
        assert turn.count(Method.REFRESH) >= 3
        assert turn.count(Method.CHANNEL_BIND) >= 6
        assert turn.dropped == dropped
        assert relayed.viewers == 1
    await recorder.wait(Ended)


@pytest.mark.parametrize("is_direct", [True, False], ids=["own", "stock"])
async def test_refused_refresh_ends_the_view_with_its_reason(
    relayed: MasterPeer,
    turn: TurnServer,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    is_direct: bool,
) -> None:
    monkeypatch.setattr(relayed, "_is_direct", is_direct)
    async with EchoPeer() as echo:
        await view_through(turn, relayed, echo)
        turn.refuses = True
        ended = await recorder.wait(Ended, timeout=20)
        assert ended.reason is EndReason.RELAY_EXPIRED
        assert turn.refusal.is_set()
        assert relayed.viewers == 0
    began = time.monotonic()
    await relayed.shutdown()
    assert time.monotonic() - began < 3


async def test_viewer_that_vanishes_with_its_relay_is_noticed_as_soon_as_others(
    relayed: MasterPeer,
    turn: TurnServer,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.2)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 2)
    async with EchoPeer() as echo:
        await view_through(turn, relayed, echo)
        turn.is_deaf = True
        await echo.vanish()
        began = time.monotonic()
        ended = await recorder.wait(Ended)
        # A TURN server is asked for more than a minute to take its relay back.
        assert time.monotonic() - began < 5
        assert ended.reason is EndReason.VIEWER_LOST
    await relayed.shutdown()
    assert time.monotonic() - began < 8


async def test_view_whose_relay_is_refused_moves_to_another_pair(
    relayed: MasterPeer, turn: TurnServer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        await view_through(turn, relayed, echo)
        hear_from(echo, None)
        connection = internals.ice_connection(relayed._sessions["echo"]._dtls)
        assert internals.selected_types(connection)[0] == "relay"
        turn.refuses = True
        while internals.selected_types(connection)[0] == "relay":
            await echo.wait_frames(len(echo.frames) + 1)
        # More than a group of pictures.
        await echo.wait_frames(len(echo.frames) + 60)
        assert not recorder.all(Ended)


async def test_lost_relay_that_is_not_in_use_disturbs_nothing(
    relayed: MasterPeer, turn: TurnServer, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        answer = await relayed.answer("echo", await echo.offer(), [turn.server])
        await echo.accept(answer)
        connected = await recorder.wait(Connected)
        assert connected.local_type == "host"
        turn.refuses = True
        await asyncio.wait_for(turn.refusal.wait(), 10)
        await echo.wait_frames(len(echo.frames) + 25)
        assert not recorder.all(Ended)


async def test_view_through_coturn_goes_on_as_well(
    relayed: MasterPeer, coturn: Coturn, recorder: Recorder
) -> None:
    async with EchoPeer() as echo:
        offer = await echo.offer()
        only_relayed(echo)
        await echo.accept(await relayed.answer("echo", offer, [coturn.turn()]))
        await recorder.wait(KeyFrameSent)
        await echo.wait_frames(4 * 25)
        assert echo.selected_types[1] == "relay"
        assert not recorder.all(Ended)


@pytest.mark.parametrize("trickled", [True, False])
@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (AddressRules(), {"203.0.113.9", "10.9.8.7"}),
        (AddressRules(private=False), {"8.8.4.4"}),
    ],
)
async def test_a_relay_leads_nobody_to_where_checks_may_not_go(
    relayed: MasterPeer,
    turn: TurnServer,
    monkeypatch: pytest.MonkeyPatch,
    rules: AddressRules,
    expected: set[str],
    trickled: bool,
) -> None:
    """Neither to this machine, nor to the TURN server's own, nor into its network."""
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.peer.master.reaches_loopback", lambda: False
    )
    addresses = [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "169.254.169.254", "224.0.0.251"),
        *("0x7f.1", "2130706433", "0177.0.0.1", "255.255.255.255", "localhost"),
        *("turn.example.com", "0123abcd.local", "::1", "::ffff:127.0.0.1", "fe80::1"),
        *expected,
        *(() if rules.private else ("10.9.8.7", "192.168.1.1", "100.64.0.1")),
    ]
    candidates = [
        f"candidate:{number} 1 udp 1 {address} 5000 typ host"
        for number, address in enumerate(addresses)
    ]
    offer = CHROMIUM
    if not trickled:
        offer += "".join(f"a={candidate}\r\n" for candidate in candidates)
    await relayed.answer("browser", offer, [turn.server], rules=rules)
    if trickled:
        for candidate in candidates:
            await relayed.add_candidate("browser", candidate, "0", 0)

    async with asyncio.timeout(10):
        while not turn.peers >= expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    # Until all that might be checked has been.
    await asyncio.sleep(0.5)
    assert turn.peers == expected
