"""Local ICE candidates, gathered within bounds of our own.

aioice waits five seconds for all servers from all addresses, whatever has come
(https://github.com/aiortc/aioice/issues/4), uses one server of each kind, and
cannot add a candidate later. Here the answer leaves with what is there.
"""

import asyncio
from collections.abc import Callable, Coroutine
import contextlib
import ipaddress
import logging
import socket
import ssl
from typing import Any

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
import aioice.ice
import aioice.stun
import aioice.turn

from . import internals
from .answer import LocalCandidate
from .limits import Limits
from .relays import Relays
from .servers import Resolver, Servers, StunServer, TurnServer

_LOGGER = logging.getLogger(__name__)

_ORDER = {"srflx": 0, "relay": 1, "host": 2}


def host_addresses(*, ipv6: bool, limit: int) -> list[str]:
    """Return this host's addresses, those of the default route first."""
    found = list(
        dict.fromkeys(aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=ipv6))
    )
    preferred = [
        _source_address(family) for family in (socket.AF_INET, socket.AF_INET6)
    ]
    found.sort(key=lambda address: (address not in preferred, ":" in address))
    return found[:limit]


def reaches_loopback() -> bool:
    """Tell whether loopback candidates are of use: when ours are such.

    aioice itself never counts loopback among this host's addresses, so that is only
    where somebody has made it do so, to keep peers within one machine.
    """
    found = aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    return any(address.startswith("127.") for address in found)


def _source_address(family: socket.AddressFamily) -> str | None:
    """Ask the routing table which address is used towards the internet.

    Connecting a UDP socket sends nothing. The addresses are those of RFC 5737 and
    RFC 3849, which belong to nobody.
    """
    target = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


