"""A viewer that decodes nothing, but knows which pictures could have been decoded.

It asks for what it misses as browsers do: again and again for a second, and for a key
frame when that was in vain.
"""

import asyncio
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
from itertools import pairwise
import time
from typing import override

from aioice.ice import Connection
from aiortc.rtp import RtpPacket

from custom_components.kinesis_webrtc.peer import MasterPeer
from tests.helpers.middlebox import Middlebox
from tests.helpers.viewers import EchoPeer

VIDEO = 99
_NACK_INTERVAL = 0.1
_NACK_TRIES = 10


@dataclass
class Shown:
    """A picture that can be decoded, as all that it needs could."""

    at: float
    timestamp: int
    is_key: bool
    data: list[bytes] = field(repr=False)


class Watcher(EchoPeer):
    """Keeps a video's packets by their numbers."""

    def __init__(self, *, repairs: bool = True, audio: bool = True) -> None:
        """Prepare; `repairs` is whether it asks for anything at all."""
        super().__init__(audio=audio)
        self.packets: dict[int, tuple[float, RtpPacket]] = {}
        self._transport = self.pc.getTransceivers()[-1].receiver.transport
        vars(self._transport)["_handle_rtp_data"] = self._handle
        self._repairs = repairs
        self._arrived = asyncio.Event()
        self._tries: dict[int, int] = {}
        self._highest: int | None = None
        self._ssrc = 0

    async def watch(
        self,
        master: MasterPeer,
        viewer_id: str = "watcher",
        through: Middlebox | None = None,
    ) -> None:
        """Have a master answer, and wait for the first picture."""
        offer = await self.offer()
        if through is not None:
            offer = through.offer(offer)
        answer = await master.answer(viewer_id, offer, [])
        await self.accept(answer if through is None else through.answer(answer))
        async with asyncio.timeout(20):
            await self.connected.wait()
        await self.wait_shown(1)
        if self._repairs:
            self._tasks.append(asyncio.create_task(self._repair()))

    async def wait(self, condition: Callable[[], bool], timeout: float = 20) -> None:
        """Wait for something that packets bring."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def wait_shown(self, more: int, timeout: float = 20) -> None:
        """Wait for so many more pictures that can be decoded."""
        wanted = len(self.shown()) + more
        await self.wait(lambda: len(self.shown()) >= wanted, timeout)

    async def ask_for_key_frame(self) -> None:
        """Send a PLI."""
        with contextlib.suppress(ConnectionError):
            await self.pc.getTransceivers()[-1].receiver._send_rtcp_pli(self._ssrc)

    def shown(self) -> list[Shown]:
        """Return all pictures that can be decoded, in their order."""
        shown: list[Shown] = []
        picture: list[RtpPacket] = []
        at, last, is_good, is_whole = 0.0, -1, False, True
        for number in sorted(self.packets):
            arrived, packet = self.packets[number]
            if number != last + 1 and last >= 0:
                is_whole = False
            last = number
            picture.append(packet)
            at = max(at, arrived)
            if not packet.marker:
                continue
            is_key = _is_key(picture[0].payload)
            is_good = is_whole and (is_good or is_key)
            if is_good:
                data = [each.payload for each in picture]
                shown.append(Shown(at, packet.timestamp, is_key, data))
            picture, is_whole = [], True
        return shown

    def longest_pause(self, since: float = 0.0) -> float:
        """Return the most seconds without a picture, from a monotonic time to now."""
        times = [each.at for each in self.shown() if each.at >= since]
        times = [*([since] if since else []), *times, time.monotonic()]
        return max(b - a for a, b in pairwise(times))

    @property
    def connection(self) -> Connection:
        """What speaks ICE here."""
        connection: Connection = self._transport.transport._connection
        return connection

    @property
    def lost(self) -> int:
        """How many packets have not come."""
        return max(self.packets) - min(self.packets) + 1 - len(self.packets)

    async def _handle(self, data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data)
        if packet.payload_type == VIDEO:
            number = packet.sequence_number
            if self._highest is not None:
                step = (number - self._highest + 0x8000 & 0xFFFF) - 0x8000
                number = self._highest + step
            self._highest = max(number, self._highest or 0)
            self._ssrc = packet.ssrc
            self.packets.setdefault(number, (time.monotonic(), packet))
        self._arrived.set()

    async def _repair(self) -> None:
        receiver = self.pc.getTransceivers()[-1].receiver
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(_NACK_INTERVAL)
                newest = max(self.packets)
                recent = range(max(newest - 500, min(self.packets)), newest)
                missing = [each for each in recent if each not in self.packets]
                wanted = []
                for number in missing:
                    tries = self._tries[number] = self._tries.get(number, 0) + 1
                    if tries <= _NACK_TRIES:
                        wanted.append(number & 0xFFFF)
                    if tries == _NACK_TRIES:
                        await self.ask_for_key_frame()
                if wanted:
                    await receiver._send_rtcp_nack(self._ssrc, wanted)

    @override
    async def _receive(self, track: object) -> None:
        """Decode nothing."""


def _is_key(payload: bytes) -> bool:
    # A parameter set, alone or with others, begins each key picture.
    return payload[0] & 0x1F in (7, 24)
