"""One connection: its frames, its clocks and its ends."""

import asyncio

from aiohttp import WSMsgType
import pytest

from . import KvsEmulator
from .conftest import Aws, encoded


async def test_an_idle_connection_is_closed(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.limits.idle_timeout = 0.2
    silent = await aws.connect(arn)
    assert await silent.closed() == 1001


async def test_pings_and_pongs_keep_a_connection(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.limits.idle_timeout = 0.4
    socket = (await aws.connect(arn)).socket
    loop = asyncio.get_running_loop()
    end = loop.time() + 0.8
    while loop.time() < end:
        await socket.pong() if loop.time() < end - 0.4 else await socket.ping()
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.1)
    assert emulator.master(arn)

    emulator.behaviour.pings_keep_alive = False
    await socket.ping()
    message = await socket.receive(timeout=2)
    assert message.type is WSMsgType.CLOSE


async def test_a_connection_lasts_an_hour_at_most(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.limits.update({"connection_duration": 0.4, "go_away_grace": 0.2})
    announced = await aws.connect(arn)
    assert await announced.receive() == {"messageType": "GO_AWAY"}
    assert await announced.closed() == 1001

    emulator.behaviour.go_away_before_close = False
    unannounced = await aws.connect(arn)
    assert await unannounced.closed() == 1001


async def test_going_away_leaves_time_to_replace_the_connection(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    old = await aws.connect(arn)
    (await emulator.wait_for_master(arn)).go_away(grace=0.3)
    assert await old.receive() == {"messageType": "GO_AWAY"}
    new = await aws.connect(arn)
    assert await old.closed() == 1001
    assert emulator.master(arn)
    assert not new.socket.closed


async def test_ice_servers_may_be_said_to_leave(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    master = await aws.connect(arn)
    (await emulator.wait_for_master(arn)).reconnect_ice_server()
    assert await master.receive() == {"messageType": "RECONNECT_ICE_SERVER"}


async def test_a_connection_may_be_cut_or_closed_with_any_code(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    cut = await aws.connect(arn)
    (await emulator.wait_for_master(arn)).cut()
    assert await cut.closed() == 1006
    await emulator.wait_for(lambda: not emulator.connections(arn))
    closed = await aws.connect(arn)
    (await emulator.wait_for_master(arn)).close(4000, "for a reason")
    assert await closed.closed() == 4000


async def test_a_client_that_does_not_finish_closing_is_cut(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    socket = await aws.connect(arn)
    connection = await emulator.wait_for_master(arn)
    connection.close()
    connection.close()
    assert emulator.master(arn) is None
    await emulator.wait_for(lambda: not emulator.connections(arn))
    await socket.closed()


async def test_a_half_open_connection_is_silent(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.limits.idle_timeout = 0.3
    url = await aws.url(arn)
    async with aws.session.ws_connect(url, autoping=False) as socket:
        connection = await emulator.wait_for_master(arn)
        await socket.ping()
        assert (await socket.receive(timeout=2)).type is WSMsgType.PONG
        connection.make_half_open()
        await socket.ping()
        connection.send_text("lost")
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.6)
        # The service has found it idle by now, and the client cannot know.
        assert emulator.master(arn) is None
        connection.cut()


async def test_raw_bytes_and_long_frames_are_possible(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    socket = (await aws.connect(arn)).socket
    connection = await emulator.wait_for_master(arn)
    for text in ("x" * 125, "y" * 126, "z" * 70_000):
        connection.send_text(text)
        assert await socket.receive_str(timeout=2) == text
    connection.send_raw(b"\x81\x05hello")
    assert await socket.receive_str(timeout=2) == "hello"
    connection.send_raw(b"\xff\xff not a frame")
    message = await socket.receive(timeout=2)
    assert message.type is WSMsgType.ERROR


async def test_messages_may_come_in_fragments(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.behaviour.frame_size = 100
    master, viewer = await aws.connect(arn), await aws.connect(arn, "viewer")
    payload = encoded("x" * 7000)
    await viewer.send(action="SDP_OFFER", messagePayload=payload)
    assert (await master.receive())["messagePayload"] == payload
