"""A TURN server as strict as RFC 8656 lets one be, whose times can be short."""

import asyncio
import struct
import time
from typing import Self, override

from aioice import stun
from aioice.turn import is_channel_data, make_integrity_key

from tests.helpers.servers import Server, UdpServer

type Address = tuple[str, int]

_REALM = "strict"
_METHOD, _CLASS = stun.Method, stun.Class


class _Allocation(asyncio.DatagramProtocol):
    """One client's relay."""

    def __init__(self, server: TurnServer, client: Address) -> None:
        self._server = server
        self._client = client
        self.expires = 0.0
        self.permissions: dict[str, float] = {}
        self.channels: dict[int, tuple[Address, float]] = {}
        self.transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> Address:
        assert self.transport is not None
        address: Address = self.transport.get_extra_info("sockname")
        return address

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Hand on what a peer sends, if it may."""
        now = time.monotonic()
        if now >= self.expires or now >= self.permissions.get(addr[0], 0):
            self._server.dropped += 1
            return
        for number, (peer, expires) in self.channels.items():
            if peer == addr and now < expires:
                header = struct.pack("!HH", number, len(data))
                self._server.send(header + data, self._client)
                return
        indication = stun.Message(_METHOD.DATA, _CLASS.INDICATION)
        indication.attributes |= {"XOR-PEER-ADDRESS": addr, "DATA": data}
        self._server.send(bytes(indication), self._client)

    def send(self, data: bytes, peer: Address) -> None:
        """Send for the client."""
        assert self.transport is not None
        if time.monotonic() < self.expires:
            self.transport.sendto(data, peer)


class TurnServer(UdpServer):
    """Relays on loopback for all who know the password."""

    def __init__(self, *, lifetime: int = 600, permission: float = 300.0) -> None:
        """Give allocations and permissions these seconds, and channels twice as many."""
        super().__init__()
        self.lifetime = lifetime
        self.permission = permission
        self.refuses = False
        """Whether the credentials count as expired from now on."""
        self.is_deaf = False
        """Whether nothing is answered nor relayed any more."""
        self.granted: list[stun.Method] = []
        self.refusal = asyncio.Event()
        """Set when a request of a client that had been served was refused."""
        self.peers: set[str] = set()
        """Whom clients have asked to be led to."""
        self.dropped = 0
        """Packets of peers without a permission."""
        self._key = make_integrity_key("user", _REALM, "pass")
        self._allocations: dict[Address, _Allocation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def server(self) -> Server:
        """Its description."""
        url = f"turn:{self.address}:{self.port}?transport=udp"
        return Server((url,), "user", "pass")

    @property
    def relays(self) -> list[Address]:
        """Where the allocations are that have not expired."""
        now = time.monotonic()
        return [x.address for x in self._allocations.values() if now < x.expires]

    def count(self, method: stun.Method) -> int:
        """Return how many requests were granted."""
        return self.granted.count(method)

    @override
    async def __aenter__(self) -> Self:
        return await super().__aenter__()

    @override
    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*self._tasks)
        for each in self._allocations.values():
            if each.transport is not None:
                each.transport.close()
        await super().__aexit__(*error)

    def send(self, data: bytes, client: Address) -> None:
        """Send to a client."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, client)

    @override
    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.is_deaf:
            return
        allocation = self._allocations.get(addr)
        if is_channel_data(data):
            number, size = struct.unpack("!HH", data[:4])
            if allocation is not None and number in allocation.channels:
                peer, expires = allocation.channels[number]
                if time.monotonic() < expires:
                    allocation.send(data[4 : 4 + size], peer)
            return
        message = stun.parse_message(data)
        if message.message_class is _CLASS.REQUEST:
            task = asyncio.create_task(self._answer(message, addr, allocation))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, request: stun.Message, client: Address, allocation: _Allocation | None
    ) -> None:
        response = stun.Message(
            request.message_method, _CLASS.RESPONSE, request.transaction_id
        )
        known = request.attributes.get("NONCE") == b"nonce"
        if not (known and request.check_message_integrity(self._key)) or self.refuses:
            if known:
                self.refusal.set()
            self._refuse(response, 401, client)
            return
        now = time.monotonic()
        method = request.message_method
        if method is _METHOD.ALLOCATE:
            loop = asyncio.get_running_loop()
            _, allocation = await loop.create_datagram_endpoint(
                lambda: _Allocation(self, client), local_addr=(self.address, 0)
            )
            self._allocations[client] = allocation
            allocation.expires = now + self.lifetime
            response.attributes |= {
                "XOR-RELAYED-ADDRESS": allocation.address,
                "XOR-MAPPED-ADDRESS": client,
                "LIFETIME": self.lifetime,
            }
        elif allocation is None or now >= allocation.expires:
            self._refuse(response, 437, client)
            return
        elif method is _METHOD.REFRESH:
            lifetime = min(request.attributes["LIFETIME"], self.lifetime)
            allocation.expires = now + lifetime
            response.attributes["LIFETIME"] = lifetime
        else:
            peer = request.attributes["XOR-PEER-ADDRESS"]
            self.peers.add(peer[0])
            allocation.permissions[peer[0]] = now + self.permission
            if method is _METHOD.CHANNEL_BIND:
                number = request.attributes["CHANNEL-NUMBER"]
                allocation.channels[number] = peer, now + 2 * self.permission
        self.granted.append(method)
        response.add_message_integrity(self._key)
        self.send(bytes(response), client)

    def _refuse(self, response: stun.Message, code: int, client: Address) -> None:
        response.message_class = _CLASS.ERROR
        response.attributes["ERROR-CODE"] = (code, "No")
        if code == 401:
            response.attributes |= {"REALM": _REALM, "NONCE": b"nonce"}
        self.send(bytes(response), client)