class Gathering:
    """Gathers the candidates of one connection."""

    def __init__(
        self,
        *,
        connection: aioice.ice.Connection,
        relays: Relays,
        servers: Servers,
        resolver: Resolver,
        tls: ssl.SSLContext | None,
        limits: Limits,
        trickle: bool,
        on_candidate: Callable[[LocalCandidate], None],
        on_end: Callable[[], None],
        on_found: Callable[[LocalCandidate], None] | None = None,
    ) -> None:
        """Prepare; nothing is sent before `run`.

        `on_candidate` and `on_end` tell of what comes after `run` has returned,
        `on_found` of every candidate, also of one whose address is known already.
        """
        self._connection = connection
        self._relays = relays
        self._servers = servers
        self._resolver = resolver
        self._tls = tls
        self._limits = limits
        self._trickle = trickle
        self._on_candidate = on_candidate
        self._on_end = on_end
        self._on_found = on_found
        self._candidates: list[LocalCandidate] = []
        self._hosts: list[aioice.ice.StunProtocol] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reflexive_found = asyncio.Event()
        self._returned = False

    async def run(self) -> None:
        """Gather until the answer may leave.

        For trickle that is at once; else as soon as one server-reflexive and one
        relayed candidate are there, of those that servers are configured for, and
        after `gather_cap` at the latest. The rest goes on behind.
        """
        internals.begin_gathering(self._connection)
        await self._open_hosts()
        reflexive = self._start(self._find_reflexive())
        relay = self._start(self._find_relay())
        self._start(self._finish(reflexive, relay))
        if not self._trickle:
            enough = asyncio.gather(
                self._wait_reflexive(reflexive), asyncio.shield(relay)
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.gather_cap):
                    await asyncio.gather(enough, return_exceptions=True)
        self._returned = True

    def answer_candidates(self) -> list[LocalCandidate]:
        """Return what goes into the answer, best first.

        Where no more can follow, those come first by which a viewer elsewhere
        reaches us, and a host candidate that is the same address is left out.
        """
        if self._trickle:
            return list(self._candidates)
        ordered = sorted(self._candidates, key=lambda each: _ORDER[each.kind])
        unique = {(each.address, each.port): each for each in reversed(ordered)}
        kept = [each for each in ordered if each in unique.values()]
        return kept[: self._limits.complete_candidates]

    def stop(self) -> None:
        """Gather no more; what is there stays."""
        for task in self._tasks:
            task.cancel()

    async def halt(self) -> None:
        """Stop: the connection is about to close."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._relays.halt()

    async def free_relays(self) -> None:
        """Give the relays back, once the goodbyes that they carry are sent."""
        await self._relays.free()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="kinesis_webrtc gathering")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.debug("Gathering failed: %s", type(error).__name__)

    async def _finish(self, *tasks: asyncio.Task[None]) -> None:
        _, pending = await asyncio.wait(tasks, timeout=self._limits.late_gather_cap)
        for task in pending:
            task.cancel()
        self._on_end()

    async def _wait_reflexive(self, task: asyncio.Task[None]) -> None:
        found = asyncio.create_task(self._reflexive_found.wait())
        try:
            await asyncio.wait({task, found}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            found.cancel()

    async def _open_hosts(self) -> None:
        # An Echo's side is IPv4 alone, see "2.2 Structure" of its offers.
        addresses = host_addresses(
            ipv6=self._trickle, limit=self._limits.host_candidates
        )
        loop = asyncio.get_running_loop()
        for address in addresses:
            try:
                transport, protocol = await loop.create_datagram_endpoint(
                    lambda: internals.GuardedProtocol(self._connection),
                    local_addr=(address, 0),
                )
            except OSError:
                continue
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, aioice.turn.UDP_SOCKET_BUFFER_SIZE
            )
            host, port = transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=1,
                transport="udp",
                # RFC 8421: several addresses differ in their local preference.
                priority=candidate_priority(1, "host", 65535 - len(self._hosts)),
                host=host,
                port=port,
                type="host",
            )
            self._hosts.append(protocol)
            internals.add_protocol(self._connection, protocol)
            self._found(protocol.local_candidate)

    def _found(self, candidate: Candidate) -> None:
        found = LocalCandidate(
            kind=candidate.type,
            address=candidate.host,
            port=candidate.port,
            priority=candidate.priority,
            # Short ones: an answer has to fit into a signaling message.
            foundation=str(len(self._candidates) + 1),
            related=(
                None
                if candidate.related_address is None
                else (candidate.related_address, candidate.related_port or 9)
            ),
        )
        known = {(each.address, each.port) for each in self._candidates}
        self._candidates.append(found)
        if self._on_found is not None:
            self._on_found(found)
        if not self._returned:
            return
        if (found.address, found.port) not in known:
            self._on_candidate(found)

    async def _find_reflexive(self) -> None:
        requests = [
            self._ask_stun(protocol, server)
            for server in self._servers.stun[:2]
            for protocol in self._hosts
            if ipaddress.ip_address(protocol.local_candidate.host).version == 4
        ]
        await asyncio.gather(*requests)

    async def _ask_stun(
        self, protocol: aioice.ice.StunProtocol, server: StunServer
    ) -> None:
        request = aioice.stun.Message(
            message_method=aioice.stun.Method.BINDING,
            message_class=aioice.stun.Class.REQUEST,
        )
        try:
            address = await self._resolver.resolve(server.host)
            response, _ = await protocol.request(request, (address, server.port))
            mapped = response.attributes["XOR-MAPPED-ADDRESS"]
        except OSError, KeyError, aioice.stun.TransactionError:
            _LOGGER.debug("A STUN server gave no address")
            return
        base = protocol.local_candidate
        if any(
            each.kind == "srflx" and (each.address, each.port) == tuple(mapped)
            for each in self._candidates
        ):
            return
        self._found(
            Candidate(
                foundation=candidate_foundation("srflx", "udp", base.host),
                component=1,
                transport="udp",
                priority=candidate_priority(1, "srflx", (base.priority >> 8) & 0xFFFF),
                host=mapped[0],
                port=mapped[1],
                type="srflx",
                related_address=base.host,
                related_port=base.port,
            )
        )
        self._reflexive_found.set()

    async def _find_relay(self) -> None:
        """Take the first TURN server that gives a relay, each with a head start."""
        waiting = list(self._servers.turn)
        running: set[asyncio.Task[aioice.ice.StunProtocol]] = set()
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.create_task(self._allocate(waiting.pop(0))))
                done, running = await asyncio.wait(
                    running,
                    timeout=self._limits.turn_stagger if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                relays = [task.result() for task in done if task.exception() is None]
                if relays:
                    self._use_relay(relays.pop())
                    await asyncio.gather(*map(self._relays.close, relays))
                    return
        finally:
            for task in running:
                task.cancel()
            for result in await asyncio.gather(*running, return_exceptions=True):
                if isinstance(result, aioice.ice.StunProtocol):
                    await self._relays.close(result)

    async def _allocate(self, server: TurnServer) -> aioice.ice.StunProtocol:
        # The certificate of a TLS server is checked against its name.
        host = server.host if server.tls else await self._resolver.resolve(server.host)
        _, protocol = await aioice.turn.create_turn_endpoint(
            lambda: internals.GuardedProtocol(self._connection),
            server_addr=(host, server.port),
            username=server.username,
            password=server.credential,
            ssl=self._tls if server.tls else None,
            transport=server.transport,
        )
        return protocol

    def _use_relay(self, protocol: aioice.ice.StunProtocol) -> None:
        host, port = protocol.transport.get_extra_info("sockname")
        related = protocol.transport.get_extra_info("related_address")
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("relay", "udp", host),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "relay"),
            host=host,
            port=port,
            type="relay",
            related_address=related[0],
            related_port=related[1],
        )
        self._relays.add(protocol)
        self._found(protocol.local_candidate)
