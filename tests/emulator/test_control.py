"""The control plane, called by plain boto3."""

import asyncio
from typing import Any

import aiohttp
from botocore.model import OperationModel
import pytest

from . import Behaviour, KvsEmulator, User
from .conftest import Aws, call, failure
from .models import operations_by_path, output_problems

BAD_CONFIGURATIONS: list[dict[str, Any]] = [
    {"Protocols": []},
    {"Protocols": ["WSS", "WSS"]},
    {"Protocols": ["RTSP"]},
    {"Protocols": ["WEBRTC"], "Role": "MASTER"},
    {"Protocols": ["WSS"], "Role": "OWNER"},
]
BAD_ENDPOINTS = [
    {"ChannelARN": "ARN", "SingleMasterChannelEndpointConfiguration": configuration}
    for configuration in BAD_CONFIGURATIONS
]


def tag_list(count: int) -> list[dict[str, str]]:
    return [{"Key": f"key-{number}", "Value": "value"} for number in range(count)]


async def test_a_channel_is_created_described_and_deleted(aws: Aws) -> None:
    control = aws.control
    created = await call(
        control.create_signaling_channel,
        ChannelName="ha-garden",
        ChannelType="SINGLE_MASTER",
        SingleMasterConfiguration={"MessageTtlSeconds": 7},
        Tags=[{"Key": "owner", "Value": "home"}],
    )
    arn = created["ChannelARN"]
    by_arn = await call(control.describe_signaling_channel, ChannelARN=arn)
    by_name = await call(control.describe_signaling_channel, ChannelName="ha-garden")

    info = by_arn["ChannelInfo"]
    assert info == by_name["ChannelInfo"]
    assert info["ChannelName"] == "ha-garden"
    assert info["ChannelStatus"] == "ACTIVE"
    assert info["SingleMasterConfiguration"] == {"MessageTtlSeconds": 7}
    assert arn.startswith(
        "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/ha-garden/"
    )

    await call(control.delete_signaling_channel, ChannelARN=arn)
    assert await failure(control.describe_signaling_channel, ChannelARN=arn) == (
        404,
        "ResourceNotFoundException",
    )


