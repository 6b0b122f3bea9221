"""Each right of the documents' policies is needed: without it, it is named to the user."""

import asyncio
from collections.abc import Awaitable, Callable
import copy
from typing import Any

import aiohttp
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.kinesis_webrtc.alexa.errors import (
    AccessRefusedError,
    StackFailedError,
)
from custom_components.kinesis_webrtc.alexa.parameters import (
    SkillParameters,
    SkillSecrets,
)
from custom_components.kinesis_webrtc.alexa.stack import Stacks, StackSettings
from custom_components.kinesis_webrtc.aws_clients import AwsClients
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.errors import as_home_assistant_error
from custom_components.kinesis_webrtc.missing_rights import MissingRights
from custom_components.kinesis_webrtc.signaling import (
    CannotConnectError,
    ConnectionState,
    Credentials,
    NotAuthorizedError,
    Role,
    SignalingClient,
    SignalingConnection,
    SignalingError,
)
from tests.emulator import KvsEmulator, User
from tests.helpers.policies import documented

from .conftest import ACCOUNT, KEYS, REGION, TRANSLATIONS, channel_arn
from .skill_aws import CODE, PATH, SKILL_ID, STACK, SkillAws

NAME = "ha-front-door"


def statements(name: str) -> list[dict[str, Any]]:
    """Return the statements of one of the documents' blocks."""
    content = documented(name)
    if isinstance(content, dict):
        content = content.get("Statement", [content])
    found: list[dict[str, Any]] = content
    return found


def actions(name: str) -> list[str]:
    """Return all that a block allows."""
    found: list[str] = []
    for statement in statements(name):
        action = statement["Action"]
        found += [action] if isinstance(action, str) else action
    return found


def policy_without(
    name: str, action: str | None, arn: str | None = None
) -> dict[str, Any]:
    """Return a block as a policy, less one action; it may name one channel by its ARN."""
    kept = []
    for statement in copy.deepcopy(statements(name)):
        if name == "by-arn":
            assert "*" not in statement["Resource"]
            statement["Resource"] = arn
        given = statement["Action"]
        given = [given] if isinstance(given, str) else given
        statement["Action"] = [each for each in given if each != action]
        if statement["Action"]:
            kept.append(statement)
    return {"Version": "2012-10-17", "Statement": kept}


def words(err: Exception) -> str:
    """Return what the user reads of an error."""
    shown = as_home_assistant_error(err)  # type: ignore[arg-type]
    text: str = TRANSLATIONS["exceptions"][shown.translation_key]["message"]
    return text.format(**(shown.translation_placeholders or {}))


# What needs each action, and is done with a channel that is there.
type Operation = Callable[[SignalingClient, str], Awaitable[object]]


def as_client(role: Role) -> Operation:
    """Return what opens a websocket in a role."""

    async def connect(client: SignalingClient, arn: str) -> None:
        states: asyncio.Queue[ConnectionState] = asyncio.Queue()
        async with aiohttp.ClientSession() as session:
            connection = SignalingConnection(
                client=client,
                session=session,
                channel_arn=arn,
                role=role,
                client_id="viewer" if role is Role.VIEWER else None,
                on_message=lambda _: None,
                on_state=states.put_nowait,
            )
            task = asyncio.ensure_future(connection.run())
            try:
                async with asyncio.timeout(20):
                    state = await states.get()
            finally:
                task.cancel()
                await asyncio.wait([task])
        if state.error is not None:
            raise state.error

    return connect


async def change_ttl(client: SignalingClient, arn: str) -> None:
    await client.update_message_ttl(await client.describe_channel(arn=arn), 7)


def make_channel(**tags: str) -> Operation:
    return lambda client, _: client.create_channel(
        name="ha-new", message_ttl=5, tags=tags
    )


CHANNELS: dict[str, Operation] = {
    "ListSignalingChannels": lambda client, _: client.list_channels(),
    "CreateSignalingChannel": make_channel(created_by="home"),
    "TagResource": make_channel(created_by="home"),
    "ListTagsForResource": lambda client, arn: client.get_tags(arn),
    "DescribeSignalingChannel": lambda client, arn: client.describe_channel(arn=arn),
    "DescribeMediaStorageConfiguration": lambda client, arn: (
        client.is_media_storage_enabled(arn)
    ),
    "UpdateSignalingChannel": change_ttl,
    "DeleteSignalingChannel": lambda client, arn: client.delete_channel(arn),
    "GetSignalingChannelEndpoint": lambda client, arn: client.get_endpoints(
        arn, Role.MASTER
    ),
    "GetIceServerConfig": lambda client, arn: client.get_ice_server_config(arn),
    "ConnectAsMaster": as_client(Role.MASTER),
    "ConnectAsViewer": as_client(Role.VIEWER),
    "SendAlexaOfferToMaster": lambda client, arn: client.send_alexa_offer(
        arn, sender_client_id="x", message_payload="e30="
    ),
}


