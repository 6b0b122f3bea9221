"""Gathering is bounded, whatever the servers do, and what comes late is used."""

import asyncio
import logging
import time

import pytest

from custom_components.kinesis_webrtc.peer import (
    CandidateGathered,
    Connected,
    EndOfCandidates,
    KeyFrameSent,
    MasterPeer,
    OfferRefused,
    RefusalReason,
)
from custom_components.kinesis_webrtc.peer.gathering import host_addresses
from custom_components.kinesis_webrtc.peer.sdp import parse
from tests.helpers.servers import (
    RELAY_PORTS,
    Coturn,
    Server,
    StunServer,
    UdpServer,
    free_port,
    run_coturn,
)
from tests.helpers.viewers import EchoPeer, Viewer, hear_from
from tests.system import program

from .browser_offer import CHROMIUM
from .conftest import FIXTURES, Recorder

ECHO = (FIXTURES / "offer-2023-current.sdp").read_text()


def kinds(answer: str) -> list[str]:
    sections = parse(answer).sections
    video = next(each for each in sections if each.kind == "video")
    values = video.values("candidate")
    return [value.split()[7] for value in values]


def stun(server: UdpServer) -> Server:
    return Server((f"stun:{server.address}:{server.port}",))


def turn(server: UdpServer) -> Server:
    return Server((f"turn:{server.address}:{server.port}?transport=udp",), "u", "p")


# Seconds; less than an answer waits for servers, and much for a busy machine.
AT_ONCE = 0.85


async def timed(master: MasterPeer, offer: str, servers: list) -> tuple[str, float]:
    began = time.perf_counter()
    answer = await master.answer("viewer", offer, servers)
    return answer, time.perf_counter() - began


async def test_no_servers_no_wait(master: MasterPeer) -> None:
    answer, took = await timed(master, ECHO, [])
    assert kinds(answer) == ["host"]
    assert took < AT_ONCE


async def test_echo_answer_is_complete_and_leaves_when_it_is(
    master: MasterPeer, coturn: Coturn
) -> None:
    async with StunServer(delay=0.06) as server:
        answer, took = await timed(master, ECHO, [stun(server), coturn.turn()])
    assert kinds(answer) == ["srflx", "relay", "host"]
    assert took < AT_ONCE


async def test_host_address_that_is_public_is_not_said_twice(
    master: MasterPeer, coturn: Coturn
) -> None:
    answer, _ = await timed(master, ECHO, [coturn.stun])
    assert kinds(answer) == ["srflx"]


async def test_silent_servers_cost_the_cap_and_no_more(master: MasterPeer) -> None:
    async with UdpServer() as silent:
        answer, took = await timed(master, ECHO, [stun(silent), turn(silent)])
        assert silent.received
    assert kinds(answer) == ["host"]
    assert 0.9 < took < 3


async def test_silent_stun_does_not_cost_the_relay(
    master: MasterPeer, coturn: Coturn
) -> None:
    async with UdpServer() as silent:
        answer, took = await timed(master, ECHO, [stun(silent), coturn.turn()])
    assert kinds(answer) == ["relay", "host"]
    assert took < 3