async def test_creating_and_deleting_take_their_time(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.behaviour.create_delay = emulator.behaviour.delete_delay = 0.2
    control = aws.control
    created = await call(control.create_signaling_channel, ChannelName="slow")
    arn = created["ChannelARN"]
    channel = emulator.channel(arn)

    assert channel.info()["ChannelStatus"] == "CREATING"
    in_use = (400, "ResourceInUseException")
    assert await failure(control.delete_signaling_channel, ChannelARN=arn) == in_use
    assert (
        await failure(control.get_signaling_channel_endpoint, ChannelARN=arn) == in_use
    )
    await emulator.wait_for(lambda: channel.status == "ACTIVE")

    await call(control.delete_signaling_channel, ChannelARN=arn)
    assert channel.info()["ChannelStatus"] == "DELETING"
    assert (await failure(control.delete_signaling_channel, ChannelARN=arn))[0] == 404


async def test_an_update_is_seen_after_a_while(aws: Aws, emulator: KvsEmulator) -> None:
    emulator.behaviour.update_delay = 0.2
    channel = emulator.create_channel("updated")
    await call(
        aws.control.update_signaling_channel,
        ChannelARN=channel.arn,
        CurrentVersion=channel.version,
        SingleMasterConfiguration={"MessageTtlSeconds": 9},
    )
    assert channel.status == "UPDATING"
    assert channel.message_ttl == 9


async def test_a_name_is_taken_once(aws: Aws, arn: str) -> None:
    assert await failure(
        aws.control.create_signaling_channel, ChannelName="front-door"
    ) == (400, "ResourceInUseException")


async def test_an_account_has_its_own_names(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    stranger = aws.as_user(
        emulator.add_user(
            User(access_key_id="AK2", secret_access_key="s", account="999999999999")
        )
    )
    await call(stranger.control.create_signaling_channel, ChannelName="front-door")

    channels = await call(stranger.control.list_signaling_channels)
    assert [item["ChannelName"] for item in channels["ChannelInfoList"]] == [
        "front-door"
    ]
    assert await failure(
        stranger.control.describe_signaling_channel, ChannelARN=arn
    ) == (401, "AccessDeniedException")


async def test_an_account_has_only_so_many_channels(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.limits.channels = 1
    await call(aws.control.create_signaling_channel, ChannelName="one")
    assert await failure(aws.control.create_signaling_channel, ChannelName="two") == (
        400,
        "AccountChannelLimitExceededException",
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ChannelName": ""},
        {"ChannelName": "a" * 257},
        {"ChannelName": "with space"},
        {"ChannelName": 5},
        {"ChannelName": "x", "ChannelType": "FULL_MESH"},
        {"ChannelName": "x", "ChannelType": "TRIANGLE"},
        {"ChannelName": "x", "SingleMasterConfiguration": {"MessageTtlSeconds": 4}},
        {"ChannelName": "x", "SingleMasterConfiguration": {"MessageTtlSeconds": 121}},
        {"ChannelName": "x", "Tags": tag_list(51)},
        {"ChannelName": "x", "Tags": [{"Key": "only a key"}]},
        {"ChannelName": "x", "Tags": [{"Key": "no#hash", "Value": ""}]},
        {"ChannelName": "x", "Tags": [{"Key": "aws:mine", "Value": ""}]},
        {"ChannelName": "x", "Tags": [*tag_list(1), *tag_list(1)]},
    ],
)
async def test_a_bad_channel_is_not_created(aws: Aws, params: dict[str, Any]) -> None:
    assert await failure(aws.control.create_signaling_channel, **params) == (
        400,
        "InvalidArgumentException",
    )
    assert aws.emulator.channels == []


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("describe_signaling_channel", {}),
        ("describe_signaling_channel", {"ChannelARN": "not an ARN"}),
        ("describe_signaling_channel", {"ChannelARN": "ARN", "ChannelName": "other"}),
        ("list_signaling_channels", {"MaxResults": 0}),
        ("list_signaling_channels", {"MaxResults": 10_001}),
        ("list_signaling_channels", {"NextToken": "AAA"}),
        ("list_signaling_channels", {"NextToken": "a" * 1025}),
        (
            "list_signaling_channels",
            {"ChannelNameCondition": {"ComparisonOperator": "ENDS_WITH"}},
        ),
        ("update_signaling_channel", {"ChannelARN": "ARN"}),
        ("update_signaling_channel", {"ChannelARN": "ARN", "CurrentVersion": "a b"}),
        ("tag_resource", {"ResourceARN": "ARN", "Tags": []}),
        ("untag_resource", {"ResourceARN": "ARN", "TagKeyList": []}),
        ("update_media_storage_configuration", {"ChannelARN": "ARN"}),
        (
            "update_media_storage_configuration",
            {"ChannelARN": "ARN", "MediaStorageConfiguration": {"Status": "ENABLED"}},
        ),
        ("describe_mapped_resource_configuration", {}),
        *(("get_signaling_channel_endpoint", item) for item in BAD_ENDPOINTS),
    ],
)
async def test_a_bad_request_is_refused(
    aws: Aws, arn: str, operation: str, params: dict[str, Any]
) -> None:
    filled = {key: arn if value == "ARN" else value for key, value in params.items()}
    assert await failure(getattr(aws.control, operation), **filled) == (
        400,
        "InvalidArgumentException",
    )


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("describe_signaling_channel", {"ChannelName": "missing"}),
        ("delete_signaling_channel", {}),
        ("update_signaling_channel", {"CurrentVersion": "1"}),
        ("get_signaling_channel_endpoint", {}),
        ("describe_media_storage_configuration", {}),
    ],
)
async def test_a_missing_channel_is_not_found(
    aws: Aws, emulator: KvsEmulator, operation: str, params: dict[str, str]
) -> None:
    missing = emulator.state.channels.new_arn(emulator.account, "missing")
    key = {} if "ChannelName" in params else {"ChannelARN": missing}
    assert await failure(getattr(aws.control, operation), **key, **params) == (
        404,
        "ResourceNotFoundException",
    )
    for tagging, more in (
        (aws.control.tag_resource, {"Tags": tag_list(1)}),
        (aws.control.untag_resource, {"TagKeyList": ["a"]}),
        (aws.control.list_tags_for_resource, {}),
    ):
        assert (await failure(tagging, ResourceARN=missing, **more))[0] == 404


