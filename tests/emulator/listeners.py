"""The ports that the service listens at."""

import asyncio
from collections.abc import Sequence
import errno
import ssl

from aiohttp import web

from .state import Endpoint

_ATTEMPTS = 20


class Listeners:
    """One port for the control plane, one for each endpoint that was asked for.

    Real endpoints differ in their host names; addresses have none, so they differ in
    their ports. A port is the same at all hosts.
    """

    def __init__(
        self, hosts: Sequence[str], ssl_context: ssl.SSLContext | None
    ) -> None:
        """Listen at nothing yet."""
        self._hosts = hosts
        self._ssl_context = ssl_context
        self._runner: web.AppRunner | None = None
        self._sites: dict[int, list[web.TCPSite]] = {}
        self._endpoints: dict[int, Endpoint | None] = {}
        self._lock = asyncio.Lock()

    def endpoint_at(self, port: int) -> Endpoint | None:
        """Return what a port serves, None for the control plane."""
        return self._endpoints[port]

    async def start(self, runner: web.AppRunner, port: int) -> int:
        """Open the control plane's port, 0 for any; return it."""
        self._runner = runner
        return await self._open(None, port)

    async def open(self, endpoint: Endpoint) -> int:
        """Return an endpoint's port; open it when it is asked for first."""
        async with self._lock:
            for port, known in self._endpoints.items():
                if known == endpoint:
                    return port
            return await self._open(endpoint, 0)

    async def stop(self) -> None:
        """Listen no more, but remember the ports."""
        for sites in self._sites.values():
            for site in sites:
                await site.stop()
        self._sites.clear()

    async def resume(self) -> None:
        """Listen at the same ports again."""
        for port in self._endpoints:
            self._sites[port] = await self._listen(port)

    async def _open(self, endpoint: Endpoint | None, wanted: int) -> int:
        for _ in range(_ATTEMPTS):
            first = await self._site(self._hosts[0], wanted)
            port = wanted or _port_of(first)
            # Before anybody can connect: a request looks its port up here.
            self._endpoints[port] = endpoint
            self._sites[port] = [first]
            try:
                self._sites[port] += await self._listen(port, self._hosts[1:])
            except OSError as failed:
                await first.stop()
                del self._endpoints[port], self._sites[port]
                if failed.errno != errno.EADDRINUSE or wanted:
                    raise
                continue
            return port
        raise OSError(errno.EADDRINUSE, "no port is free at all hosts")

    async def _listen(
        self, port: int, hosts: Sequence[str] | None = None
    ) -> list[web.TCPSite]:
        names = self._hosts if hosts is None else hosts
        return [await self._site(host, port) for host in names]

    async def _site(self, host: str, port: int) -> web.TCPSite:
        assert self._runner is not None
        site = web.TCPSite(
            self._runner,
            host,
            port,
            ssl_context=self._ssl_context,
            reuse_address=True,
        )
        await site.start()
        return site


def _port_of(site: web.TCPSite) -> int:
    # aiohttp tells the port in no other way.
    server = site._server
    assert isinstance(server, asyncio.Server)
    port: int = server.sockets[0].getsockname()[1]
    return port
