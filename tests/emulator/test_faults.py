"""Faults that tests can order."""

import asyncio
from typing import Any

from aiohttp import ClientConnectionError, WSServerHandshakeError
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
import pytest

from . import Fault, FaultKind, KvsEmulator
from .conftest import Aws, call, failure
from .faults import Faults


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "throttle"}, (400, "ClientLimitExceededException")),
        ({"kind": "expired_token"}, (403, "ExpiredTokenException")),
        ({"kind": "error"}, (500, "InternalFailureException")),
        (
            {"kind": "error", "status": 400, "code": "ThrottlingException"},
            (400, "ThrottlingException"),
        ),
    ],
)
async def test_a_call_fails_as_ordered(
    aws: Aws, emulator: KvsEmulator, fault: dict[str, Any], expected: tuple[int, str]
) -> None:
    emulator.add_fault(**fault, operation="List*", count=1)
    listing = aws.control.list_signaling_channels
    assert await failure(listing) == expected
    await call(listing)
    assert emulator.journal.errors["ListSignalingChannels", expected[1]] == 1
    assert emulator.journal.calls["ListSignalingChannels"] == 2


async def test_sts_fails_in_its_own_words(aws: Aws, emulator: KvsEmulator) -> None:
    for kind, code in (("throttle", "Throttling"), ("expired_token", "ExpiredToken")):
        emulator.add_fault(kind, "GetCallerIdentity", count=1)
        assert (await failure(aws.sts.get_caller_identity))[1] == code
    emulator.add_fault("error", "GetCallerIdentity", count=1)
    assert (await failure(aws.sts.get_caller_identity))[0] == 500


async def test_sts_knows_one_operation(aws: Aws) -> None:
    assert await failure(aws.sts.get_session_token) == (400, "InvalidAction")


async def test_a_connection_is_dropped(aws: Aws, emulator: KvsEmulator) -> None:
    emulator.add_fault(FaultKind.DROP, count=1)
    with pytest.raises(ConnectionClosedError):
        await call(aws.control.list_signaling_channels)
    await call(aws.control.list_signaling_channels)


async def test_an_answer_comes_late_or_never(aws: Aws, emulator: KvsEmulator) -> None:
    listing = aws.control.list_signaling_channels
    loop = asyncio.get_running_loop()
    emulator.add_fault("delay", delay=0.2, count=1)
    start = loop.time()
    await call(listing)
    assert loop.time() - start >= 0.2

    emulator.add_fault("hang", count=1)
    aws.config = aws.config.merge(Config(read_timeout=0.2))
    with pytest.raises(ReadTimeoutError):
        await call(aws.control.list_signaling_channels)


async def test_upgrades_fail_too(aws: Aws, arn: str, emulator: KvsEmulator) -> None:
    url = await aws.url(arn)
    for kind, status in (("error", 503), ("expired_token", 403), ("throttle", 400)):
        emulator.add_fault(kind, "ConnectAsMaster", count=1, status=503)
        with pytest.raises(WSServerHandshakeError) as caught:
            await aws.open(url)
        assert caught.value.status == status
    emulator.add_fault("drop", "ConnectAs*")
    with pytest.raises(ClientConnectionError):
        await aws.open(url)
    emulator.faults.clear()
    await aws.open(url)


async def test_a_fault_may_be_for_one_channel(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    other = emulator.create_channel("other").arn
    emulator.add_fault("throttle", "*", channel="other")
    throttled = (400, "ClientLimitExceededException")
    control, described = aws.control, aws.control.describe_signaling_channel
    await call(described, ChannelARN=arn)
    await call(control.list_signaling_channels)
    assert await failure(described, ChannelARN=other) == throttled
    assert await failure(described, ChannelName="other") == throttled
    assert await failure(control.list_tags_for_resource, ResourceARN=other) == throttled
    await aws.connect(arn)
    emulator.faults.clear()
    url = (await aws.endpoints(other))["HTTPS"]
    emulator.add_fault("throttle", "*", channel="other")
    get = aws.signaling(url).get_ice_server_config
    assert await failure(get, ChannelARN=other) == throttled


def test_faults_are_counted_from_where_they_begin() -> None:
    faults = Faults()
    faults.add(Fault(kind=FaultKind.DROP, skip=1, count=2))
    hits = [len(faults.take_for_call("Any", None)) for _ in range(5)]
    assert hits == [0, 1, 1, 0, 0]


def test_a_fault_hits_calls_or_messages() -> None:
    faults = Faults()
    swallow = faults.add(Fault(kind=FaultKind.SWALLOW, count=1))
    error = faults.add(Fault(kind=FaultKind.ERROR))
    delay = faults.add(Fault(kind=FaultKind.DELAY))
    assert faults.take_for_call("DescribeSignalingChannel", None) == [error, delay]
    assert faults.take_for_message("SDP_OFFER", "c") == [swallow, delay]
    faults.remove(delay)
    assert faults.take_for_message("SDP_OFFER", "c") == []
    faults.clear()
    assert faults.take_for_call("DescribeSignalingChannel", None) == []


def test_a_fault_that_was_used_up_with_another_hits_no_more() -> None:
    fault = Fault(kind=FaultKind.DROP, count=0)
    assert not fault.hits("Any", None)
