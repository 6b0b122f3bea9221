"""Shared cameras whose websocket and peer the test plays."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

from custom_components.kinesis_webrtc.camera_source import CameraSource
from custom_components.kinesis_webrtc.peer import (
    Ended,
    EndReason,
    MasterPeer,
    SessionEvent,
    TalkSink,
    Timings,
)
from custom_components.kinesis_webrtc.signaling import (
    ConnectionState,
    IceServer,
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
        self.on_renewed: Callable[[tuple[IceServer, ...]], None]
        self.on_not_renewed: Callable[[SignalingError], None]

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


def make_feed() -> SimpleNamespace:
    """Return a camera's media of which nothing is known yet."""
    return SimpleNamespace(
        is_open=False,
        is_held=False,
        opened=0,
        format=None,
        is_fallback=False,
        cpu_percent=0.0,
        small=SimpleNamespace(is_large=False, shrunk_from=None),
    )


class Peer:
    """A shared camera's peer, which ends a session when it is told to."""

    def __init__(
        self,
        on_event: Callable[[SessionEvent], None],
        small_source: CameraSource | None = None,
    ) -> None:
        self.on_event = on_event
        self.talk_sink: TalkSink | None = None
        self.small_source = small_source
        self.mock = create_autospec(MasterPeer, instance=True)
        self.mock.set_talk_sink.side_effect = self._set_talk_sink
        self.mock.answer.return_value = "answer"
        self.mock.bytes_sent = 0
        self.mock.feed = self.mock.small_feed = make_feed()
        self.mock.hold.side_effect = self._hold
        self.holds = 0
        self.mock.close.side_effect = self._close

    def _hold(self) -> Callable[[], None]:
        self.holds += 1
        is_held = True

        def release() -> None:
            nonlocal is_held
            self.holds -= is_held
            is_held = False

        return release

    async def _set_talk_sink(self, sink: TalkSink | None) -> None:
        self.talk_sink = sink

    async def _close(
        self, viewer_id: str, reason: EndReason = EndReason.REQUESTED
    ) -> None:
        self.on_event(Ended(viewer_id=viewer_id, reason=reason, timings=Timings()))


class Masters:
    """The shared cameras that were started, by their channel's ARN."""

    def __init__(self) -> None:
        self.by_arn: dict[str, Master] = {}
        self.made: list[Master] = []
        self.peers: list[Peer] = []
        self.prepare_error: Exception | None = None
        self._ice: tuple[AsyncMock, Callable[..., None], Callable[..., None]]
        self._new_peer: Peer | None = None
        self._peer_of: dict[str, Peer] = {}

    def __getitem__(self, channel_arn: str) -> Master:
        return self.by_arn[channel_arn]

    def make_ice(
        self,
        *,
        on_renewed: Callable[..., None],
        on_failed: Callable[..., None],
        **_: object,
    ) -> AsyncMock:
        ice = create_autospec(IceServerCache, instance=True)
        ice.servers, ice.usable_for, ice.error = (), 0.0, None
        ice.run.side_effect = self._for_ever
        self._ice = (ice, on_renewed, on_failed)
        return ice

    def make_ice_of_relay(self, **_: object) -> AsyncMock:
        ice = create_autospec(IceServerCache, instance=True)
        ice.servers, ice.usable_for, ice.error = (), 0.0, None
        ice.run.side_effect = self._for_ever
        return ice

    def make_peer(
        self,
        *,
        on_event: Callable[[SessionEvent], None],
        small_source: CameraSource | None,
        talk_sink: TalkSink | None,
        **_: object,
    ) -> AsyncMock:
        peer = Peer(on_event, small_source)
        peer.talk_sink = talk_sink
        peer.mock.prepare.side_effect = self.prepare_error
        self.peers.append(peer)
        self._new_peer = peer
        return peer.mock

    def make_connection(self, **arguments: Any) -> AsyncMock:
        master = Master(**arguments)
        master.ice, master.on_renewed, master.on_not_renewed = self._ice
        # A camera's peer outlives the masters that it has on its channel.
        peer = self._new_peer or self._peer_of.get(master.channel_arn, self.peers[-1])
        self._peer_of[master.channel_arn] = peer
        self._new_peer = None
        master.peer, master.on_event = peer.mock, peer.on_event
        self.by_arn[master.channel_arn] = master
        self.made.append(master)
        return master.connection

    async def _for_ever(self) -> None:
        await asyncio.get_running_loop().create_future()


@contextmanager
def patched_masters() -> Generator[Masters]:
    """Give the far sides of every shared camera to the test."""
    package = "custom_components.kinesis_webrtc"
    module = f"{package}.channel_master"
    masters = Masters()
    with (
        patch(f"{module}.IceServerCache", side_effect=masters.make_ice),
        patch(f"{package}.shared_camera.MasterPeer", side_effect=masters.make_peer),
        patch(f"{module}.SignalingConnection", side_effect=masters.make_connection),
    ):
        yield masters