async def test_one_answering_address_is_enough(
    master: MasterPeer, loopback: list[str]
) -> None:
    """A docker bridge has an address, but no way to the STUN server."""
    loopback.append("127.0.0.2")

    class Unroutable(StunServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if addr[0] == "127.0.0.1":
                super().datagram_received(data, addr)

    async with Unroutable() as server:
        answer, took = await timed(master, ECHO, [stun(server)])
    assert kinds(answer).count("srflx") == 1
    assert took < AT_ONCE


async def test_silent_turn_server_loses_to_the_next_one(
    master: MasterPeer, coturn: Coturn
) -> None:
    async with UdpServer() as silent:
        servers = [turn(silent), coturn.turn("tcp")]
        answer, took = await timed(master, ECHO, servers)
    assert kinds(answer) == ["relay", "host"]
    assert took < AT_ONCE


async def test_refused_credentials_end_the_wait(
    master: MasterPeer, coturn: Coturn, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(coturn.turn().urls, coturn.username, "wrong")
    answer, took = await timed(master, ECHO, [server])
    assert kinds(answer) == ["host"]
    assert took < AT_ONCE
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_unreachable_servers_end_the_wait(master: MasterPeer) -> None:
    port = free_port()
    urls = (f"turn:127.0.0.1:{port}?transport=tcp", f"turns:127.0.0.1:{port}")
    answer, took = await timed(master, ECHO, [Server(urls, "u", "p")])
    assert kinds(answer) == ["host"]
    assert took < AT_ONCE


async def test_slow_names_do_not_hold_the_answer(
    master: MasterPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    servers = [Server(("stun:stun.test",)), Server(("turn:turn.test",), "u", "p")]
    _, took = await timed(master, ECHO, servers)
    assert took < 3
    _, took = await timed(master, CHROMIUM, servers)
    assert took < AT_ONCE


async def test_no_address_at_all_is_a_reason(
    master: MasterPeer, loopback: list[str]
) -> None:
    loopback[:] = ["192.0.2.250"]
    with pytest.raises(OfferRefused) as caught:
        await master.answer("viewer", ECHO, [])
    assert caught.value.reason is RefusalReason.NO_NETWORK


async def test_echo_is_given_ipv4_alone_and_a_browser_both(
    master: MasterPeer, loopback: list[str]
) -> None:
    loopback.append("::1")
    assert "::1" not in await master.answer("echo", ECHO, [])
    assert "::1" in await master.answer("browser", CHROMIUM, [])


async def test_trickle_is_answered_at_once_and_the_rest_follows(
    master: MasterPeer, recorder: Recorder, coturn: Coturn
) -> None:
    async with StunServer(delay=0.3) as server:
        servers = [stun(server), coturn.turn()]
        answer, took = await timed(master, CHROMIUM, servers)
        assert took < AT_ONCE
        assert kinds(answer) == ["host"]
        assert not recorder.all(CandidateGathered)
        await recorder.wait(EndOfCandidates)
    gathered = recorder.all(CandidateGathered)
    assert sorted(each.candidate.split()[7] for each in gathered) == ["relay", "srflx"]
    assert {(each.sdp_mid, each.sdp_m_line_index) for each in gathered} == {("0", 0)}
    assert all(each.candidate.startswith("candidate:") for each in gathered)


async def test_dead_server_does_not_delay_trickle_nor_gather_for_ever(
    make_master, recorder: Recorder
) -> None:
    master = make_master(limits={"late_gather_cap": 0.2})
    async with UdpServer() as silent:
        _, took = await timed(master, CHROMIUM, [stun(silent), turn(silent)])
        assert took < AT_ONCE
        await recorder.wait(EndOfCandidates, timeout=2)


def only_relayed(viewer: Viewer) -> None:
    """Let the viewer hear the relay's ports alone, as behind a strict firewall."""
    hear_from(viewer, RELAY_PORTS)


async def test_late_relay_really_carries_the_picture(
    make_master, recorder: Recorder, coturn: Coturn
) -> None:
    """The viewer trickles, and nothing reaches it but what the relay sends."""
    master = make_master(limits={"turn_stagger": 0.4})
    async with Viewer() as viewer, UdpServer() as silent:
        offer = await viewer.offer()
        only_relayed(viewer)
        offer = offer.replace("t=0 0\r\n", "t=0 0\r\na=ice-options:trickle\r\n")
        servers = [turn(silent), coturn.turn()]
        answer, took = await timed(master, offer, servers)
        assert took < AT_ONCE
        assert kinds(answer) == ["host"]
        await viewer.accept(answer)
        late = await recorder.wait(CandidateGathered)
        await viewer.add_candidate(late.candidate, late.sdp_mid)
        await viewer.wait_frames(10)
        assert viewer.selected_types[1] == "relay"
        connected = await recorder.wait(Connected)
        assert connected.local_type == "relay"
        await master.close("viewer")
        await asyncio.wait_for(viewer.ended.wait(), 5)


async def test_relay_that_comes_after_an_echos_answer_is_used_too(
    make_master, recorder: Recorder, coturn: Coturn
) -> None:
    master = make_master(limits={"turn_stagger": 0.4, "gather_cap": 0.1})
    async with EchoPeer() as echo, UdpServer() as silent:
        offer = await echo.offer()
        only_relayed(echo)
        servers = [turn(silent), coturn.turn()]
        answer, _ = await timed(master, offer, servers)
        assert kinds(answer) == ["host"]
        await echo.accept(answer)
        await recorder.wait(KeyFrameSent)
        await echo.wait_frames(5)
        assert not recorder.all(CandidateGathered)


async def test_relay_that_refuses_private_peers_delays_nothing(
    master: MasterPeer,
    recorder: Recorder,
    tmp_path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    denied = "--denied-peer-ip=127.0.0.0-127.255.255.255"
    async with run_coturn(program("turnserver"), tmp_path, denied) as server:
        async with EchoPeer() as echo:
            answer, took = await timed(master, await echo.offer(), [server.turn()])
            assert kinds(answer) == ["relay", "host"]
            assert took < AT_ONCE
            await echo.accept(answer)
            await recorder.wait(Connected, timeout=3)
            await echo.wait_frames(5)
        await master.close("viewer")
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


async def test_turn_server_that_dies_does_not_hold_the_end(
    make_master, recorder: Recorder, tmp_path
) -> None:
    master = make_master(limits={"close_timeout": 0.3})
    async with run_coturn(program("turnserver"), tmp_path) as server:
        answer, _ = await timed(master, ECHO, [server.turn()])
        assert "relay" in kinds(answer)
    began = time.perf_counter()
    await master.shutdown()
    assert time.perf_counter() - began < 2


async def test_addresses_of_the_default_route_come_first(
    loopback: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loopback[:] = ["172.17.0.1", "::1", "192.0.2.2", "192.0.2.2"]
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.peer.gathering._source_address",
        lambda _: "192.0.2.2",
    )
    assert host_addresses(ipv6=True, limit=9) == ["192.0.2.2", "172.17.0.1", "::1"]
    assert host_addresses(ipv6=False, limit=1) == ["192.0.2.2"]


async def test_median_answer_time_with_live_servers(
    master: MasterPeer, coturn: Coturn
) -> None:
    times = []
    for number in range(9):
        began = time.perf_counter()
        await master.answer(f"echo{number}", ECHO, [coturn.stun, coturn.turn()])
        times.append(time.perf_counter() - began)
        await master.close(f"echo{number}")
    assert sorted(times)[4] < 0.5
