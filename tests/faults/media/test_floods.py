"""Who floods a channel costs itself: others see every picture, and are answered in time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
import json
import time
from typing import Any

import pytest

from custom_components.kinesis_webrtc.offer_desk import OfferDesk
from custom_components.kinesis_webrtc.offer_rate import OFFERS
from custom_components.kinesis_webrtc.peer import MasterPeer
from custom_components.kinesis_webrtc.signaling import IceCandidate, SdpOffer
from custom_components.kinesis_webrtc.signaling.websocket import Websocket
from tests.fuzz.signaling_doors import Socket, envelope
from tests.helpers.viewers import EchoPeer

from .test_viewers import Other

SECONDS = 4
# Seconds; without a flood it is some milliseconds. Alexa waits for six.
ANSWERED = 1.5


class Line:
    """A channel's websocket, whose other end is the test."""

    def __init__(self, master: MasterPeer) -> None:
        self.socket = Socket()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.refused: list[str] = []
        self.desk = OfferDesk(
            peer=master,
            connection=self,  # type: ignore[arg-type]
            ice_servers=lambda: (),
            on_refused=lambda viewer, _: self.refused.append(viewer),
            now=lambda: datetime.now(UTC),
        )
        self.websocket = Websocket(
            self.socket,  # type: ignore[arg-type]
            on_message=self._take,
            on_closed=lambda _: None,
        )

    async def send(self, message: Any) -> None:
        """Take what the desk sends."""
        if message.recipient_client_id == "asking":
            self.sent.put_nowait(message)

    def _take(self, message: Any) -> None:
        match message:
            case SdpOffer():
                self.desk.take(message)
            case IceCandidate():
                self.desk.take_candidate(message)

    async def ask(self) -> float:
        """Offer as one more viewer; return after how many seconds the answer was there."""
        async with EchoPeer() as viewer:
            frame = json.dumps(offer_frame(await viewer.offer(), "asking"))
            began = time.monotonic()
            self.socket.frames.put_nowait(frame)
            async with asyncio.timeout(20):
                await self.sent.get()
            return time.monotonic() - began

    async def close(self) -> None:
        """End it."""
        await self.websocket.close()
        await self.desk.shutdown()


def offer_frame(sdp: str, sender: str) -> Any:
    payload = json.dumps({"type": "offer", "sdp": sdp})
    return envelope("SDP_OFFER", payload, sender)


def candidate_frame(address: str, port: int) -> Any:
    candidate = f"candidate:1 1 udp 1 {address} {port} typ host"
    content = {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}
    return envelope("ICE_CANDIDATE", json.dumps(content), "flooding")


def large(sdp: str) -> str:
    """Return an offer that is as large as one may be, all of it candidates."""
    line = "a=candidate:1 1 udp 1 127.0.{}.{} 5000 typ host\r\n"
    lines = [line.format(number >> 8, number & 255) for number in range(1900)]
    return (sdp + "".join(lines))[:65_000]


@dataclass(frozen=True, kw_only=True)
class Flood:
    """What is sent, and how often in a second."""

    frame: Callable[[str, int], Any]
    rate: int


# From one viewer AWS takes 5 offers and 20 candidates in a second.
FLOODS = {
    "offers": Flood(rate=100, frame=lambda sdp, _: offer_frame(sdp, "flooding")),
    "large offers": Flood(
        rate=20, frame=lambda sdp, _: offer_frame(large(sdp), "flooding")
    ),
    "huge offers": Flood(
        rate=20, frame=lambda sdp, _: offer_frame(sdp + "a=x\r\n" * 30_000, "flooding")
    ),
    "candidates": Flood(
        rate=400, frame=lambda _, number: candidate_frame("127.0.0.9", 2000 + number)
    ),
    "candidates to many": Flood(
        rate=400,
        frame=lambda _, number: candidate_frame(
            f"127.0.{number >> 8}.{number & 255}", 5000
        ),
    ),
    "candidates before an offer": Flood(
        rate=400,
        frame=lambda _, number: (
            candidate_frame("127.0.0.9", 2000 + number)
            | {"senderClientId": f"flooding {number}"}
        ),
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_the_channel_costs_others_nothing(
    master: MasterPeer, kind: str, record_property: Callable[[str, object], None]
) -> None:
    flood = FLOODS[kind]
    line = Line(master)
    async with EchoPeer() as flooding, Other() as other:
        try:
            sdp = await flooding.offer()
            frames = [
                json.dumps(flood.frame(sdp, number)) for number in range(flood.rate)
            ]
            await other.watch(master, "other")
            line.socket.frames.put_nowait(json.dumps(offer_frame(sdp, "flooding")))
            began = time.monotonic()
            pouring = asyncio.create_task(pour(line, frames))
            answered = []
            for _ in range(3):
                await asyncio.sleep(SECONDS / 4)
                answered.append(await line.ask())
            await pouring
            await other.wait_shown(10)
            pause = other.longest_pause(began)
            record_property("answered_ms", [round(each * 1000) for each in answered])
            record_property("longest_pause_ms", round(pause * 1000))
            other.check(began)
            assert max(answered) < ANSWERED
            assert set(line.refused) <= {"flooding"}
            assert len(line.refused) <= 1 + OFFERS
        finally:
            await line.close()


async def test_many_who_offer_take_the_free_places_and_no_others(
    master: MasterPeer,
) -> None:
    """Each is a viewer to AWS as well, with keys of its own or of somebody who lent them."""
    line = Line(master)
    async with EchoPeer() as flooding, Other() as other:
        try:
            await other.watch(master, "other")
            sdp = await flooding.offer()
            began = time.monotonic()
            for number in range(100):
                frame = json.dumps(offer_frame(sdp, f"flooding {number}"))
                line.socket.frames.put_nowait(frame)
            await other.wait_shown(50)
            other.check(began)
            assert master.viewers == 10
            assert len(line.refused) == 100 - 9
        finally:
            await line.close()


async def pour(line: Line, frames: list[str]) -> None:
    """Deliver a second's frames over and over, at their rate."""
    began = time.monotonic()
    for number, frame in enumerate(frames * SECONDS):
        line.socket.frames.put_nowait(frame)
        await asyncio.sleep(began + number / len(frames) - time.monotonic())
