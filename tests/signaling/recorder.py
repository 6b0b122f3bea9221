"""Connections that tell what happens to them."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp

from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    ConnectionTimes,
    Message,
    Role,
    SignalingClient,
    SignalingConnection,
)

# As the real ones, but no test waits for them.
QUICK = ConnectionTimes(
    connect=2,
    heartbeat=5,
    send=2,
    stable=0,
    renew=60,
    linger=0.1,
    backoff_floor=0.02,
    backoff_cap=0.2,
    outage_cap=0.2,
    loss_cap=0.05,
)


class Recorder:
    """One connection, with the messages and states that it has reported."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.states: list[ConnectionState] = []
        self.task: asyncio.Task[None]
        self.connection: SignalingConnection
        self._changed = asyncio.Event()

    def on_message(self, message: Message) -> None:
        self.messages.append(message)
        self._changed.set()

    def on_state(self, state: ConnectionState) -> None:
        self.states.append(state)
        self._changed.set()

    @property
    def error_keys(self) -> list[str]:
        return [state.error.key for state in self.states if state.error]

    async def wait_for(
        self, predicate: Callable[[], object], timeout: float = 5
    ) -> None:
        """Wait until something reported makes the predicate true."""
        async with asyncio.timeout(timeout):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()

    async def wait_connected(self, times: int = 1) -> None:
        await self.wait_for(
            lambda: sum(state.connected for state in self.states) >= times
        )

    async def wait_messages(self, count: int = 1) -> list[Message]:
        await self.wait_for(lambda: len(self.messages) >= count)
        return self.messages

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Connections:
    """Makes connections and ends them at last."""

    def __init__(
        self, client: SignalingClient, session: aiohttp.ClientSession, arn: str
    ) -> None:
        self.client = client
        self._session = session
        self._arn = arn
        self._recorders: list[Recorder] = []

    def start(
        self,
        role: Role = Role.MASTER,
        *,
        client: SignalingClient | None = None,
        times: ConnectionTimes = QUICK,
        **options: Any,
    ) -> Recorder:
        recorder = Recorder()
        options.setdefault("channel_arn", self._arn)
        options.setdefault("on_message", recorder.on_message)
        recorder.connection = SignalingConnection(
            client=client or self.client,
            session=self._session,
            role=role,
            on_state=recorder.on_state,
            times=times,
            **options,
        )
        recorder.task = asyncio.create_task(recorder.connection.run())
        self._recorders.append(recorder)
        return recorder

    async def master(self, **options: Any) -> Recorder:
        recorder = self.start(Role.MASTER, **options)
        await recorder.wait_connected()
        return recorder

    async def viewer(self, client_id: str = "viewer", **options: Any) -> Recorder:
        recorder = self.start(Role.VIEWER, client_id=client_id, **options)
        await recorder.wait_connected()
        return recorder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for recorder in self._recorders:
            await recorder.stop()
        for recorder in self._recorders:
            if not recorder.task.cancelled():
                recorder.task.result()
