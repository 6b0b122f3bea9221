"""Policies: who may do what to which channel."""

from typing import Any

from botocore.exceptions import ClientError
import pytest

from . import KvsEmulator, Policy, User
from .conftest import Aws, allow, call, failure, policy
from .iam import check_policy

DOOR = "arn:aws:kinesisvideo:eu-west-1:123456789012:channel/ha-door/1"


def user(*statements: dict[str, Any]) -> User:
    return User(
        access_key_id="AKIALIMITED",
        secret_access_key="secret",
        account="123456789012",
        policies=[policy(*statements)],
    )


@pytest.fixture
def ha_door(emulator: KvsEmulator) -> str:
    return emulator.create_channel("ha-door", tags={"owner": "home"}).arn


async def test_every_operation_needs_its_action(
    aws: Aws, ha_door: str, emulator: KvsEmulator
) -> None:
    nobody = aws.as_user(emulator.add_user(user(allow("DescribeStream"))))
    stream, control = emulator.add_stream("stream"), nobody.control
    arn = {"ChannelARN": ha_door}
    tags = [{"Key": "a", "Value": "b"}]
    storage = {"MediaStorageConfiguration": {"Status": "DISABLED"}}
    denied = (401, "AccessDeniedException")
    for operation, params in (
        (control.create_signaling_channel, {"ChannelName": "new"}),
        (control.describe_signaling_channel, arn),
        (control.describe_signaling_channel, {"ChannelName": "ha-door"}),
        (control.list_signaling_channels, {}),
        (control.update_signaling_channel, arn | {"CurrentVersion": "1"}),
        (control.delete_signaling_channel, arn),
        (control.get_signaling_channel_endpoint, arn),
        (control.tag_resource, {"ResourceARN": ha_door, "Tags": tags}),
        (control.untag_resource, {"ResourceARN": ha_door, "TagKeyList": ["a"]}),
        (control.list_tags_for_resource, {"ResourceARN": ha_door}),
        (control.describe_media_storage_configuration, arn),
        (control.update_media_storage_configuration, arn | storage),
        (control.describe_mapped_resource_configuration, {"StreamARN": stream}),
    ):
        assert await failure(operation, **params) == denied, operation.__name__

    https = nobody.signaling((await aws.endpoints(ha_door))["HTTPS"])
    refused = (401, "NotAuthorizedException")
    assert await failure(https.get_ice_server_config, **arn) == refused
    offer = arn | {"SenderClientId": "echo", "MessagePayload": "AAAA"}
    assert await failure(https.send_alexa_offer_to_master, **offer) == refused

    for role, client_id in (("MASTER", None), ("VIEWER", "viewer")):
        endpoint = (await aws.endpoints(ha_door, role))["WSS"]
        answer = await aws.refused(nobody.sign(endpoint, ha_door, client_id))
        assert answer[:2] == (403, "AccessDeniedException")
        assert f"kinesisvideo:ConnectAs{role.title()}" in answer[2]

    await call(nobody.sts.get_caller_identity)


async def test_the_error_names_who_what_and_where(
    aws: Aws, ha_door: str, emulator: KvsEmulator
) -> None:
    nobody = aws.as_user(emulator.add_user(user(allow("DescribeStream"))))
    with pytest.raises(ClientError) as caught:
        await call(nobody.control.delete_signaling_channel, ChannelARN=ha_door)
    assert caught.value.response["Error"]["Message"].startswith(
        "User: arn:aws:iam::123456789012:user/tester is not authorized to perform:"
        f" kinesisvideo:DeleteSignalingChannel on resource: {ha_door}"
    )


async def test_a_policy_may_be_for_a_prefix_of_names(
    aws: Aws, ha_door: str, emulator: KvsEmulator
) -> None:
    ours = "arn:aws:kinesisvideo:*:*:channel/ha-*/*"
    limited = aws.as_user(
        emulator.add_user(
            user(
                allow("CreateSignalingChannel", "TagResource", resource=ours),
                allow("Describe*", "ListSignalingChannels", resource=ours),
            )
        )
    )
    control = limited.control
    await call(control.describe_signaling_channel, ChannelName="ha-door")
    await call(control.create_signaling_channel, ChannelName="ha-new")
    denied = (401, "AccessDeniedException")
    assert await failure(control.create_signaling_channel, ChannelName="x") == denied
    missing = (404, "ResourceNotFoundException")
    described = control.describe_signaling_channel
    assert await failure(described, ChannelName="ha-missing") == missing
    assert await failure(described, ChannelName="missing") == denied
    # It cannot be narrowed.
    assert await failure(control.list_signaling_channels) == denied


async def test_tags_at_creation_need_the_right_to_tag(
    aws: Aws, emulator: KvsEmulator
) -> None:
    limited = aws.as_user(emulator.add_user(user(allow("CreateSignalingChannel"))))
    create = limited.control.create_signaling_channel
    tags = {"Tags": [{"Key": "a", "Value": "b"}]}
    assert (await failure(create, ChannelName="tagged", **tags))[0] == 401
    emulator.behaviour.create_needs_tag_permission = False
    await call(create, ChannelName="tagged", **tags)


