"""STUN and TURN servers: their URIs, their order, their addresses."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
import ipaddress
import logging
import re
import socket
import time
from typing import Protocol

_LOGGER = logging.getLogger(__name__)

# RFC 7064, RFC 7065.
_URI = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[^:?\[\]\s]+)"
    r"(?::(?P<port>\d{1,5}))?(?:\?transport=(?P<transport>[A-Za-z]+))?"
)
_FRESH = 300.0


class IceServer(Protocol):
    """A STUN or TURN server as signaling gives it."""

    @property
    def urls(self) -> Sequence[str]:
        """URIs of one server, all with the same credentials."""
        ...

    @property
    def username(self) -> str | None:
        """User name, for TURN."""
        ...

    @property
    def credential(self) -> str | None:
        """Password, for TURN."""
        ...


@dataclass(frozen=True, slots=True)
class StunServer:
    """Where a binding request goes."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TurnServer:
    """Where an allocation is asked for."""

    host: str
    port: int
    transport: str
    tls: bool
    username: str | None = field(repr=False)
    credential: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Servers:
    """What of the given servers can be used here, best first."""

    stun: tuple[StunServer, ...] = ()
    turn: tuple[TurnServer, ...] = ()

    @property
    def hosts(self) -> set[str]:
        """Names and addresses of all servers."""
        return {each.host for each in self.stun} | {each.host for each in self.turn}


def read_servers(servers: Iterable[IceServer]) -> Servers:
    """Sort servers into those that aioice can speak to.

    TURN over UDP comes first, over TCP and TLS after it; TLS over UDP (DTLS) and
    URIs that cannot be read are left out.
    """
    stun: list[StunServer] = []
    turn: list[TurnServer] = []
    for server in servers:
        for uri in server.urls:
            match = _URI.fullmatch(uri.strip())
            if match is None or int(match["port"] or 1) not in range(1, 65536):
                _LOGGER.debug("Skipping an ICE server with an unknown form of URI")
                continue
            tls = match["scheme"].endswith("s")
            host = match["host"].strip("[]")
            port = int(match["port"] or (5349 if tls else 3478))
            if match["scheme"] == "stun":
                stun.append(StunServer(host, port))
            transport = (match["transport"] or ("tcp" if tls else "udp")).lower()
            usable = transport == "tcp" or (transport == "udp" and not tls)
            if match["scheme"].startswith("turn") and usable:
                turn.append(
                    TurnServer(
                        host, port, transport, tls, server.username, server.credential
                    )
                )
    turn.sort(key=lambda server: (server.transport != "udp", server.tls))
    return Servers(tuple(dict.fromkeys(stun)), tuple(dict.fromkeys(turn)))


class Resolver:
    """Looks IPv4 addresses up, and remembers them."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._known: dict[str, tuple[float, str]] = {}
        self._running: dict[str, asyncio.Task[str]] = {}

    async def resolve(self, host: str) -> str:
        """Return the address of a host; raises OSError.

        An address that was known before is given at once, and renewed beside it
        when it is older than five minutes.
        """
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
        known = self._known.get(host)
        if known is not None and time.monotonic() - known[0] < _FRESH:
            return known[1]
        task = self._running.get(host)
        if task is None:
            task = asyncio.create_task(self._look_up(host))
            self._running[host] = task
            task.add_done_callback(lambda done: self._finished(host, done))
        if known is not None:
            return known[1]
        return await asyncio.shield(task)

    async def warm(self, hosts: Iterable[str]) -> None:
        """Look hosts up ahead; names that are not found are no error."""
        await asyncio.gather(
            *(self.resolve(host) for host in hosts), return_exceptions=True
        )

    async def close(self) -> None:
        """Stop what is being looked up."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, host: str) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM
        )
        address = str(found[0][4][0])
        self._known[host] = time.monotonic(), address
        return address

    def _finished(self, host: str, task: asyncio.Task[str]) -> None:
        self._running.pop(host, None)
        if not task.cancelled() and task.exception() is not None:
            _LOGGER.debug("An ICE server's name was not found")
