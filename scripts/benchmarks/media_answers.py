"""How long an offer waits for its answer where the ICE servers are far away, or dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast, override

from tests.e2e.harness.client import HomeAssistantClient
from tests.e2e.harness.coturn import Coturn
from tests.e2e.harness.echo import Echo
from tests.e2e.harness.frontend_viewer import FrontendViewer

from .statistics import summary

# Seconds that a packet takes each way.
ONE_WAY = 0.03

type Address = tuple[str, int]


class FarServer(asyncio.DatagramProtocol):
    """A server's address at which each packet takes its time, or is lost."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport
        self._clients: dict[Address, asyncio.DatagramTransport] = {}
        self.is_dead = False

    @classmethod
    @asynccontextmanager
    async def of(cls, coturn: Coturn, host: str) -> AsyncIterator[FarServer]:
        """Stand in front of coturn at another host's address."""
        loop = asyncio.get_running_loop()
        _, far = await loop.create_datagram_endpoint(
            lambda: cls((coturn.host, coturn.port)), local_addr=(host, 0)
        )
        try:
            yield far
        finally:
            far.close()

    @property
    def stun_url(self) -> str:
        """Return the URL of its STUN service."""
        host, port = self._transport.get_extra_info("sockname")
        return f"stun:{host}:{port}"

    @property
    def turn_url(self) -> str:
        """Return the URL of its TURN service over UDP."""
        return f"turn{self.stun_url.removeprefix('stun')}?transport=udp"

    def close(self) -> None:
        """Close all sockets."""
        for transport in (self._transport, *self._clients.values()):
            transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self.is_dead:
            asyncio.get_running_loop().call_later(ONE_WAY, self._pass_on, data, addr)

    def _pass_on(self, data: bytes, client: Address) -> None:
        if self._transport.is_closing():
            return
        if client in self._clients:
            self._clients[client].sendto(data)
            return
        task = asyncio.create_task(self._connect(data, client))
        task.add_done_callback(lambda done: done.cancelled() or done.result())

    async def _connect(self, data: bytes, client: Address) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _WayBack(self._transport, client), remote_addr=self._server
        )
        self._clients.setdefault(client, transport).sendto(data)


class _WayBack(asyncio.DatagramProtocol):
    def __init__(self, transport: asyncio.DatagramTransport, client: Address) -> None:
        self._transport = transport
        self._client = client

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        asyncio.get_running_loop().call_later(ONE_WAY, self._return, data)

    def _return(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, self._client)


class Answers:
    """Asks a live view again and again, and notes when the answers come."""

    def __init__(
        self, client: HomeAssistantClient, entity_id: str, *, mortal: FarServer
    ) -> None:
        self._client = client
        self._entity_id = entity_id
        self._mortal = mortal
        self._times: dict[str, list[float]] = {}

    async def measure(self, count: int) -> None:
        """Measure so many answers of each kind more."""
        viewer = FrontendViewer()
        try:
            async with Echo() as echo:
                offers = {"trickle": await viewer.offer(), "echo": echo.offer}
                for name, kind, is_dead in (
                    ("echo", "echo", False),
                    ("echo_dead_server", "echo", True),
                    ("trickle_dead_server", "trickle", True),
                ):
                    self._mortal.is_dead = is_dead
                    for _ in range(count):
                        took = await self._ask(offers[kind])
                        self._times.setdefault(name, []).append(took)
        finally:
            self._mortal.is_dead = False
            await viewer.close()

    async def _ask(self, offer: str) -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            asked_at = loop.time()
            async with self._client.subscribe(
                "camera/webrtc/offer", entity_id=self._entity_id, offer=offer
            ) as events:
                while True:
                    event: dict[str, Any] = await events.get()
                    if event["type"] == "answer":
                        return (loop.time() - asked_at) * 1000
                    if event["type"] == "error":
                        raise RuntimeError(event["message"])

    def results(self) -> dict[str, float]:
        """Return the medians in ms."""
        return {
            f"{name}_p50": summary(times)["p50"] for name, times in self._times.items()
        }
