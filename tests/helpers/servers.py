"""STUN and TURN servers of the tests' own: silent, lying, and a real coturn."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
import socket
from typing import Self, override

import aioice.stun

from tests.helpers.children import mortal

# Below the ports that the system itself gives to sockets.
RELAY_PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Server:
    """An ICE server's description, as signaling gives it."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


class UdpServer(asyncio.DatagramProtocol):
    """A UDP socket on loopback that answers nothing, and counts."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        """Listen on this address, at a port of the system's choice."""
        self.address = address
        self.port = 0
        self.received: list[bytes] = []
        self.asked = asyncio.Event()
        self.transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        """Open the socket."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.address, 0)
        )
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the socket."""
        assert self.transport is not None
        self.transport.close()
        await asyncio.sleep(0)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Count; derived servers answer."""
        self.received.append(data)
        self.asked.set()


class StunServer(UdpServer):
    """A STUN server that sees every client behind one and the same NAT."""

    def __init__(self, mapped: str = "203.0.113.9", delay: float = 0.0) -> None:
        """Answer with this public address, after a delay."""
        super().__init__()
        self.mapped = mapped
        self.delay = delay

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a binding request."""
        super().datagram_received(data, addr)
        asyncio.get_running_loop().call_later(self.delay, self._answer, data, addr)

    def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        request = aioice.stun.parse_message(data)
        response = aioice.stun.Message(
            message_method=request.message_method,
            message_class=aioice.stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        response.attributes["XOR-MAPPED-ADDRESS"] = (self.mapped, addr[1])
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(bytes(response), addr)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that is free for TCP and UDP just now."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind((address, 0))
        port: int = tcp.getsockname()[1]
        udp.bind((address, port))
        return port


@dataclass(frozen=True, slots=True)
class Coturn:
    """A running coturn."""

    address: str
    port: int
    username: str = "user"
    password: str = "pass"

    @property
    def stun(self) -> Server:
        """Its STUN server."""
        return Server((f"stun:{self.address}:{self.port}",))

    def turn(self, transport: str = "udp") -> Server:
        """Its TURN server."""
        return Server(
            (f"turn:{self.address}:{self.port}?transport={transport}",),
            self.username,
            self.password,
        )


@contextlib.asynccontextmanager
async def run_coturn(
    program: str, folder: Path, *options: str, address: str = "127.0.0.1"
) -> AsyncIterator[Coturn]:
    """Run coturn on an address, with a user of its own, until the block ends."""
    port = free_port(address)
    server = Coturn(address, port)
    command = [
        program,
        "-n",
        f"--listening-ip={address}",
        f"--relay-ip={address}",
        f"--listening-port={port}",
        "--lt-cred-mech",
        f"--user={server.username}:{server.password}",
        "--realm=test",
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        "--allow-loopback-peers",
        f"--min-port={RELAY_PORTS.start}",
        f"--max-port={RELAY_PORTS.stop - 1}",
        f"--pidfile={folder / 'turnserver.pid'}",
        f"--userdb={folder / 'turnserver.db'}",
        "--log-file=stdout",
        *options,
    ]
    process = await asyncio.create_subprocess_exec(
        *mortal(command),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _wait_listening(address, port)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _wait_listening(address: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return
