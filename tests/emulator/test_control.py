"""The control plane, called by plain boto3."""

from typing import Any

import pytest

from . import KvsEmulator, User
from .conftest import Aws, call, failure


def tag_list(count: int) -> list[dict[str, str]]:
    return [{"Key": f"key-{number}", "Value": "value"} for number in range(count)]


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