# aiohttp leaves the timer of a closed websocket's heartbeat to run out.
@pytest.mark.parametrize("expected_lingering_timers", [True])
@pytest.mark.parametrize(
    ("name", "action"),
    [
        (name, action)
        for name in ("policy", "by-arn", "viewing")
        for action in actions(name)
    ],
)
async def test_without_an_action_it_is_named_and_with_it_all_is_well(
    hass: HomeAssistant,
    socket_enabled: None,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    action: str,
) -> None:
    operation = CHANNELS[action.partition(":")[2]]
    async with KvsEmulator(region=REGION) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
        named = "garden" if name == "by-arn" else NAME
        channel = emulator.create_channel(named, message_ttl=5)

        async def attempt(number: int, without: str | None) -> None:
            user = User(
                access_key_id=f"AKIA{number:016}",
                secret_access_key="secret",
                policies=[policy_without(name, without, channel.arn)],
            )
            emulator.add_user(user)
            client = SignalingClient(
                region=REGION,
                credentials=Credentials(
                    access_key_id=user.access_key_id,
                    secret_access_key=user.secret_access_key,
                ),
                execute=hass.async_add_executor_job,
            )
            await operation(client, channel.arn)

        with pytest.raises(NotAuthorizedError) as refused:
            await attempt(1, action)
        assert refused.value.action == action
        assert action in words(refused.value)
        try:
            await attempt(2, None)
        except NotAuthorizedError as err:
            pytest.fail(f"the documents allow too little: {err}")
        except SignalingError:
            # There is no master to answer an offer.
            assert action.endswith("SendAlexaOfferToMaster")


def running(hass: HomeAssistant) -> tuple[SkillParameters, Stacks]:
    """Return what the skill's keys are used for, all the time."""
    clients = {
        "create_client": AwsClients(KEYS),
        "execute": hass.async_add_executor_job,
    }
    return (
        SkillParameters(region=REGION, path=PATH, **clients),
        Stacks(poll_interval=0.01, **clients),
    )


RUNNING: dict[str, Callable[[SkillParameters, Stacks], Awaitable[object]]] = {
    "ssm:GetParametersByPath": lambda parameters, _: parameters.read_owners(),
    "ssm:PutParameter": lambda parameters, _: parameters.write_secrets(
        SkillSecrets(client_id="a", client_secret="b")
    ),
    "ssm:DeleteParameters": lambda parameters, _: parameters.delete_all(),
    "cloudformation:DescribeStacks": lambda _, stacks: stacks.describe(
        REGION, STACK, code=CODE
    ),
    "lambda:GetFunctionConfiguration": lambda _, stacks: stacks.describe(
        REGION, STACK, code=CODE
    ),
    "lambda:GetPolicy": lambda _, stacks: stacks.describe(REGION, STACK, code=CODE),
}


# Without these all works but the daily look at the function, so only the log tells.
LOOKING = {"lambda:GetFunctionConfiguration", "lambda:GetPolicy"}


@pytest.mark.parametrize("action", actions("alexa-running"))
async def test_a_running_skill_names_the_action_that_is_missing(
    hass: HomeAssistant,
    skill_aws: SkillAws,
    caplog: pytest.LogCaptureFixture,
    action: str,
) -> None:
    skill_aws.put_stack(REGION)
    skill_aws.put("client_id", "a")
    parameters, stacks = running(hass)
    skill_aws.deny(action)

    if action in LOOKING:
        await RUNNING[action](parameters, stacks)
        assert f"lack the IAM action {action}" in caplog.text
    else:
        with pytest.raises(AccessRefusedError) as refused:
            await RUNNING[action](parameters, stacks)
        assert refused.value.action == action
        assert action in words(refused.value)

    caplog.clear()
    skill_aws.callers[KEYS["access_key_id"]].denied.clear()
    await RUNNING[action](parameters, stacks)
    assert "IAM action" not in caplog.text


@pytest.mark.parametrize("action", actions("alexa-deployment"))
async def test_a_deployment_names_the_action_that_is_missing(
    hass: HomeAssistant, skill_aws: SkillAws, action: str
) -> None:
    """What CloudFormation calls in the user's name is in the stack's own words."""
    _, stacks = running(hass)
    settings = StackSettings(skill_id=SKILL_ID, channel_region=REGION, ssm_path=PATH)
    if action in ("cloudformation:UpdateStack", "cloudformation:DeleteStack"):
        skill_aws.put_stack(REGION)
    # A wildcard stands for many.
    denied = action.replace("*", "Function")
    if action.startswith("cloudformation:"):
        skill_aws.deny(action)
    if not action.startswith("cloudformation:") or action.endswith("StackEvents"):
        skill_aws.stack_fails = (
            f"User: arn:aws:iam::{ACCOUNT}:user/home is not authorized to perform:"
            f" {denied} on resource: x because no identity-based policy allows it"
        )

    if action == "cloudformation:DeleteStack":
        work = stacks.delete(REGION, STACK)
    else:
        work = stacks.deploy(REGION, settings, on_progress=lambda _: None)
    with pytest.raises((AccessRefusedError, StackFailedError)) as refused:
        await work
    assert refused.value.action == denied
    assert denied in words(refused.value)


REFUSED = NotAuthorizedError(
    operation="ConnectAsMaster", action="kinesisvideo:ConnectAsMaster"
)


def test_a_repair_names_the_action_until_it_is_there(hass: HomeAssistant) -> None:
    rights = MissingRights(hass=hass, channel_arn=channel_arn(NAME))
    rights.async_failed("master", CannotConnectError())
    rights.async_failed("master", None)
    assert not repairs(hass)

    rights.async_failed("master", REFUSED)
    rights.async_failed("relays", REFUSED)
    first, _ = repairs(hass)
    texts = TRANSLATIONS["issues"]["right_missing"]
    placeholders = first.translation_placeholders or {}
    assert "kinesisvideo:ConnectAsMaster" in texts["description"].format(**placeholders)
    assert NAME in texts["title"].format(**placeholders)

    rights.async_worked("master")
    assert len(repairs(hass)) == 1
    rights.async_clear()
    assert not repairs(hass)


def repairs(hass: HomeAssistant) -> list[ir.IssueEntry]:
    return [
        issue
        for issue in ir.async_get(hass).issues.values()
        if issue.domain == DOMAIN and issue.active
    ]
