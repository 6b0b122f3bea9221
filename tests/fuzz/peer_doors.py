"""What viewers send: offers, candidates, datagrams, reports."""

import asyncio
from contextlib import suppress
from pathlib import Path
import struct
from typing import Any, override
from unittest.mock import patch

import aioice.ice
import aioice.stun
from hypothesis import strategies as st

from custom_components.kinesis_webrtc.peer import (
    Limits,
    MasterPeer,
    OfferRefused,
    RefusalReason,
    StreamUrl,
)
from custom_components.kinesis_webrtc.peer.offer import normalise
from custom_components.kinesis_webrtc.peer.still import StillError, StillViewer
from tests.helpers.viewers import EchoPeer
from tests.peer.browser_offer import CHROMIUM

from . import broken
from .door import BrokenPromiseError, Door

_FIXTURES = Path(__file__).parent.parent / "fixtures" / "alexa-offers"
OFFERS = [
    *(path.read_text() for path in sorted(_FIXTURES.glob("offer-*.sdp"))),
    CHROMIUM,
]
PASSWORD = "0123456789abcdefghijklmn"
FINGERPRINT = "64:6E:92:22:AA:72:B2:03:85:BD"
ADDRESS = "198.51.100.21"
CANDIDATES = [
    f"candidate:1 1 udp 2130706431 {ADDRESS} 50000 typ host ufrag Ab1+",
    f"candidate:2 1 UDP 1694498815 {ADDRESS} 50001 typ srflx raddr 0.0.0.0 rport 0",
    "candidate:3 1 udp 2122260223 0b1c2d3e-1111-4222-8333-444455556666.local 5 typ host",
    "candidate:4 1 tcp 1518280447 2001:db8::7 9 typ host tcptype active",
]


class NoCamera:
    """A camera that takes its time."""

    async def resolve(self) -> StreamUrl:
        """Return nothing for now."""
        await asyncio.Event().wait()
        raise AssertionError


class Peer:
    """A camera's peer on loopback."""

    async def open(self) -> None:
        self._patches = [
            patch(
                "aioice.ice.get_host_addresses",
                lambda use_ipv4, **_: ["127.0.0.1"] if use_ipv4 else [],
            ),
            # Names of multicast DNS are looked up for seconds, and by the network.
            patch("aioice.ice.Connection.add_remote_candidate", _add_known),
        ]
        for each in self._patches:
            each.start()
        self.events: list[Any] = []
        self.master = MasterPeer(
            source=NoCamera(),
            on_event=lambda _: None,
            limits=Limits(
                close_timeout=3.0,
                connect_timeout=1e6,
                linger=60.0,
                source_patience=1e6,
            ),
        )
        await self.master.prepare()

    async def close(self) -> None:
        await self.master.shutdown()
        for each in self._patches:
            each.stop()


_add = aioice.ice.Connection.add_remote_candidate


async def _add_known(
    connection: aioice.ice.Connection, candidate: aioice.Candidate | None
) -> None:
    if candidate is None or not candidate.host.endswith(".local"):
        await _add(connection, candidate)


class Offers(Door):
    """Session descriptions, as they are read."""

    name = "offers"

    @override
    def cases(self) -> st.SearchStrategy[str]:
        return broken.texts(OFFERS)

    @override
    async def knock(self, case: Any) -> None:
        for profile in (None, "640028"):
            try:
                normalise(case, profile=profile)
            except OfferRefused as err:
                if err.reason is RefusalReason.UNEXPECTED:
                    raise