async def test_conditions_see_the_tags(
    aws: Aws, ha_door: str, emulator: KvsEmulator
) -> None:
    other = emulator.create_channel("ha-other", tags={"owner": "work"}).arn
    emulator.create_channel("untagged")
    limited = aws.as_user(
        emulator.add_user(
            user(
                allow(
                    "DeleteSignalingChannel",
                    Condition={"StringEquals": {"aws:ResourceTag/owner": "home"}},
                ),
                allow(
                    "CreateSignalingChannel",
                    "TagResource",
                    Condition={
                        "StringLike": {"aws:RequestTag/owner": ["ho*", "gar*"]},
                        "ForAllValues:StringEquals": {"aws:TagKeys": ["owner"]},
                    },
                ),
            )
        )
    )
    control, owner = limited.control, {"Key": "owner", "Value": "home"}
    create, delete = control.create_signaling_channel, control.delete_signaling_channel
    await call(create, ChannelName="a", Tags=[owner])
    assert (await failure(create, ChannelName="b"))[0] == 401
    wrong = [owner | {"Value": "work"}]
    assert (await failure(create, ChannelName="c", Tags=wrong))[0] == 401
    more = [owner, {"Key": "more", "Value": ""}]
    assert (await failure(create, ChannelName="d", Tags=more))[0] == 401
    await call(control.tag_resource, ResourceARN=ha_door, Tags=[owner])

    assert (await failure(delete, ChannelARN=other))[0] == 401
    untagged = emulator.channel("untagged").arn
    assert (await failure(delete, ChannelARN=untagged))[0] == 401
    await call(delete, ChannelARN=ha_door)


async def test_a_denial_is_stronger(
    aws: Aws, ha_door: str, emulator: KvsEmulator
) -> None:
    deny = allow("ConnectAsMaster") | {"Effect": "Deny"}
    limited = aws.as_user(emulator.add_user(user(allow("*"), deny)))
    assert (await aws.refused(await limited.url(ha_door)))[0] == 403
    await limited.connect(ha_door, "viewer")


@pytest.mark.parametrize(
    ("statement", "action", "allowed"),
    [
        ({"Action": "*", "Resource": "*"}, "kinesisvideo:TagResource", True),
        ({"Action": "KINESISVIDEO:tag*", "Resource": "*"}, "kinesisvideo:TagX", True),
        ({"Action": "kinesisvideo:Tag?", "Resource": "*"}, "kinesisvideo:TagX", True),
        ({"Action": "kinesisvideo:Tag?", "Resource": "*"}, "kinesisvideo:Tag", False),
        ({"Action": "s3:*", "Resource": "*"}, "kinesisvideo:TagX", False),
        ({"NotAction": "s3:*", "Resource": "*"}, "kinesisvideo:TagX", True),
        ({"NotAction": "kinesis*", "Resource": "*"}, "kinesisvideo:TagX", False),
        ({"Action": "*", "NotResource": DOOR}, "kinesisvideo:TagX", False),
        ({"Action": "*", "NotResource": "*/ha-x/*"}, "kinesisvideo:TagX", True),
        ({"Action": "*", "Resource": DOOR.upper()}, "kinesisvideo:TagX", False),
    ],
)
def test_wildcards(statement: dict[str, Any], action: str, allowed: bool) -> None:
    assert user({"Effect": "Allow"} | statement).may(action, DOOR) is allowed


@pytest.mark.parametrize(
    ("condition", "tags", "allowed"),
    [
        ({"StringNotEquals": {"aws:ResourceTag/a": "1"}}, {}, True),
        ({"StringNotEquals": {"aws:ResourceTag/a": "1"}}, {"a": "1"}, False),
        ({"StringNotLike": {"aws:ResourceTag/a": "1*"}}, {"a": "12"}, False),
        ({"StringNotLike": {"aws:ResourceTag/a": "1*"}}, {"a": "21"}, True),
        ({"StringEqualsIfExists": {"aws:ResourceTag/a": "1"}}, {}, True),
        ({"StringEqualsIfExists": {"aws:ResourceTag/a": "1"}}, {"a": "2"}, False),
        ({"Null": {"aws:ResourceTag/a": "true"}}, {}, True),
        ({"Null": {"aws:ResourceTag/a": "false"}}, {}, False),
        ({"StringEquals": {"AWS:resourceTAG/a": "1"}}, {"a": "1"}, True),
        ({"StringEquals": {"aws:ResourceTag/A": "1"}}, {"a": "1"}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": "x"}}, {}, False),
    ],
)
def test_conditions(
    condition: dict[str, Any], tags: dict[str, str], allowed: bool
) -> None:
    context = {f"aws:resourcetag/{key}": value for key, value in tags.items()}
    principal = user(allow("TagX", Condition=condition))
    assert principal.may("kinesisvideo:TagX", DOOR, context) is allowed


@pytest.mark.parametrize(
    "wrong",
    [
        {"Statement": []},
        policy({"Effect": "Perhaps", "Action": "*", "Resource": "*"}),
        policy({"Effect": "Allow", "Resource": "*"}),
        policy({"Effect": "Allow", "Action": "*"}),
        policy({"Effect": "Allow", "Action": "*", "Resource": "*", "Typo": 1}),
        policy(allow("*", Condition={"NumericEquals": {"a": "1"}})),
        policy(allow("*", Condition={"ForSomeValues:StringEquals": {"a": "1"}})),
    ],
)
def test_a_policy_with_a_mistake_is_not_taken(wrong: Policy) -> None:
    with pytest.raises(ValueError, match=r"must|needs|unknown"):
        check_policy(wrong)
    with pytest.raises(ValueError, match=r"must|needs|unknown"):
        User(access_key_id="a", secret_access_key="b", policies=[wrong])
