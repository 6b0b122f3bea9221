"""The service as a whole."""

import asyncio
from pathlib import Path
import ssl

import aiohttp
from aiohttp import WSMsgType
import boto3
import pytest

from . import DEFAULT_USER, Behaviour, KvsEmulator, Limits
from .conftest import Aws, call, encoded, server_context


async def test_the_environment_leads_boto3_to_it(
    emulator: KvsEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("AWS_ENDPOINT_URL", emulator.url),
        ("AWS_DEFAULT_REGION", emulator.region),
        ("AWS_ACCESS_KEY_ID", DEFAULT_USER.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", DEFAULT_USER.secret_access_key),
    ):
        monkeypatch.setenv(name, value)
    identity = await call(boto3.client("sts").get_caller_identity)
    assert identity["Account"] == emulator.account
    assert identity["Arn"] == "arn:aws:iam::123456789012:user/tester"
    assert identity["UserId"].startswith("AIDA")
    control = boto3.client("kinesisvideo")
    created = await call(control.create_signaling_channel, ChannelName="by-environment")
    assert emulator.channel("by-environment").arn == created["ChannelARN"]


async def test_everything_works_over_tls(certificate: Path, trust: None) -> None:
    connector = aiohttp.TCPConnector(
        ssl=ssl.create_default_context(cafile=str(certificate))
    )
    async with (
        KvsEmulator(
            ssl_context=server_context(certificate),
            limits=Limits().without_rates(),
            behaviour=Behaviour(frame_size=500),
        ) as emulator,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        aws = Aws(emulator, session)
        arn = emulator.create_channel("secure").arn
        endpoints = await aws.endpoints(arn)
        assert endpoints["WSS"].startswith("wss://127.0.0.1:")
        assert endpoints["HTTPS"].startswith("https://127.0.0.1:")
        master = await aws.connect(arn)
        payload = encoded("x" * 5000)
        offer = asyncio.create_task(aws.offer(arn, payload=payload))
        assert (await master.receive())["messagePayload"] == payload
        await master.send(
            action="SDP_ANSWER", recipientClientId="echo", messagePayload=encoded("a")
        )
        assert await offer == encoded("a")

        (await emulator.wait_for_master(arn)).make_half_open()
        pinging = await aws.session.ws_connect(
            await aws.url(arn, "viewer"), autoping=False
        )
        await emulator.wait_for(lambda: emulator.viewers(arn))
        emulator.viewers(arn)["viewer"].make_half_open()
        await pinging.ping()
        with pytest.raises(TimeoutError):
            await pinging.receive(timeout=0.2)
        emulator.viewers(arn)["viewer"].cut()
        assert (await pinging.receive(timeout=2)).type in {
            WSMsgType.CLOSED,
            WSMsgType.ERROR,
        }


async def test_a_wait_that_is_in_vain_ends(emulator: KvsEmulator, arn: str) -> None:
    with pytest.raises(TimeoutError):
        await emulator.wait_for_master(arn, timeout=0.05)
