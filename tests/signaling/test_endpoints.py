import asyncio

import pytest

from custom_components.kinesis_webrtc.signaling import (
    ResourceNotFoundError,
    Role,
    ServiceError,
    SignalingClient,
)
from tests.emulator import Channel, KvsEmulator

OPERATION = "GetSignalingChannelEndpoint"


async def test_endpoints_are_those_of_the_role(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    master = await client.get_endpoints(channel.arn, Role.MASTER)
    viewer = await client.get_endpoints(channel.arn, Role.VIEWER)

    assert master.wss.startswith("ws://")
    assert master.https.startswith("http://")
    assert len({master.wss, master.https, viewer.wss, viewer.https}) == 4
    asked = [params for name, params in emulator.journal.requests if name == OPERATION]
    assert [
        params["SingleMasterChannelEndpointConfiguration"]["Role"] for params in asked
    ] == ["MASTER", "VIEWER"]


async def test_endpoints_are_asked_for_once_by_many(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    found = await asyncio.gather(
        *(client.get_endpoints(channel.arn, Role.MASTER) for _ in range(10))
    )

    assert len(set(found)) == 1
    assert emulator.journal.calls[OPERATION] == 1


async def test_forgotten_endpoints_are_asked_for_again(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    await client.get_ice_server_config(channel.arn)
    client.forget_endpoints(channel.arn)
    await client.get_ice_server_config(channel.arn)

    assert emulator.journal.calls[OPERATION] == 2


async def test_doubted_endpoints_are_kept_while_nothing_is_reached(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    known = await client.get_endpoints(channel.arn, Role.MASTER)
    client.doubt_endpoints(channel.arn)
    emulator.add_fault("drop", OPERATION)

    assert await client.get_endpoints(channel.arn, Role.MASTER) is known
    asked = emulator.journal.calls[OPERATION]
    assert asked > 1
    # They have been asked for; the doubt is settled for now.
    assert await client.get_endpoints(channel.arn, Role.MASTER) is known
    assert emulator.journal.calls[OPERATION] == asked


async def test_doubted_endpoints_are_asked_for_again(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    known = await client.get_endpoints(channel.arn, Role.MASTER)
    client.doubt_endpoints(channel.arn)

    assert await client.get_endpoints(channel.arn, Role.MASTER) == known
    assert emulator.journal.calls[OPERATION] == 2


async def test_channels_do_not_share_endpoints(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    other = emulator.create_channel("other")
    one = await client.get_endpoints(channel.arn, Role.MASTER)
    client.forget_endpoints(other.arn)

    assert await client.get_endpoints(other.arn, Role.MASTER) != one
    assert emulator.journal.calls[OPERATION] == 2
    await client.get_endpoints(channel.arn, Role.MASTER)
    assert emulator.journal.calls[OPERATION] == 2


async def test_failure_is_not_remembered(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.add_fault(
        "error", OPERATION, count=1, status=404, code="ResourceNotFoundException"
    )

    with pytest.raises(ResourceNotFoundError):
        await client.get_endpoints(channel.arn, Role.MASTER)
    assert await client.get_endpoints(channel.arn, Role.MASTER)


async def test_missing_endpoint_is_told(
    client: SignalingClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(*_: object, **__: object) -> dict[str, object]:
        return {"ResourceEndpointList": [{"Protocol": "WSS", "ResourceEndpoint": "w"}]}

    monkeypatch.setattr(client._api, "call", call)

    with pytest.raises(ServiceError):
        await client.get_endpoints(channel.arn, Role.MASTER)
