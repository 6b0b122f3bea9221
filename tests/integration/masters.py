"""Shared cameras whose websocket and peer the test plays."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

from custom_components.kinesis_webrtc.peer import MasterPeer, SessionEvent
from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    IceServerCache,
    Message,
    SignalingConnection,
    SignalingError,
)


class Master:
    """The far sides of one shared camera: what AWS sends, and what the peer tells."""

    def __init__(self, **connection: Any) -> None:
        self.channel_arn: str = connection["channel_arn"]
        self._on_message: Callable[[Message], None] = connection["on_message"]
        self._on_state: Callable[[ConnectionState], None] = connection["on_state"]
        self.running = False
        self.connection = create_autospec(SignalingConnection, instance=True)
        self.connection.run.side_effect = self._run
        self.peer: AsyncMock
        self.on_event: Callable[[SessionEvent], None]
        self.ice: AsyncMock

    async def _run(self) -> None:
        self.running = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running = False

    def connect(self) -> None:
        self._on_state(ConnectionState(connected=True))

    def fail(self, error: SignalingError) -> None:
        self._on_state(ConnectionState(connected=False, error=error))

    def deliver(self, message: Message) -> None:
        self._on_message(message)


class Masters:
    """The shared cameras that were started, by their channel's ARN."""

    def __init__(self) -> None:
        self.by_arn: dict[str, Master] = {}
        self.made: list[Master] = []
        self._ice: AsyncMock
        self._peer: tuple[AsyncMock, Callable[[SessionEvent], None]]

    def __getitem__(self, channel_arn: str) -> Master:
        return self.by_arn[channel_arn]

    def make_ice(self, **_: object) -> AsyncMock:
        self._ice = create_autospec(IceServerCache, instance=True)
        self._ice.servers = ()
        self._ice.run.side_effect = self._for_ever
        return self._ice

    def make_peer(
        self, *, on_event: Callable[[SessionEvent], None], **_: object
    ) -> AsyncMock:
        peer = create_autospec(MasterPeer, instance=True)
        peer.answer.return_value = "answer"
        self._peer = (peer, on_event)
        return peer

    def make_connection(self, **arguments: Any) -> AsyncMock:
        master = Master(**arguments)
        master.ice = self._ice
        master.peer, master.on_event = self._peer
        self.by_arn[master.channel_arn] = master
        self.made.append(master)
        return master.connection

    async def _for_ever(self) -> None:
        await asyncio.get_running_loop().create_future()


@contextmanager
def patched_masters() -> Generator[Masters]:
    """Give the far sides of every shared camera to the test."""
    module = "custom_components.kinesis_webrtc.shared_camera"
    masters = Masters()
    with (
        patch(f"{module}.IceServerCache", side_effect=masters.make_ice),
        patch(f"{module}.MasterPeer", side_effect=masters.make_peer),
        patch(f"{module}.SignalingConnection", side_effect=masters.make_connection),
    ):
        yield masters
