"""Viewers that say nothing, too much, or leave: no other viewer's picture suffers."""

import asyncio
from collections.abc import AsyncIterator, Callable
import os
import socket
import time

from aioice import stun
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpRtpfbPacket
import pytest

from custom_components.kinesis_webrtc.peer import Ended, EndReason, MasterPeer
from custom_components.kinesis_webrtc.peer.rtp_stream import RtpStream
from tests.helpers.middlebox import Middlebox
from tests.helpers.watcher import Watcher
from tests.peer.conftest import Recorder

# Seconds, more than any pause of a picture that nobody disturbs.
UNDISTURBED = 0.6
FLOOD = 10_000


class Other(Watcher):
    """One who only wants to see the camera."""

    def check(self, since: float) -> None:
        """Nothing was lost, and nothing came late."""
        assert self.lost == 0
        assert self.longest_pause(since) < UNDISTURBED


@pytest.fixture
async def other(master: MasterPeer) -> AsyncIterator[Other]:
    async with Other() as other:
        await other.watch(master, "other")
        yield other


async def test_viewer_that_sends_nothing_is_sent_pictures(
    master: MasterPeer, other: Other, recorder: Recorder
) -> None:
    """It answers checks, which is all that consent asks for."""
    async with Middlebox() as way, Watcher(repairs=False) as watcher:
        await watcher.watch(master, "silent", way)
        way.keep = lambda packet: packet[0] == 1
        began = time.monotonic()
        await watcher.wait_shown(5 * 25)
        assert watcher.lost == 0
        other.check(began)
        assert not recorder.all(Ended)


def stun_garbage(number: int) -> bytes:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"who:{number}"
    request.add_message_integrity(b"guessed")
    return bytes(request)


GARBAGE: dict[str, Callable[[int], bytes]] = {
    "rtp": lambda number: b"\x80\x63" + number.to_bytes(2) + os.urandom(400),
    "rtcp": lambda _: b"\x81\xce\x00\x02" + os.urandom(60),
    "dtls": lambda _: b"\x17\xfe\xfd" + os.urandom(60),
    "stun": stun_garbage,
    "noise": lambda number: os.urandom(1 + number % 100),
}


@pytest.mark.parametrize("kind", sorted(GARBAGE))
async def test_flood_costs_nobody_a_picture(
    master: MasterPeer,
    other: Other,
    recorder: Recorder,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    packets = [GARBAGE[kind](number % (1 << 16)) for number in range(FLOOD)]
    async with Watcher() as watcher:
        await watcher.watch(master, "flooding")
        pair = watcher.connection._nominated[1]
        target = pair.remote_addr
        own = pair.protocol.transport.get_extra_info("socket")
        began = time.monotonic()

        def flood() -> None:
            stranger = socket.socket(type=socket.SOCK_DGRAM)
            with own.dup() as viewer, stranger:
                for number, packet in enumerate(packets):
                    sender = viewer if number % 2 else stranger
                    sender.sendto(packet, target)
                    if not number % 100:
                        time.sleep(0.005)

        await asyncio.to_thread(flood)
        await other.wait_shown(25)
        other.check(began)
        await watcher.wait_shown(25)
        assert watcher.lost == 0
        assert not recorder.all(Ended)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_viewer_that_asks_for_key_frames_all_the_time_gets_them_now_and_then(
    master: MasterPeer, other: Other, recorder: Recorder
) -> None:
    async with Watcher() as watcher:
        await watcher.watch(master, "asking")
        began = time.monotonic()
        seen = len(watcher.shown())
        for _ in range(300):
            await watcher.ask_for_key_frame()
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - began
        keys = [each for each in watcher.shown()[seen:] if each.is_key]
        # The camera's own, and as many again.
        assert len(keys) <= 2 * seconds + 2
        assert watcher.longest_pause(began) < UNDISTURBED
        other.check(began)
        assert not recorder.all(Ended)


async def test_viewer_that_vanishes_takes_nobody_with_it(
    master: MasterPeer,
    other: Other,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.3)
    async with Watcher() as watcher:
        await watcher.watch(master, "vanishing")
        began = time.monotonic()
        await watcher.vanish()
        ended = await recorder.wait(Ended, "vanishing")
        assert ended.reason is EndReason.VIEWER_LOST
        await other.wait_shown(25)
        other.check(began)
        assert master.viewers == 1


async def test_viewer_that_misses_all_there_is_costs_nobody_a_picture(
    master: MasterPeer,
    other: Other,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One packet names thousands, each of which is looked for."""
    looked, given = 0, 0
    find = RtpStream.find

    def count(stream: RtpStream, number: int) -> bytes | None:
        nonlocal looked, given
        looked += 1
        found = find(stream, number)
        given += found is not None
        return found

    monkeypatch.setattr(RtpStream, "find", count)
    async with Watcher(repairs=False) as watcher:
        await watcher.watch(master, "greedy")
        own = watcher.connection._nominated[1].protocol.transport
        target = watcher.connection._nominated[1].remote_addr
        began = time.monotonic()
        for _ in range(30):
            newest = max(watcher.packets) + 1
            lost = [each & 0xFFFF for each in range(newest - 200, newest + 5_400)]
            wish = bytes(
                RtcpRtpfbPacket(
                    fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=watcher._ssrc, lost=lost
                )
            )
            for _ in range(10):
                own.sendto(watcher._transport._tx_srtp.protect_rtcp(wish), target)
            await asyncio.sleep(0.03)
        await other.wait_shown(25)
        other.check(began)
        assert 0 < given <= 500 * (time.monotonic() - began + 1)
        assert looked <= 300 * 500
        # What it loses for being sent so much is its own loss.
        await watcher.wait_shown(25)
        assert not recorder.all(Ended)