class Answers(Door):
    """Session descriptions, as they are answered."""

    name = "answers"
    secrets = (FINGERPRINT, PASSWORD, ADDRESS)
    bound = 5

    @override
    def cases(self) -> st.SearchStrategy[list[Any]]:
        return st.tuples(st.integers(0, 4), broken.texts(OFFERS)).map(list)

    @override
    async def open(self) -> None:
        self.peer = Peer()
        await self.peer.open()

    @override
    async def close(self) -> None:
        await self.peer.close()

    @override
    async def knock(self, case: Any) -> None:
        viewer, text = case
        try:
            answer = await self.peer.master.answer(f"viewer{viewer}", text, [])
        except OfferRefused as err:
            if err.reason is RefusalReason.UNEXPECTED:
                raise BrokenPromiseError("refused as unexpected") from None
        else:
            answer.encode()
        while len(self.peer.master._cleanups) > 5:
            await asyncio.wait(
                self.peer.master._cleanups, return_when=asyncio.FIRST_COMPLETED
            )

    @override
    def held(self) -> int:
        return self.peer.master.viewers


class Candidates(Answers):
    """Candidates, before an offer and after it."""

    name = "candidates"
    bound = 64 + 32

    @override
    def cases(self) -> st.SearchStrategy[list[Any]]:
        viewers = st.one_of(st.just("viewer0"), st.text(max_size=4))
        return st.tuples(viewers, broken.texts(CANDIDATES), broken.VALUES).map(list)

    @override
    async def open(self) -> None:
        await super().open()
        await self.peer.master.answer("viewer0", CHROMIUM, [])

    @override
    async def knock(self, case: Any) -> None:
        viewer, text, index = case
        await self.peer.master.add_candidate(
            viewer, text, None, index if type(index) is int else None
        )
        await asyncio.sleep(0)

    @override
    def held(self) -> int:
        master = self.peer.master
        ice = master._sessions["viewer0"]._dtls.transport._connection
        return len(ice._remote_candidates) + len(master._early)


def stun(
    kind: aioice.stun.Class = aioice.stun.Class.REQUEST, **attributes: Any
) -> aioice.stun.Message:
    return aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=kind,
        transaction_id=b"abcdefghijkl",
        attributes={
            name.replace("_", "-"): value for name, value in attributes.items()
        },
    )


class Session(Answers):
    """A viewer that is connected, over loopback."""

    bound = 1

    @override
    async def open(self) -> None:
        await super().open()
        await self._connect()

    async def _connect(self) -> None:
        self.viewer = EchoPeer()
        offer = await self.viewer.offer()
        await self.viewer.accept(await self.peer.master.answer("viewer", offer, []))
        async with asyncio.timeout(20):
            await self.viewer.connected.wait()
        session = self.peer.master._sessions["viewer"]
        self.dtls = session._dtls
        self.ice = self.dtls.transport._connection

    @override
    async def close(self) -> None:
        await self.viewer.close()
        await super().close()

    def _still_there(self) -> None:
        if "viewer" not in self.peer.master._sessions or self.dtls.state != "connected":
            raise BrokenPromiseError("the session has ended")


class Datagrams(Session):
    """Datagrams from anywhere, at a session's port."""

    name = "datagrams"
    # Candidates that are learnt from requests, and what waits for DTLS.
    bound = 80

    @override
    def cases(self) -> st.SearchStrategy[list[Any]]:
        messages = [
            stun(),
            stun(USERNAME="a:b", PRIORITY=7),
            stun(USERNAME="a:b", PRIORITY=7, ICE_CONTROLLING=3, USE_CANDIDATE=None),
            stun(aioice.stun.Class.RESPONSE, XOR_MAPPED_ADDRESS=("127.0.0.1", 5)),
            stun(aioice.stun.Class.ERROR, ERROR_CODE=(487, "Role Conflict")),
        ]
        for message in messages[1:]:
            message.add_fingerprint()
        seeds = [bytes(message).hex() for message in messages]
        seeds += ["", "80" + "00" * 30, "80c80006" + "00" * 24, "16fefd" + "00" * 30]
        ports = st.integers(1, 65535)
        return st.tuples(ports, st.booleans(), broken.packets(seeds)).map(list)

    @override
    async def knock(self, case: Any) -> None:
        port, signed, text = case
        data = bytes.fromhex(text)
        if signed:
            data = self._signed(data)
        # As asyncio does with what comes.
        self.ice._protocols[0].datagram_received(data, ("127.0.0.1", port))
        for _ in range(3):
            await asyncio.sleep(0)
        self._still_there()

    def _signed(self, data: bytes) -> bytes:
        """Return a request as the viewer itself would send it, where it is one."""
        try:
            message = aioice.stun.parse_message(data)
        except ValueError, struct.error:
            return data
        attributes = dict(message.attributes)
        for name in ("FINGERPRINT", "MESSAGE-INTEGRITY"):
            attributes.pop(name, None)
        attributes["USERNAME"] = f"{self.ice.local_username}:{self.ice.remote_username}"
        message = aioice.stun.Message(
            message_method=message.message_method,
            message_class=message.message_class,
            transaction_id=message.transaction_id,
            attributes=attributes,
        )
        message.add_message_integrity(self.ice.local_password.encode())
        return bytes(message)

    @override
    def held(self) -> int:
        return len(self.ice._remote_candidates) + self.ice._queue.qsize()


