"""The way to the service dies and comes back without a word, as at a provider's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from statistics import median
import time
from unittest.mock import create_autospec

import aiohttp
from aiohttp import web
import pytest

from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    Role,
    ServiceClock,
    SignalingClient,
    SignalingConnection,
)
from tests.helpers.way import Way
from tests.system import require


class Service:
    """Websockets at the far end of the way."""

    def __init__(self, way: Way) -> None:
        self._listener = way.listen()
        application = web.Application()
        application.router.add_get("/", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()
        return f"ws://{host}:{port}/"

    async def start(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket


class Master:
    """A master at the near end, and when it came and went."""

    def __init__(self, way: Way, url: str) -> None:
        self._connector = aiohttp.TCPConnector(socket_factory=way.make_socket)
        client = create_autospec(SignalingClient, instance=True)
        client.presigned_url.return_value = url
        client.clock = ServiceClock()
        client.credentials = None
        self._client = client
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()

    def _on_state(self, state: ConnectionState) -> None:
        (self._gone, self._connected)[state.connected].set()
        (self._connected, self._gone)[state.connected].clear()

    async def run(self) -> None:
        async with aiohttp.ClientSession(connector=self._connector) as session:
            await SignalingConnection(
                client=self._client,
                session=session,
                channel_arn="arn:aws:kinesisvideo:eu-west-1:1:channel/lost/1",
                role=Role.MASTER,
                on_message=lambda _: None,
                on_state=self._on_state,
            ).run()

    async def here_after(self) -> float:
        """Wait until it is connected; return the seconds that took."""
        return await self._after(self._connected)

    async def gone_after(self) -> float:
        """Wait until it is not connected; return the seconds that took."""
        return await self._after(self._gone)

    async def _after(self, event: asyncio.Event) -> float:
        began = time.monotonic()
        async with asyncio.timeout(40):
            await event.wait()
        return time.monotonic() - began


@pytest.fixture
def way() -> Iterator[Way]:
    require("root", "ip")
    with Way() as way:
        yield way


@pytest.fixture
async def master(way: Way) -> AsyncIterator[Master]:
    """Give a master that is connected."""
    service = Service(way)
    await service.start()
    master = Master(way, service.url)
    running = asyncio.create_task(master.run())
    await master.here_after()
    yield master
    running.cancel()
    await asyncio.wait([running])
    await service.stop()


@pytest.mark.timeout(240)
async def test_a_lost_way_is_noticed_soon_and_its_return_sooner(
    way: Way, master: Master
) -> None:
    """Long ones too: no attempt sends so rarely that it would miss the return."""
    noticed, back = [], []
    for seconds in (0.5, 1.7, 9):
        way.lose()
        noticed.append(await master.gone_after())
        await asyncio.sleep(seconds)
        way.restore()
        back.append(await master.here_after())

    assert max(noticed) < 8, noticed
    assert median(back) < 2, back
    assert max(back) < 4, back
