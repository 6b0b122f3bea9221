"""Channels: made, changed, listed and deleted by plain boto3."""

import asyncio

import aiohttp
import pytest

from . import Behaviour, KvsEmulator, User
from .conftest import Aws, call, failure


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
