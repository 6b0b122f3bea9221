"""SendAlexaOfferToMaster and GetIceServerConfig."""

import asyncio
import base64
from pathlib import Path
import time
from typing import Any

import aioice
import pytest

from tests import system
from tests.helpers.servers import run_coturn

from . import KvsEmulator, TurnConfig, uris_of_host
from .conftest import Aws, call, encoded, failure
from .models import operations_by_path, output_problems

OFFER = {"SenderClientId": "echo", "MessagePayload": encoded("offer")}


async def stored(emulator: KvsEmulator, count: int = 1) -> None:
    """Wait until so many messages were put aside."""
    await emulator.wait_for(
        lambda: [m.outcome for m in emulator.journal.messages].count("stored") == count
    )


async def test_an_offer_is_answered_by_the_master(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    answer = asyncio.create_task(aws.offer(arn, "Echo-1", encoded("v=0 bare")))
    assert await master.receive() == {
        "messageType": "SDP_OFFER",
        "messagePayload": encoded("v=0 bare"),
        "senderClientId": "Echo-1",
    }
    for recipient, text in (("echo-1", "of another"), ("Echo-1", "right")):
        await master.send(
            action="SDP_ANSWER",
            recipientClientId=recipient,
            messagePayload=encoded(text),
        )
    assert await answer == encoded("right")


async def test_candidates_do_not_reach_alexa(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    answer = asyncio.create_task(aws.offer(arn))
    await master.receive()
    for action in ("ICE_CANDIDATE", "SDP_ANSWER"):
        await master.send(
            action=action, recipientClientId="echo", messagePayload=encoded(action)
        )
    assert await answer == encoded("SDP_ANSWER")


async def test_offers_of_two_devices_are_answered_apart(aws: Aws, arn: str) -> None:
    master = await aws.connect(arn)
    answers = [asyncio.create_task(aws.offer(arn, sender)) for sender in ("a", "b")]
    for _ in answers:
        sender = (await master.receive())["senderClientId"]
        await master.send(
            action="SDP_ANSWER",
            recipientClientId=sender,
            messagePayload=encoded(f"for {sender}"),
        )
    assert await asyncio.gather(*answers) == [encoded("for a"), encoded("for b")]


async def test_an_offer_waits_for_a_master(aws: Aws, arn: str) -> None:
    answer = asyncio.create_task(aws.offer(arn))
    await stored(aws.emulator)
    master = await aws.connect(arn)
    await master.receive()
    await master.send(
        action="SDP_ANSWER", recipientClientId="echo", messagePayload=encoded("late")
    )
    assert await answer == encoded("late")


async def test_a_newer_offer_replaces_the_one_that_waits(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.limits.message_ttl_scale = 0.1
    arn = emulator.create_channel("short", message_ttl=10).arn
    first = asyncio.create_task(aws.offer(arn, payload=encoded("first")))
    await stored(emulator)
    second = asyncio.create_task(aws.offer(arn, payload=encoded("second")))
    await stored(emulator, 2)
    master = await aws.connect(arn)
    assert (await master.receive())["messagePayload"] == encoded("second")
    await master.send(
        action="SDP_ANSWER", recipientClientId="echo", messagePayload=encoded("yes")
    )
    assert await second == encoded("yes")
    assert await first is None


async def test_the_newest_of_two_delivered_offers_gets_the_answer(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.limits.message_ttl_scale = 0.1
    arn = emulator.create_channel("short", message_ttl=10).arn
    master = await aws.connect(arn)
    first = asyncio.create_task(aws.offer(arn, payload=encoded("first")))
    await master.receive()
    second = asyncio.create_task(aws.offer(arn, payload=encoded("second")))
    await master.receive()
    await master.send(
        action="SDP_ANSWER", recipientClientId="echo", messagePayload=encoded("yes")
    )
    assert await second == encoded("yes")
    assert await first is None


@pytest.mark.parametrize("connected", [True, False])
async def test_without_an_answer_the_call_ends_with_the_ttl(
    aws: Aws, emulator: KvsEmulator, connected: bool
) -> None:
    emulator.limits.message_ttl_scale = 0.02
    arn = emulator.create_channel("short", message_ttl=10).arn
    if connected:
        await aws.connect(arn)
    assert await aws.offer(arn) is None
    emulator.behaviour.alexa_unanswered = "error"
    url = (await aws.endpoints(arn))["HTTPS"]
    send = aws.signaling(url).send_alexa_offer_to_master
    start = time.monotonic()
    assert await failure(send, ChannelARN=arn, **OFFER) == (
        400,
        "InvalidArgumentException",
    )
    assert time.monotonic() - start >= 0.19


async def test_an_answer_after_the_end_goes_nowhere(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.limits.message_ttl_scale = 0.02
    arn = emulator.create_channel("short", message_ttl=5).arn
    master = await aws.connect(arn)
    assert await aws.offer(arn) is None
    await master.send(
        action="SDP_ANSWER", recipientClientId="echo", messagePayload=encoded()
    )
    await stored(emulator)


@pytest.mark.parametrize(
    "change",
    [
        {"SenderClientId": None},
        {"SenderClientId": ""},
        {"SenderClientId": "with space"},
        {"SenderClientId": "a" * 257},
        {"MessagePayload": None},
        {"MessagePayload": ""},
        {"MessagePayload": "A" * 10_001},
        {"MessagePayload": "not_base64"},
        {"ChannelARN": None},
        {"ChannelARN": "front-door"},
    ],
)
async def test_a_bad_offer_is_refused(
    aws: Aws, arn: str, change: dict[str, Any]
) -> None:
    url = (await aws.endpoints(arn))["HTTPS"]
    send = aws.signaling(url).send_alexa_offer_to_master
    params = {"ChannelARN": arn} | OFFER | change
    assert await failure(send, **params) == (400, "InvalidArgumentException")


async def test_an_offer_needs_the_viewers_endpoint(aws: Aws, arn: str) -> None:
    url = (await aws.endpoints(arn, "MASTER"))["HTTPS"]
    send = aws.signaling(url).send_alexa_offer_to_master
    assert await failure(send, ChannelARN=arn, **OFFER) == (
        400,
        "InvalidArgumentException",
    )


async def test_an_endpoint_serves_its_own_channel_only(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    url = (await aws.endpoints(arn))["HTTPS"]
    get = aws.signaling(url).get_ice_server_config
    other = emulator.create_channel("other").arn
    assert (await failure(get, ChannelARN=other))[0] == 400
    emulator.delete_channel(arn)
    assert await failure(get, ChannelARN=arn) == (404, "ResourceNotFoundException")


@pytest.mark.parametrize(
    "operation", ["get_ice_server_config", "send_alexa_offer_to_master"]
)
async def test_a_channel_has_a_quota_of_calls(aws: Aws, operation: str) -> None:
    async with KvsEmulator() as strict:
        strict.limits.message_ttl_scale = 0.001
        client = Aws(strict, aws.session)
        arn = strict.create_channel("busy").arn
        url = (await client.endpoints(arn))["HTTPS"]
        called = getattr(client.signaling(url), operation)
        params = {"ChannelARN": arn} | (OFFER if "alexa" in operation else {})
        for _ in range(5):
            await call(called, **params)
        assert await failure(called, **params) == (
            400,
            "ClientLimitExceededException",
        )


async def test_ice_servers_look_like_the_real_ones(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    hosts = ["192.0.2.1:443", "192.0.2.2:443"]
    uris = [uri for host in hosts for uri in uris_of_host(host)]
    emulator.state.turn = TurnConfig.of_uris(uris, secret="coturn's")
    url = (await aws.endpoints(arn, "MASTER"))["HTTPS"]
    answer = await call(
        aws.signaling(url).get_ice_server_config,
        ChannelARN=arn,
        ClientId="MASTER",
        Service="TURN",
        Username="somebody",
    )
    servers = answer["IceServerList"]
    assert [server["Uris"] for server in servers] == [
        uris_of_host(host) for host in hosts
    ]
    for server in servers:
        expiry, _, subject = server["Username"].partition(":")
        assert int(expiry) - time.time() == pytest.approx(300, abs=3)
        assert base64.b64decode(subject).decode() == f"v1:{arn}"
        assert base64.b64decode(server["Password"])
        assert server["Ttl"] == 300
    del answer["ResponseMetadata"]
    operation = operations_by_path("kinesis-video-signaling")[
        "/v1/get-ice-server-config"
    ]
    assert output_problems(operation, answer) == []


async def test_without_turn_servers_the_answer_is_plausible_all_the_same(
    aws: Aws, arn: str
) -> None:
    url = (await aws.endpoints(arn))["HTTPS"]
    answer = await call(aws.signaling(url).get_ice_server_config, ChannelARN=arn)
    assert [len(server["Uris"]) for server in answer["IceServerList"]] == [3, 3]


@pytest.mark.parametrize(
    "params",
    [
        {"ClientId": "with space"},
        {"ClientId": ""},
        {"Service": "STUN"},
        {"Username": ""},
        {"ChannelARN": None},
    ],
)
async def test_a_bad_request_for_ice_servers_is_refused(
    aws: Aws, arn: str, params: dict[str, Any]
) -> None:
    url = (await aws.endpoints(arn))["HTTPS"]
    get = aws.signaling(url).get_ice_server_config
    assert await failure(get, **{"ChannelARN": arn} | params) == (
        400,
        "InvalidArgumentException",
    )


async def test_clients_may_be_invalid_or_their_session_over(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    url = (await aws.endpoints(arn))["HTTPS"]
    get = aws.signaling(url).get_ice_server_config
    assert await failure(get, ChannelARN=arn, ClientId="AWS_x") == (
        400,
        "InvalidClientException",
    )
    await aws.connect(arn, "viewer")
    await call(get, ChannelARN=arn, ClientId="viewer")
    emulator.limits.session_lifetime = 0
    assert await failure(get, ChannelARN=arn, ClientId="viewer") == (
        400,
        "SessionExpiredException",
    )


async def allocate(server: dict[str, Any]) -> None:
    """Make an allocation as a peer would; raise what the server says."""
    uri = server["Uris"][0].removeprefix("turn:").partition("?")[0]
    host, _, port = uri.partition(":")
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=(host, int(port)),
        username=server["Username"],
        password=server["Password"],
    )
    transport.close()


async def test_a_real_coturn_takes_the_credentials(
    aws: Aws, arn: str, emulator: KvsEmulator, tmp_path: Path
) -> None:
    program = system.program("turnserver")
    options = ("--use-auth-secret", "--static-auth-secret=shared")
    url = (await aws.endpoints(arn))["HTTPS"]
    get = aws.signaling(url).get_ice_server_config
    async with run_coturn(program, tmp_path, *options) as coturn:
        uris = coturn.turn().urls
        emulator.state.turn = TurnConfig.of_uris(uris, secret="shared")
        answer = await call(get, ChannelARN=arn)
        await allocate(answer["IceServerList"][0])

        for wrong in (
            TurnConfig.of_uris(uris, secret="other"),
            TurnConfig.of_uris(uris, secret="shared", ttl=-10),
        ):
            emulator.state.turn = wrong
            answer = await call(get, ChannelARN=arn)
            with pytest.raises(aioice.stun.TransactionError, match=r"401|Unauthor"):
                await allocate(answer["IceServerList"][0])
