"""Viewers of remote channels whose websockets the test plays."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    IceServerCache,
    Message,
    OutgoingMessage,
    SignalingConnection,
    SignalingError,
)


class Socket:
    """One viewer's connection: what it sends, and what AWS sends to it."""

    def __init__(self, **connection: Any) -> None:
        self.channel_arn: str = connection["channel_arn"]
        self.client_id: str = connection["client_id"]
        self.deliver: Callable[[Message], None] = connection["on_message"]
        self._on_state: Callable[[ConnectionState], None] = connection["on_state"]
        self.sent: list[OutgoingMessage] = []
        self.running = False
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self._changed = asyncio.Condition()
        self.mock = create_autospec(SignalingConnection, instance=True)
        self.mock.run.side_effect = self._run
        self.mock.send.side_effect = self._send

    async def _run(self) -> None:
        self.running = True
        self.started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running = False
            self.stopped.set()

    async def _send(self, message: OutgoingMessage) -> None:
        await self.open.wait()
        async with self._changed:
            self.sent.append(message)
            self._changed.notify_all()

    async def wait_sent(self, count: int) -> list[OutgoingMessage]:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: len(self.sent) >= count)
        return self.sent

    def fail(self, error: SignalingError) -> None:
        self._on_state(ConnectionState(connected=False, error=error))


class Sockets:
    """The viewers' connections in their order, and the ICE servers of channels."""

    def __init__(self) -> None:
        self.made: list[Socket] = []
        self.ice: list[AsyncMock] = []
        self.ice_options: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._changed = asyncio.Event()

    async def wait(self, count: int = 1) -> Socket:
        """Return the latest connection, when so many run."""
        async with asyncio.timeout(10):
            while len(self.made) < count:
                self._changed.clear()
                await self._changed.wait()
            await self.made[count - 1].started.wait()
        return self.made[count - 1]

    def make(self, **arguments: Any) -> AsyncMock:
        self.times.append(asyncio.get_running_loop().time())
        self.made.append(Socket(**arguments))
        self._changed.set()
        return self.made[-1].mock

    def make_ice(self, **arguments: Any) -> AsyncMock:
        ice = create_autospec(IceServerCache, instance=True)
        ice.servers, ice.usable_for, ice.error = (), 0.0, None
        ice.run.side_effect = self._for_ever
        self.ice.append(ice)
        self.ice_options.append(arguments)
        return ice

    async def _for_ever(self) -> None:
        await asyncio.get_running_loop().create_future()


@contextmanager
def patched_sockets() -> Generator[Sockets]:
    """Give the far sides of every remote channel's viewers to the test."""
    package = "custom_components.kinesis_webrtc"
    sockets = Sockets()
    with (
        patch(
            f"{package}.viewer_session.SignalingConnection", side_effect=sockets.make
        ),
        patch(f"{package}.remote_channel.IceServerCache", side_effect=sockets.make_ice),
    ):
        yield sockets
