import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
import json
import logging

import aiohttp
from aiohttp import web
import pytest

from custom_components.kinesis_webrtc.signaling import (
    GoAway,
    IceCandidate,
    Message,
    Notice,
    SdpOffer,
)
from custom_components.kinesis_webrtc.signaling.websocket import Websocket

type Serve = Callable[[web.WebSocketResponse], Awaitable[None]]

SDP = "v=0\r\n"


class Peer:
    """A server of one websocket, and our end of it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._runner: web.AppRunner | None = None
        self.messages: list[Message] = []
        self.closed: list[Websocket] = []
        self.url = ""
        self.target = ""

    async def serve(self, serve: Serve, **options: bool) -> None:
        async def handle(request: web.Request) -> web.WebSocketResponse:
            self.target = request.raw_path
            socket = web.WebSocketResponse(**options)  # type: ignore[arg-type]
            await socket.prepare(request)
            await serve(socket)
            return socket

        app = web.Application()
        app.router.add_get("/", handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"ws://127.0.0.1:{port}/?a=%3A%2F%2B"

    async def connect(self, heartbeat: float = 10) -> Websocket:
        return await Websocket.connect(
            self._session,
            self.url,
            reach=3,
            heartbeat=heartbeat,
            on_message=self.messages.append,
            on_closed=self.closed.append,
        )

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@pytest.fixture
async def peer(session: aiohttp.ClientSession) -> AsyncIterator[Peer]:
    server = Peer(session)
    yield server
    await server.stop()


def offer(text: str = SDP) -> str:
    payload = base64.b64encode(text.encode()).decode()
    return json.dumps({"messageType": "SDP_OFFER", "messagePayload": payload})


async def until_closed(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def test_query_arrives_as_it_was_signed(peer: Peer) -> None:
    await peer.serve(until_closed)

    websocket = await peer.connect()
    await websocket.close()

    assert peer.target == "/?a=%3A%2F%2B"


async def test_odd_frames_are_ignored_and_the_socket_stays(peer: Peer) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        for text in ("", "{", "[]", '{"messageType": "NEW"}'):
            await socket.send_str(text)
        await socket.send_bytes(b"\x00\xff")
        await socket.send_str(offer())

    await peer.serve(serve)
    websocket = await peer.connect()
    await websocket.wait_closed()

    assert peer.messages == [SdpOffer(sdp=SDP, bare=True)]


async def test_large_messages_are_taken(peer: Peer) -> None:
    text = SDP + "a" * 50_000

    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str(offer(text))

    await peer.serve(serve)
    websocket = await peer.connect()
    await websocket.wait_closed()

    assert peer.messages == [SdpOffer(sdp=text, bare=True)]


async def test_failing_handler_does_not_end_the_reading(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str(offer())
        await socket.send_str(offer())

    seen: list[Message] = []

    def fail(message: Message) -> None:
        seen.append(message)
        raise RuntimeError("handler")

    await peer.serve(serve)
    websocket = await Websocket.connect(
        peer._session,
        peer.url,
        reach=3,
        heartbeat=10,
        on_message=fail,
        on_closed=lambda _: None,
    )
    await websocket.wait_closed()

    assert len(seen) == 2
    assert "A handler of SdpOffer failed" in caplog.text


async def test_go_away_announces_the_end(peer: Peer) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"messageType": "GO_AWAY"}')
        await until_closed(socket)

    await peer.serve(serve)
    websocket = await peer.connect()
    async with asyncio.timeout(5):
        await websocket.wait_ending()

    assert peer.messages == [GoAway()]
    assert not peer.closed
    await websocket.close()
    assert peer.closed == [websocket]


async def test_close_is_noticed_with_its_code(peer: Peer) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1001)

    await peer.serve(serve)
    websocket = await peer.connect()
    async with asyncio.timeout(5):
        await websocket.wait_ending()

    assert peer.closed == [websocket]
    assert websocket.close_code == 1001


async def test_silent_peer_is_noticed(peer: Peer) -> None:
    release = asyncio.Event()

    async def serve(socket: web.WebSocketResponse) -> None:
        await release.wait()

    await peer.serve(serve, autoping=False)
    websocket = await peer.connect(heartbeat=0.2)
    async with asyncio.timeout(5):
        await websocket.wait_ending()
    release.set()

    assert peer.closed == [websocket]


async def test_pings_keep_a_quiet_socket_open(peer: Peer) -> None:
    pings = 0
    enough = asyncio.Event()

    async def serve(socket: web.WebSocketResponse) -> None:
        nonlocal pings
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
                pings += 1
                if pings == 3:
                    enough.set()

    await peer.serve(serve, autoping=False)
    websocket = await peer.connect(heartbeat=0.1)
    async with asyncio.timeout(5):
        await enough.wait()

    assert not peer.closed
    await websocket.close()


async def test_sending_on_a_closed_or_retired_socket_fails(peer: Peer) -> None:
    await peer.serve(until_closed)
    closed, retired = await peer.connect(), await peer.connect()
    await closed.close()
    retired.retire()

    for websocket in (closed, retired):
        with pytest.raises(ConnectionError):
            await websocket.send(Notice(content={}), "{}", correlation_id="c")
    await retired.close()


async def test_status_response_is_told_with_what_it_refuses(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        frame = await socket.receive_json()
        for correlation_id in (frame["correlationId"], "unknown"):
            status = {
                "correlationId": correlation_id,
                "errorType": "InvalidArgumentException",
                "statusCode": "400",
                "description": "VerySecret",
            }
            await socket.send_json(
                {"messageType": "STATUS_RESPONSE", "statusResponse": status}
            )

    await peer.serve(serve)
    websocket = await peer.connect()
    with caplog.at_level(logging.WARNING):
        await websocket.send(
            IceCandidate(candidate=""), '{"correlationId": "c-1"}', correlation_id="c-1"
        )
        await websocket.wait_closed()

    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "The service did not deliver IceCandidate: InvalidArgumentException (400)",
        "The service did not deliver a message: InvalidArgumentException (400)",
    ]


async def test_only_the_latest_sends_are_remembered(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.kinesis_webrtc.signaling.websocket._KNOWN_SENDS", 2
    )
    await peer.serve(until_closed)
    websocket = await peer.connect()

    for number in range(4):
        await websocket.send(
            IceCandidate(candidate=""), "{}", correlation_id=f"c-{number}"
        )

    assert list(websocket._sent) == ["c-2", "c-3"]
    await websocket.close()