async def test_lists_come_in_pages(aws: Aws, emulator: KvsEmulator) -> None:
    names = sorted(f"ha-{number}" for number in range(7))
    for name in [*names, "other"]:
        emulator.create_channel(name)

    pages = await asyncio.to_thread(
        lambda: [
            [item["ChannelName"] for item in page["ChannelInfoList"]]
            for page in aws.control.get_paginator("list_signaling_channels").paginate(
                ChannelNameCondition={
                    "ComparisonOperator": "BEGINS_WITH",
                    "ComparisonValue": "ha-",
                },
                PaginationConfig={"PageSize": 3},
            )
        ]
    )
    assert pages == [names[:3], names[3:6], names[6:]]


async def test_a_list_has_500_channels_unless_told_otherwise(
    aws: Aws, emulator: KvsEmulator
) -> None:
    for number in range(501):
        emulator.create_channel(f"c{number}")
    answer = await call(aws.control.list_signaling_channels)
    assert len(answer["ChannelInfoList"]) == 500
    assert answer["NextToken"]


async def test_the_version_is_a_lock(aws: Aws, emulator: KvsEmulator) -> None:
    channel = emulator.create_channel("locked")
    first = channel.version
    update = {"ChannelARN": channel.arn, "CurrentVersion": first}
    await call(aws.control.update_signaling_channel, **update)

    assert channel.version != first
    mismatch = (400, "VersionMismatchException")
    assert await failure(aws.control.update_signaling_channel, **update) == mismatch
    assert await failure(aws.control.delete_signaling_channel, **update) == mismatch
    await call(
        aws.control.delete_signaling_channel,
        ChannelARN=channel.arn,
        CurrentVersion=channel.version,
    )


