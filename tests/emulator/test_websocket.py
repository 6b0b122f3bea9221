"""Connections: who gets one, who keeps it, how it ends."""

import asyncio
from email.utils import parsedate_to_datetime
import time

import aiohttp
from botocore.exceptions import EndpointConnectionError
import pytest
from yarl import URL

from . import KvsEmulator, Limits
from .conftest import Aws, call, encoded


async def test_a_master_and_a_viewer_exchange_messages(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    viewer = await aws.connect(arn, "viewer-1")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded("offer"))
    assert await master.receive() == {
        "messagePayload": encoded("offer"),
        "messageType": "SDP_OFFER",
        "senderClientId": "viewer-1",
    }
    await master.send(
        action="SDP_ANSWER",
        messagePayload=encoded("answer"),
        recipientClientId="viewer-1",
    )
    assert await viewer.receive() == {
        "messagePayload": encoded("answer"),
        "messageType": "SDP_ANSWER",
    }


async def test_a_master_may_name_itself(aws: Aws, arn: str) -> None:
    endpoint = (await aws.endpoints(arn, "MASTER"))["WSS"]
    await aws.open(aws.sign(endpoint, arn, "MASTER"))
    await aws.emulator.wait_for_master(arn)


@pytest.mark.parametrize(
    "client_id", [None, "", "with space", "a" * 257, "AWS_viewer", "aws_viewer", "ä"]
)
async def test_a_viewer_needs_a_proper_id(
    aws: Aws, arn: str, client_id: str | None
) -> None:
    endpoint = (await aws.endpoints(arn, "VIEWER"))["WSS"]
    refused = await aws.refused(aws.sign(endpoint, arn, client_id))
    assert refused[:2] == (400, "InvalidArgumentException")


