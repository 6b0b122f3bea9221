"""A way between a viewer and its master that loses, delays and forgets, on loopback.

It stands where a home's router does: the master is inside, the viewer outside, and each
sees the other at an address of the router's.
"""

import asyncio
from collections.abc import Callable
import random
import re
import time
from typing import Self, override

_ADDRESS = "127.0.0.1"
# UDP candidates of the first component.
_CANDIDATE = re.compile(r"(a=candidate:\S+ 1 (?:udp|UDP) \d+) (\S+) (\d+) typ host")

type Address = tuple[str, int]
type Keep = Callable[[bytes], bool]


class _Face(asyncio.DatagramProtocol):
    """A socket of the middlebox."""

    def __init__(self, on_packet: Callable[[bytes, Address, _Face], None]) -> None:
        self._on_packet = on_packet
        self.transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    @property
    def port(self) -> int:
        assert self.transport is not None
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_packet(data, addr, self)

    def send(self, data: bytes, addr: Address) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, addr)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Middlebox:
    """One viewer's way; `mapping` is for how many seconds of silence inside it holds."""

    def __init__(
        self, *, loss: float = 0.0, delay: float = 0.0, mapping: float | None = None
    ) -> None:
        """Lose this share of packets, and delay others by seconds, either way."""
        self.loss = loss
        self.delay = delay
        self.keep: Keep = lambda _: True
        """Which of the viewer's packets come through."""
        self.keep_outwards: Keep = lambda _: True
        """Which of the master's packets get here at all."""
        self.mappings = 0
        """How often an address outside was given to the master."""
        self.unmapped = 0
        """Packets of the viewer to an address that nobody had any more."""
        self._mapping = mapping
        self._chance = random.Random(4)
        self._inside = _Face(self._from_master)
        self._outside = _Face(self._from_viewer)
        self._faces: list[_Face] = []
        self._used = 0.0
        self._master: Address | None = None
        self._viewer: Address | None = None

    async def __aenter__(self) -> Self:
        """Open both sides."""
        await self._open(self._inside)
        await self._open(self._outside)
        self.mappings = 1
        self._used = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all that was opened."""
        for face in self._faces:
            face.close()
        await asyncio.sleep(0)

    def offer(self, sdp: str) -> str:
        """Return a viewer's offer as the master gets it: it is where we are."""
        [self._viewer, *_] = _addresses(sdp)
        return _CANDIDATE.sub(rf"\1 {_ADDRESS} {self._inside.port} typ host", sdp)

    def answer(self, sdp: str) -> str:
        """Return a master's answer as the viewer gets it."""
        [self._master, *_] = _addresses(sdp)
        return _CANDIDATE.sub(rf"\1 {_ADDRESS} {self._outside.port} typ host", sdp)

    async def _open(self, face: _Face) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: face, local_addr=(_ADDRESS, 0))
        self._faces.append(face)

    def _from_master(self, data: bytes, addr: Address, _: _Face) -> None:
        if not self.keep_outwards(data):
            return
        self._master = addr
        if self._is_forgotten():
            # The next one outside is another one, as routers have it.
            self.mappings += 1
            self._outside = _Face(self._from_viewer)
            task = asyncio.ensure_future(self._open(self._outside))
            task.add_done_callback(lambda _: self._carry(data, self._outside, False))
        else:
            self._carry(data, self._outside, outwards=True)
        self._used = time.monotonic()

    def _from_viewer(self, data: bytes, addr: Address, face: _Face) -> None:
        if face is not self._outside or self._is_forgotten():
            self.unmapped += 1
            return
        self._viewer = addr
        if self.keep(data):
            self._carry(data, self._inside, outwards=False)

    def _is_forgotten(self) -> bool:
        # What comes from outside does not keep a mapping (RFC 4787 REQ-6).
        silence = time.monotonic() - self._used
        return self._mapping is not None and silence > self._mapping

    def _carry(self, data: bytes, face: _Face, outwards: bool) -> None:
        to = self._viewer if outwards else self._master
        if to is None or self._chance.random() < self.loss:
            return
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, face.send, data, to)
        else:
            face.send(data, to)


def _addresses(sdp: str) -> list[Address]:
    return [(match[2], int(match[3])) for match in _CANDIDATE.finditer(sdp)]
