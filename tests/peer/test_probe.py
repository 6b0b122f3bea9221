"""A viewer that notes how it is served."""

import asyncio
from collections.abc import AsyncIterator
import time

import pytest

from custom_components.kinesis_webrtc.peer import (
    AddressRules,
    EndReason,
    Limits,
    MasterPeer,
    ProbeStep,
    ProbeViewer,
    StillError,
    candidate_types,
    normalise,
)
from custom_components.kinesis_webrtc.peer.probe import profile_of
from tests.helpers.servers import Coturn, Server, UdpServer

from .conftest import FileSource

SPS = bytes.fromhex("6742e01fda014016")
PPS = bytes.fromhex("68ce3c80")


@pytest.fixture
async def probe() -> AsyncIterator[ProbeViewer]:
    viewer = ProbeViewer(limits=Limits(late_gather_cap=0.5))
    yield viewer
    await viewer.close()


async def reached(probe: ProbeViewer, step: ProbeStep) -> float | None:
    async with asyncio.timeout(10):
        return await probe.reached(step)


async def test_the_offer_is_complete_as_an_echos(probe: ProbeViewer) -> None:
    offer = normalise(await probe.offer([]), rules=AddressRules(loopback=True))
    assert not offer.trickle
    assert offer.candidates


async def test_each_step_is_noted(
    coturn: Coturn, master: MasterPeer, probe: ProbeViewer
) -> None:
    began = time.monotonic()
    servers = [coturn.stun, coturn.turn()]
    answer = await master.answer("probe", await probe.offer(servers), servers)
    await probe.accept(answer)
    async with asyncio.timeout(10):
        picture = await probe.picture()

    assert picture.frame.width == 320
    times = {step: await reached(probe, step) for step in ProbeStep}
    assert None not in times.values()
    assert all(when >= began for when in times.values())
    assert times[ProbeStep.ICE] <= times[ProbeStep.DTLS] <= times[ProbeStep.KEY_FRAME]
    assert probe.profile == master.feed.profile
    assert probe.selected_types[0] == "host"
    assert {"srflx", "relay"} & set(candidate_types(answer))


async def test_servers_that_do_not_answer_are_not_reached(probe: ProbeViewer) -> None:
    async with UdpServer() as silent:
        url = f"stun:127.0.0.1:{silent.port}"
        await probe.offer([Server((url,))])
        assert await reached(probe, ProbeStep.STUN) is None
        assert await reached(probe, ProbeStep.RELAY) is None


async def test_without_servers_there_is_nothing_to_wait_for(
    probe: ProbeViewer,
) -> None:
    await probe.offer([Server(())])
    assert await reached(probe, ProbeStep.STUN) is None
    assert await reached(probe, ProbeStep.RELAY) is None


async def test_a_master_that_leaves_is_noted(
    probe: ProbeViewer, master: MasterPeer, source: FileSource
) -> None:
    source.path = source.path.with_name("missing.mp4")
    await probe.accept(await master.answer("probe", await probe.offer([]), []))
    assert await reached(probe, ProbeStep.DTLS) is not None
    waiting = asyncio.create_task(probe.picture())
    await master.close("probe", EndReason.SOURCE_FAILED)
    with pytest.raises(StillError):
        await waiting
    assert await reached(probe, ProbeStep.KEY_FRAME) is None
    assert probe.profile is None


async def test_before_it_offers_no_pair_is_selected(probe: ProbeViewer) -> None:
    assert probe.selected_types == (None, None)


@pytest.mark.parametrize(
    ("payload", "profile"),
    [
        (SPS, "42e01f"),
        (b"\x78\x00\x04" + PPS + b"\x00\x08" + SPS, "42e01f"),
        (b"\x78\x00\x08" + SPS, "42e01f"),
        (b"\x78\x00\x04" + PPS, None),
        (b"\x78\xff\xff" + SPS[:3], None),
        (b"\x78\x00", None),
        (SPS[:3], None),
        (PPS, None),
        (b"\x65abc", None),
        (b"", None),
    ],
)
def test_the_profile_is_read_from_what_came(
    payload: bytes, profile: str | None
) -> None:
    assert profile_of(payload) == profile


def test_candidates_that_an_echo_can_use() -> None:
    answer = (
        "m=video 9 UDP/TLS/RTP/SAVPF 99\r\n"
        "a=candidate:1 1 udp 1 203.0.113.5 5000 typ srflx raddr 10.0.0.2 rport 1\r\n"
        "a=candidate:2 1 UDP 1 203.0.113.6 5000 typ relay raddr 10.0.0.2 rport 1\r\n"
        "a=candidate:3 1 udp 1 2001:db8::1 5000 typ host\r\n"
        "a=candidate:4 1 tcp 1 10.0.0.2 9 typ host tcptype active\r\n"
        "a=candidate:5 2 udp 1 10.0.0.2 5001 typ host\r\n"
        "a=candidate:6 1 udp 1 0a1b.local 5001 typ host\r\n"
    )
    assert candidate_types(answer) == ("srflx", "relay")