async def test_the_channel_must_be_the_endpoints_own(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    endpoint = (await aws.endpoints(arn, "MASTER"))["WSS"]
    other = emulator.create_channel("other").arn
    invalid = (400, "InvalidArgumentException")
    assert (await aws.refused(aws.sign(endpoint, other)))[:2] == invalid
    assert (await aws.refused(aws.sign(endpoint, "nonsense")))[:2] == invalid
    assert (await aws.refused(aws.sign(endpoint, "")))[:2] == invalid


async def test_a_channel_that_is_gone_is_not_found(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    url = await aws.url(arn)
    connected = await aws.open(url)
    emulator.delete_channel(arn)
    assert await connected.closed() == 1001
    refused = await aws.refused(url)
    assert refused[:2] == (404, "ResourceNotFoundException")


async def test_a_plain_get_is_no_connection(aws: Aws, arn: str) -> None:
    async with aws.session.get(await aws.url(arn)) as response:
        assert response.status == 400


async def test_a_refused_upgrade_tells_the_time(aws: Aws, arn: str) -> None:
    endpoint = (await aws.endpoints(arn, "MASTER"))["WSS"]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await aws.open(URL(endpoint))
    assert caught.value.status == 403
    assert caught.value.headers
    assert "Date" in caught.value.headers


async def test_every_upgrade_tells_the_services_time(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.behaviour.clock_offset = 60
    async with aws.session.ws_connect(await aws.url(arn)) as socket:
        date = parsedate_to_datetime(socket._response.headers["Date"])
    assert date.timestamp() - time.time() == pytest.approx(60, abs=5)


async def test_a_url_works_once_if_it_is_so_switched(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    url = await aws.url(arn)
    await aws.open(url)
    await aws.open(url)
    emulator.behaviour.single_use_urls = True
    assert (await aws.refused(url))[0] == 403
    fresh = await aws.url(arn, "viewer")
    await aws.open(fresh)
    assert (await aws.refused(fresh))[0] == 403


async def test_there_are_at_most_ten_viewers(aws: Aws, arn: str) -> None:
    endpoint = (await aws.endpoints(arn))["WSS"]
    viewers = [
        await aws.open(aws.sign(endpoint, arn, f"viewer-{number}"))
        for number in range(10)
    ]
    refused = await aws.refused(aws.sign(endpoint, arn, "viewer-10"))
    assert refused[:2] == (400, "ClientLimitExceededException")
    # Who is there already may come again.
    await aws.open(aws.sign(endpoint, arn, "viewer-3"))
    await viewers[0].socket.close()
    await aws.emulator.wait_for(lambda: len(aws.emulator.viewers(arn)) < 10)
    await aws.open(aws.sign(endpoint, arn, "viewer-10"))


async def test_there_are_at_most_three_connects_in_a_second(aws: Aws) -> None:
    async with KvsEmulator() as strict:
        client = Aws(strict, aws.session)
        arn = strict.create_channel("busy").arn
        for role, client_id in (("MASTER", None), ("VIEWER", "viewer")):
            endpoint = (await client.endpoints(arn, role))["WSS"]
            for _ in range(3):
                await client.open(client.sign(endpoint, arn, client_id))
            refused = await client.refused(client.sign(endpoint, arn, client_id))
            assert refused[:2] == (400, "ClientLimitExceededException")


async def test_a_newer_viewer_replaces_the_one_with_its_id(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    old = await aws.connect(arn, "viewer")
    new = await aws.connect(arn, "viewer")
    assert await old.closed() == 1001
    await master.send(
        action="SDP_ANSWER", messagePayload=encoded(), recipientClientId="viewer"
    )
    assert (await new.receive())["messageType"] == "SDP_ANSWER"
    assert list(aws.emulator.viewers(arn)) == ["viewer"]


async def test_a_displaced_master_is_deaf(aws: Aws, arn: str) -> None:
    old, viewer = await aws.connect(arn), await aws.connect(arn, "viewer")
    new = await aws.connect(arn)
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    assert (await new.receive())["senderClientId"] == "viewer"
    await old.socket.ping(b"alive?")
    await old.send(
        action="SDP_ANSWER",
        messagePayload=encoded("late"),
        recipientClientId="viewer",
        correlationId="late-1",
    )
    status = (await old.receive())["statusResponse"]
    assert status["correlationId"] == "late-1"
    assert not old.socket.closed
    await new.send(
        action="SDP_ANSWER", messagePayload=encoded("new"), recipientClientId="viewer"
    )
    assert (await viewer.receive())["messagePayload"] == encoded("new")


async def test_a_displaced_master_may_be_closed(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.behaviour.displaced_master = "close"
    old = await aws.connect(arn)
    new = await aws.connect(arn)
    assert await old.closed() == 1001
    viewer = await aws.connect(arn, "viewer")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    await new.receive()


async def test_a_displaced_master_may_be_allowed_to_finish(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.behaviour.displaced_master_may_send = True
    old, viewer = await aws.connect(arn), await aws.connect(arn, "viewer")
    await aws.connect(arn)
    await old.send(
        action="SDP_ANSWER", messagePayload=encoded(), recipientClientId="viewer"
    )
    assert (await viewer.receive())["messageType"] == "SDP_ANSWER"


async def test_two_channels_know_nothing_of_each_other(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    other = emulator.create_channel("other").arn
    first, second = await aws.connect(arn), await aws.connect(other)
    viewer = await aws.connect(other, "viewer")
    await viewer.send(action="SDP_OFFER", messagePayload=encoded())
    assert (await second.receive())["senderClientId"] == "viewer"
    assert emulator.master(arn)
    with pytest.raises(TimeoutError):
        await first.socket.receive(timeout=0.05)


async def test_an_outage_cuts_and_refuses_until_it_ends(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    url = await aws.url(arn)
    socket = await aws.open(url)
    await emulator.wait_for_master(arn)
    describe = aws.control.describe_signaling_channel
    await call(describe, ChannelARN=arn)
    await emulator.go_offline()
    assert await socket.closed() == 1006
    # The connection that boto3 keeps is gone too.
    with pytest.raises(EndpointConnectionError):
        await call(describe, ChannelARN=arn)
    with pytest.raises(aiohttp.ClientConnectionError):
        await aws.open(url)
    await emulator.go_online()
    await aws.open(url)
    await call(describe, ChannelARN=arn)


async def test_stopping_ends_everything(aws: Aws) -> None:
    service = KvsEmulator(limits=Limits().without_rates())
    await service.start()
    client = Aws(service, aws.session)
    arn = service.create_channel("ends").arn
    socket = await client.connect(arn)
    offer = asyncio.create_task(client.offer(arn))
    await socket.receive()
    await service.stop()
    assert await socket.closed() == 1006
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        await offer
