import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ClientLimitExceededError,
    Credentials,
    InvalidArgumentError,
    InvalidClientError,
    ResourceInUseError,
    ResourceNotFoundError,
    Role,
    SdpOffer,
    ServiceError,
    SessionExpiredError,
    SignalingClient,
    VersionMismatchError,
    decode_payload,
    encode_payload,
)
from custom_components.kinesis_webrtc.signaling.api import AwsApi
from tests.emulator import Channel, KvsEmulator, TurnConfig

from .conftest import MakeClient
from .recorder import Connections

SDP = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n"
MISSING = "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/missing/1234567890123"


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
    ],
)
def test_stun_server_is_that_of_region_and_partition(
    region: str, partition: str, suffix: str
) -> None:
    async def execute(target: Any) -> Any:
        raise AssertionError("no call is needed")

    client = SignalingClient(
        region=region,
        credentials=Credentials(access_key_id="a", secret_access_key="s"),
        execute=execute,
    )

    assert client.partition == partition
    assert client.dns_suffix == suffix
    assert client.stun_url == f"stun:stun.kinesisvideo.{region}.{suffix}:443"


async def test_account_is_the_callers(client: SignalingClient) -> None:
    assert await client.get_caller_account() == "123456789012"


async def test_channels_are_listed_from_all_pages(
    client: SignalingClient, emulator: KvsEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        emulator.create_channel(f"ha-{number}")
    emulator.create_channel("other")
    original = client._api.call

    async def in_small_pages(
        service: str, operation: str, params: Mapping[str, Any], **options: Any
    ) -> Mapping[str, Any]:
        return await original(
            service, operation, {**params, "MaxResults": 3}, **options
        )

    monkeypatch.setattr(client._api, "call", in_small_pages)

    channels = await client.list_channels()
    ours = await client.list_channels(name_prefix="ha-")

    assert [channel.name for channel in ours] == [f"ha-{n}" for n in range(7)]
    assert {channel.name for channel in channels} == {"other", *(c.name for c in ours)}
    assert emulator.journal.calls["ListSignalingChannels"] == 6


async def test_channel_is_described_by_arn_and_by_name(
    client: SignalingClient, channel: Channel
) -> None:
    described = await client.describe_channel(arn=channel.arn)

    assert described == await client.describe_channel(name="camera")
    assert described.name == "camera"
    assert described.arn == channel.arn
    assert described.status == "ACTIVE"
    assert described.message_ttl == 60
    assert described.type == "SINGLE_MASTER"


async def test_missing_channel_is_told(client: SignalingClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        await client.describe_channel(arn=MISSING)


async def test_channel_is_created_and_active(
    client: SignalingClient, emulator: KvsEmulator
) -> None:
    channel = await client.create_channel(
        name="ha-front", message_ttl=5, tags={"made-by": "us"}
    )

    assert channel.status == "ACTIVE"
    assert channel.message_ttl == 5
    assert await client.get_tags(channel.arn) == {"made-by": "us"}
    assert emulator.journal.calls["DescribeSignalingChannel"] > 1


async def test_channel_is_created_without_tags(client: SignalingClient) -> None:
    channel = await client.create_channel(name="plain", message_ttl=60, tags={})

    assert await client.get_tags(channel.arn) == {}


async def test_channel_that_never_becomes_active_is_told(
    make_client: MakeClient, emulator: KvsEmulator
) -> None:
    emulator.behaviour.create_delay = 60
    client = make_client(active_timeout=0.1)

    with pytest.raises(ServiceError) as caught:
        await client.create_channel(name="slow", message_ttl=60, tags={})

    assert caught.value.code == "NotActive"


async def test_taken_name_is_told(client: SignalingClient, channel: Channel) -> None:
    with pytest.raises(ResourceInUseError):
        await client.create_channel(name=channel.name, message_ttl=60, tags={})

    assert (await client.describe_channel(name=channel.name)).arn == channel.arn


async def test_message_ttl_is_changed(
    client: SignalingClient, channel: Channel
) -> None:
    described = await client.describe_channel(arn=channel.arn)

    changed = await client.update_message_ttl(described, 10)

    assert changed.message_ttl == 10
    assert changed.status == "ACTIVE"
    with pytest.raises(VersionMismatchError):
        await client.update_message_ttl(described, 20)


async def test_channel_is_deleted(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    await client.delete_channel(channel.arn)
    await client.delete_channel(channel.arn)
    await client.delete_channel(MISSING)

    assert emulator.journal.errors.total() > 0


async def test_deleting_waits_for_a_change_to_end(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.add_fault(
        "error",
        "DeleteSignalingChannel",
        count=3,
        status=400,
        code="ResourceInUseException",
    )

    await client.delete_channel(channel.arn)

    assert emulator.journal.calls["DeleteSignalingChannel"] == 4


async def test_deleting_gives_up_at_last(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.limits.without_rates()
    emulator.add_fault(
        "error", "DeleteSignalingChannel", status=400, code="ResourceInUseException"
    )

    with pytest.raises(ResourceInUseError):
        await client.delete_channel(channel.arn)


async def test_tags_are_added_and_read_from_all_pages(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.limits.tags_page = 2
    tags = {f"key-{number}": f"value {number}" for number in range(5)}

    await client.tag_channel(channel.arn, tags)

    assert await client.get_tags(channel.arn) == tags


async def test_media_storage_is_told(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    assert not await client.is_media_storage_enabled(channel.arn)

    channel.storage_stream = emulator.add_stream("stream")

    assert await client.is_media_storage_enabled(channel.arn)


async def test_ice_servers_pass_unchanged(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.turn.uris = [["turn:a:443?transport=udp", "turns:a:443?transport=tcp"]]
    emulator.turn.ttl = 297

    config = await client.get_ice_server_config(
        channel.arn, client_id="me", username="name"
    )

    (server,) = config.servers
    assert server.urls == ("turn:a:443?transport=udp", "turns:a:443?transport=tcp")
    assert server.username
    assert ":" in server.username
    assert server.credential
    assert server.credential.endswith("=")
    assert config.ttl == 297
    operation, params = emulator.journal.requests[-1]
    assert operation == "GetIceServerConfig"
    assert params == {
        "ChannelARN": channel.arn,
        "ClientId": "me",
        "Service": "TURN",
        "Username": "name",
    }


async def test_shortest_ttl_counts(
    client: SignalingClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def servers(self: TurnConfig, arn: str) -> list[dict[str, Any]]:
        return [
            {"Uris": ["turn:a"], "Username": "u", "Password": "p", "Ttl": ttl}
            for ttl in (300, 120, 299)
        ]

    monkeypatch.setattr(TurnConfig, "servers", servers)

    assert (await client.get_ice_server_config(channel.arn)).ttl == 120


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("InvalidClientException", InvalidClientError),
        ("SessionExpiredException", SessionExpiredError),
        ("ClientLimitExceededException", ClientLimitExceededError),
        ("InvalidArgumentException", InvalidArgumentError),
    ],
)
async def test_ice_servers_are_asked_for_once_only(
    code: str,
    error: type[Exception],
    client: SignalingClient,
    channel: Channel,
    emulator: KvsEmulator,
) -> None:
    emulator.add_fault("error", "GetIceServerConfig", status=400, code=code)

    with pytest.raises(error):
        await client.get_ice_server_config(channel.arn)

    assert emulator.journal.calls["GetIceServerConfig"] == 1


async def test_unreachable_endpoint_is_asked_for_anew(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    await client.get_ice_server_config(channel.arn)
    emulator.add_fault("drop", "GetIceServerConfig", count=1)

    with pytest.raises(CannotConnectError):
        await client.get_ice_server_config(channel.arn)
    await client.get_ice_server_config(channel.arn)

    assert emulator.journal.calls["GetSignalingChannelEndpoint"] == 2


async def test_alexa_offer_is_answered_by_the_master(
    client: SignalingClient, channel: Channel, connections: Connections
) -> None:
    master = await connections.master()
    call = asyncio.create_task(
        client.send_alexa_offer(
            channel.arn,
            sender_client_id="Alexa-1",
            message_payload=encode_payload({"type": "offer", "sdp": SDP}),
        )
    )
    (offer,) = await master.wait_messages()
    assert isinstance(offer, SdpOffer)
    assert offer.sender_client_id == "Alexa-1"
    await master.connection.send(offer.answer(SDP))

    answer = await call

    assert answer is not None
    assert decode_payload(answer) == {"type": "answer", "sdp": SDP}


async def test_alexa_offer_that_nobody_answers_has_no_answer(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.limits.message_ttl_scale = 0.002

    answer = await client.send_alexa_offer(
        channel.arn, sender_client_id="a", message_payload=encode_payload(SDP)
    )

    assert answer is None


async def test_an_answer_that_is_no_text_cannot_be_read(
    client: SignalingClient, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.get_endpoints(channel.arn, Role.VIEWER)
    monkeypatch.setattr(AwsApi, "_call", lambda *_: {"Answer": 5})

    with pytest.raises(ServiceError):
        await client.send_alexa_offer(
            channel.arn, sender_client_id="a", message_payload=encode_payload(SDP)
        )


async def test_alexa_offer_is_never_sent_twice(
    client: SignalingClient, channel: Channel, emulator: KvsEmulator
) -> None:
    emulator.add_fault("throttle", "SendAlexaOfferToMaster", count=1)
    emulator.add_fault("error", "SendAlexaOfferToMaster", skip=1, count=1)

    for error in (ClientLimitExceededError, ServiceError):
        with pytest.raises(error):
            await client.send_alexa_offer(
                channel.arn, sender_client_id="a", message_payload=encode_payload(SDP)
            )

    assert emulator.journal.calls["SendAlexaOfferToMaster"] == 2


async def test_presigned_url_opens_a_websocket_of_the_role(
    client: SignalingClient, channel: Channel
) -> None:
    endpoints = await client.get_endpoints(channel.arn, Role.VIEWER)

    url = await client.presigned_url(channel.arn, Role.VIEWER, client_id="v")

    assert url.startswith(f"{endpoints.wss}/?X-Amz-ChannelARN=arn%3Aaws%3A")
    assert "X-Amz-ClientId=v&" in url