class Reports(Session):
    """RTP and RTCP of a connected viewer, as they are after decryption."""

    name = "reports"

    @override
    def cases(self) -> st.SearchStrategy[list[Any]]:
        """Draw packets for SSRC 1, which `knock` replaces by the sender's own."""
        receiver_report = "81c90007" + "00000001" * 2 + "00" * 20
        nack = "81cd0003" + "00000002" + "00000001" + "0005ffff"
        pli = "81ce0002" + "00000002" + "00000001"
        fir = "84ce0004" + "00000002" + "00000000" + "00000001" + "01000000"
        remb = "8fce0005" + "00000002" + "00000000" + b"REMB".hex() + "0103ffff00000001"
        bye = "81cb000100000001"
        sdes = "81ca000300000001" + "0102616200000000"
        rtp = "80e00001" + "00000001" * 2 + "00" * 20
        seeds = [receiver_report, nack, pli, fir, remb, bye, sdes, rtp, remb + nack]
        return st.tuples(st.booleans(), broken.packets(seeds)).map(list)

    @override
    async def open(self) -> None:
        await super().open()
        senders = self.dtls._rtp_router.senders
        self.ssrc = next(iter(senders)) if senders else 1

    @override
    async def knock(self, case: Any) -> None:
        is_rtcp, text = case
        text = text.replace("00000001", f"{self.ssrc:08x}")
        data = bytes.fromhex(text)
        if is_rtcp:
            await self.dtls._handle_rtcp_data(data)
        else:
            await self.dtls._handle_rtp_data(data, 0)
        self._still_there()

    @override
    def held(self) -> int:
        return self.peer.master.viewers


class Stills(Door):
    """What a remote master answers to an offer for one picture."""

    name = "stills"
    secrets = (PASSWORD, ADDRESS)

    @override
    def cases(self) -> st.SearchStrategy[list[Any]]:
        return st.tuples(broken.texts([_ANSWER]), broken.texts(CANDIDATES)).map(list)

    @override
    async def open(self) -> None:
        self.peer = Peer()
        await self.peer.open()

    @override
    async def close(self) -> None:
        await self.peer.close()

    @override
    async def knock(self, case: Any) -> None:
        answer, candidate = case
        viewer = StillViewer(
            on_candidate=lambda *_: None, limits=Limits(close_timeout=0.2)
        )
        try:
            await viewer.offer([])
            viewer.add_candidate(candidate)
            with suppress(StillError):
                await viewer.accept(answer)
            viewer.add_candidate(candidate)
            await asyncio.sleep(0)
        finally:
            await viewer.close()


_ANSWER = f"""\
v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 97 98
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=rtcp-mux
a=ice-ufrag:Ab1+
a=ice-pwd:{PASSWORD}
a=fingerprint:sha-256 64:6E:92:22:AA:72:B2:03:85:BD:1D:E9:02:FF:AB:46:BF:82:89:4C:E3:C6:19:D4:DA:1A:1A:DD:98:BE:E6:F6
a=setup:active
a=rtpmap:97 H264/90000
a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:98 rtx/90000
a=fmtp:98 apt=97
a={CANDIDATES[0]}
"""