async def test_tags_are_set_listed_in_pages_and_removed(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    emulator.limits.tags_page = 2
    control = aws.control
    assert "Tags" not in await call(control.list_tags_for_resource, ResourceARN=arn)
    await call(control.tag_resource, ResourceARN=arn, Tags=tag_list(3))
    await call(control.untag_resource, ResourceARN=arn, TagKeyList=["key-1", "none"])
    await call(
        control.tag_resource, ResourceARN=arn, Tags=[{"Key": "Ünïcode 1", "Value": ""}]
    )

    first = await call(control.list_tags_for_resource, ResourceARN=arn)
    second = await call(
        control.list_tags_for_resource, ResourceARN=arn, NextToken=first["NextToken"]
    )
    assert first["Tags"] == {"key-0": "value", "key-2": "value"}
    assert second["Tags"] == {"Ünïcode 1": ""}
    assert "NextToken" not in second


async def test_a_channel_has_only_so_many_tags(aws: Aws, arn: str) -> None:
    await call(aws.control.tag_resource, ResourceARN=arn, Tags=tag_list(50))
    assert await failure(
        aws.control.tag_resource, ResourceARN=arn, Tags=[{"Key": "x", "Value": "y"}]
    ) == (400, "TagsPerResourceExceededLimitException")


async def test_media_storage_needs_a_stream_that_keeps_data(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    control, kept = aws.control, emulator.add_stream("kept")
    fleeting = emulator.add_stream("fleeting", retention_hours=0)
    missing = kept.replace("kept", "missing")

    def enable(stream: str) -> dict[str, Any]:
        return {
            "ChannelARN": arn,
            "MediaStorageConfiguration": {"Status": "ENABLED", "StreamARN": stream},
        }

    update = control.update_media_storage_configuration
    assert await failure(update, **enable(fleeting)) == (
        400,
        "NoDataRetentionException",
    )
    assert (await failure(update, **enable(missing)))[0] == 404
    await call(update, **enable(kept))

    describe = control.describe_media_storage_configuration
    storage = await call(describe, ChannelARN=arn)
    assert storage["MediaStorageConfiguration"] == {
        "Status": "ENABLED",
        "StreamARN": kept,
    }
    mapped = await call(
        control.describe_mapped_resource_configuration, StreamName="kept"
    )
    assert mapped["MappedResourceConfigurationList"][0]["ARN"] == arn
    endpoint = await call(
        control.get_signaling_channel_endpoint,
        ChannelARN=arn,
        SingleMasterChannelEndpointConfiguration={
            "Protocols": ["WEBRTC"],
            "Role": "MASTER",
        },
    )
    webrtc = endpoint["ResourceEndpointList"][0]
    assert webrtc["Protocol"] == "WEBRTC"
    get = aws.signaling(webrtc["ResourceEndpoint"]).get_ice_server_config
    assert (await failure(get, ChannelARN=arn))[0] == 404

    await call(update, ChannelARN=arn, MediaStorageConfiguration={"Status": "DISABLED"})
    storage = await call(describe, ChannelName="front-door")
    assert storage["MediaStorageConfiguration"] == {"Status": "DISABLED"}
    mapping = control.describe_mapped_resource_configuration
    assert (await failure(mapping, StreamARN=missing))[0] == 404


async def test_media_storage_is_not_set_while_the_channel_is_made(
    aws: Aws, emulator: KvsEmulator
) -> None:
    emulator.behaviour.create_delay = 60
    created = await call(aws.control.create_signaling_channel, ChannelName="slow")
    assert await failure(
        aws.control.update_media_storage_configuration,
        ChannelARN=created["ChannelARN"],
        MediaStorageConfiguration={"Status": "DISABLED"},
    ) == (400, "ResourceInUseException")


async def test_each_endpoint_is_distinct_and_stays(aws: Aws, arn: str) -> None:
    other = aws.emulator.create_channel("back-door").arn
    master, viewer = await aws.endpoints(arn, "MASTER"), await aws.endpoints(arn)
    strange = await aws.endpoints(other)
    urls = [*master.values(), *viewer.values(), *strange.values()]
    assert len(set(urls)) == 6
    assert master["WSS"].startswith("ws://127.0.0.1:")
    assert master["HTTPS"].startswith("http://127.0.0.1:")
    assert await aws.endpoints(arn, "MASTER") == master


async def test_every_answer_fits_the_model(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    checked: dict[str, list[str]] = {}
    operations: dict[str, OperationModel] = {
        model.name: model for model in operations_by_path("kinesisvideo").values()
    }
    stream = emulator.add_stream("stream")
    control = aws.control

    def check(parsed: dict[str, Any], model: OperationModel, **_: object) -> None:
        body = {k: v for k, v in parsed.items() if k != "ResponseMetadata"}
        for item in [body.get("ChannelInfo"), *body.get("ChannelInfoList", [])]:
            if item:
                item["CreationTime"] = item["CreationTime"].timestamp()
        checked[model.name] = output_problems(model, body)

    control.meta.events.register("after-call.kinesis-video.*", check)
    tags = tag_list(1)
    version = emulator.channel(arn).version
    storage = {"Status": "ENABLED", "StreamARN": stream}
    for operation, params in (
        (control.create_signaling_channel, {"ChannelName": "new"}),
        (control.describe_signaling_channel, {"ChannelARN": arn}),
        (control.list_signaling_channels, {}),
        (control.tag_resource, {"ResourceARN": arn, "Tags": tags}),
        (control.list_tags_for_resource, {"ResourceARN": arn}),
        (control.untag_resource, {"ResourceARN": arn, "TagKeyList": ["key-0"]}),
        (control.get_signaling_channel_endpoint, {"ChannelARN": arn}),
        (
            control.update_media_storage_configuration,
            {"ChannelARN": arn, "MediaStorageConfiguration": storage},
        ),
        (control.describe_media_storage_configuration, {"ChannelARN": arn}),
        (control.describe_mapped_resource_configuration, {"StreamARN": stream}),
        (
            control.update_signaling_channel,
            {"ChannelARN": arn, "CurrentVersion": version},
        ),
        (control.delete_signaling_channel, {"ChannelARN": arn}),
    ):
        await call(operation, **params)
    assert set(checked) == {
        name for name in operations if name in emulator.journal.calls
    }
    assert len(checked) == 12
    assert not any(checked.values()), checked


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        ("describe_signaling_channel", "ChannelARN"),
        ("list_tags_for_resource", "ResourceARN"),
        ("describe_media_storage_configuration", "ChannelARN"),
    ],
)
async def test_a_channel_has_a_quota_of_calls(
    aws: Aws, operation: str, key: str
) -> None:
    async with KvsEmulator() as strict:
        arn, other = (
            strict.create_channel("busy").arn,
            strict.create_channel("idle").arn,
        )
        called = getattr(Aws(strict, aws.session).control, operation)
        for _ in range(5):
            await call(called, **{key: arn})
        assert await failure(called, **{key: arn}) == (
            400,
            "ClientLimitExceededException",
        )
        await call(called, **{key: other})


async def test_an_account_has_a_quota_of_calls(aws: Aws, emulator: KvsEmulator) -> None:
    emulator.limits.account_rates = {"ListSignalingChannels": 2}
    for _ in range(2):
        await call(aws.control.list_signaling_channels)
    assert await failure(aws.control.list_signaling_channels) == (
        400,
        "ClientLimitExceededException",
    )
    stranger = User(access_key_id="AK2", secret_access_key="s", account="999999999999")
    emulator.add_user(stranger)
    await call(aws.as_user(stranger).control.list_signaling_channels)


async def test_the_regional_host_serves_no_channel(
    aws: Aws, arn: str, emulator: KvsEmulator
) -> None:
    assert await failure(
        aws.signaling(emulator.url).get_ice_server_config, ChannelARN=arn
    ) == (404, "UnknownOperationException")


async def test_only_posts_of_json_are_taken(aws: Aws, emulator: KvsEmulator) -> None:
    async with aws.session.get(f"{emulator.url}/listSignalingChannels") as response:
        assert response.status == 404

    def spoil(request: Any, **_: object) -> None:
        request.data = b"{not json"

    control = aws.control
    control.meta.events.register_first("before-sign.kinesis-video.*", spoil)
    assert await failure(control.list_signaling_channels) == (
        400,
        "SerializationException",
    )


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-east-1", "aws"),
    ],
)
async def test_every_partition_is_served(region: str, partition: str) -> None:
    async with (
        KvsEmulator(region=region, behaviour=Behaviour(create_delay=0)) as emulator,
        aiohttp.ClientSession() as session,
    ):
        aws = Aws(emulator, session)
        created = await call(aws.control.create_signaling_channel, ChannelName="c")
        arn = created["ChannelARN"]
        assert arn.startswith(f"arn:{partition}:kinesisvideo:{region}:")
        endpoints = await aws.endpoints(arn)
        config = await call(
            aws.signaling(endpoints["HTTPS"]).get_ice_server_config, ChannelARN=arn
        )
        assert config["IceServerList"]
        identity = await call(aws.sts.get_caller_identity)
        assert identity["Arn"] == f"arn:{partition}:iam::123456789012:user/tester"
