"""Stacks are made, changed and deleted, and what fails is named and cleaned up."""

import asyncio
from collections.abc import Callable
import json
from typing import Any

from botocore.exceptions import EndpointConnectionError
import pytest

from custom_components.kinesis_webrtc.alexa import template
from custom_components.kinesis_webrtc.alexa.errors import (
    AccessRefusedError,
    AlexaServiceError,
    AlexaSkillError,
    CannotReachAwsError,
    KeysRefusedError,
    StackFailedError,
    StackTimeoutError,
)
from custom_components.kinesis_webrtc.alexa.stack import (
    Stacks,
    StackSettings,
    backend_version,
    stack_name,
)
from tests.helpers.moto import Call, Moto, StrictClients, _moto, aws_error, moto
from tests.helpers.policies import DEPLOYMENT, RUNNING, policy

from .stack_script import Scene, ScriptedStacks, event

__all__ = ["_moto", "moto"]

REGION = "eu-west-1"
SKILL_ID = "amzn1.ask.skill.0a1b2c3d-1111-2222-3333-444455556666"
SETTINGS = StackSettings(
    skill_id=SKILL_ID,
    channel_region="eu-central-1",
    ssm_path=f"/kinesis-webrtc/{SKILL_ID}",
)
NAME = SETTINGS.name
DENIED = (
    "User: arn:aws:iam::123456789012:user/home is not authorized to perform:"
    " iam:CreateRole on resource: role (Service: Iam, Status Code: 403)"
)


async def execute(target: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(target, *args)


@pytest.fixture
def clients(moto: Moto) -> StrictClients:
    return StrictClients(moto)


@pytest.fixture
def stacks(clients: StrictClients) -> Stacks:
    """Return stacks of an account under the documents' policies."""
    clients.policies = [policy(*RUNNING, *DEPLOYMENT)]
    return Stacks(create_client=clients, execute=execute, poll_interval=0.01)


@pytest.fixture
def script() -> ScriptedStacks:
    return ScriptedStacks(name=NAME)


@pytest.fixture
def scripted(script: ScriptedStacks) -> Stacks:
    return Stacks(create_client=script, execute=execute, poll_interval=0)


def test_a_stack_is_named_after_the_skill() -> None:
    assert NAME == "kinesis-webrtc-0a1b2c3d-1111-2222-3333-444455556666"
    assert len(stack_name(f"amzn1.ask.skill.{'x' * 200}")) <= 64
    assert stack_name("") != stack_name("amzn1.ask.skill.1")


async def test_a_stack_is_made_with_all_that_alexa_needs(
    stacks: Stacks, clients: StrictClients, moto: Moto
) -> None:
    progress: list[float] = []

    stack = await stacks.deploy(REGION, SETTINGS, on_progress=progress.append)

    function = moto.client("lambda", REGION).get_function_configuration(
        FunctionName=stack.function_arn
    )
    assert stack.function_arn.endswith(f":{REGION}:123456789012:function:{NAME}")
    assert stack.version == backend_version()
    assert not stack.drifted
    assert function["Environment"]["Variables"] == {
        "CHANNEL_REGION": "eu-central-1",
        "NAME_PREFIX": "ha-",
        "SKILL_ID": SKILL_ID,
        "SSM_PATH": SETTINGS.ssm_path,
    }
    assert await stacks.describe(REGION, NAME, code=stack.code) == stack
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    (request,) = (call for call in clients.calls if call.operation == "CreateStack")
    assert request.params["OnFailure"] == "DELETE"


async def test_a_stack_that_is_as_it_should_be_is_left_alone(stacks: Stacks) -> None:
    first = await stacks.deploy(REGION, SETTINGS)

    assert await stacks.deploy(REGION, SETTINGS) == first


async def test_a_newer_backend_takes_the_olds_place(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = json.loads(json.dumps(template._template()))
    changed["Outputs"]["Version"]["Value"] = "older"
    changed["Resources"]["Function"]["Properties"]["Code"]["ZipFile"] = "print()"
    with monkeypatch.context() as patch:
        patch.setattr(template, "_template", lambda: changed)
        old = await stacks.deploy(REGION, SETTINGS)

    new = await stacks.deploy(REGION, SETTINGS)

    assert (old.version, new.version) == ("older", backend_version())
    assert old.function_arn == new.function_arn
    assert old.code != new.code


async def test_a_stack_is_deleted_with_all_that_is_in_it(
    stacks: Stacks, moto: Moto
) -> None:
    await stacks.deploy(REGION, SETTINGS)

    await stacks.delete(REGION, NAME)
    await stacks.delete(REGION, NAME)

    assert await stacks.describe(REGION, NAME) is None
    assert moto.client("lambda", REGION).list_functions()["Functions"] == []
    assert moto.client("iam", REGION).list_roles()["Roles"] == []
    assert moto.client("logs", REGION).describe_log_groups()["logGroups"] == []


async def test_regions_have_stacks_of_their_own(stacks: Stacks) -> None:
    await stacks.deploy(REGION, SETTINGS)

    assert await stacks.describe("us-east-1", NAME) is None


class TestDrift:
    @pytest.fixture
    async def code(self, stacks: Stacks) -> str | None:
        return (await stacks.deploy(REGION, SETTINGS)).code

    async def drifted(self, stacks: Stacks, code: str | None) -> bool:
        stack = await stacks.describe(REGION, NAME, code=code)
        assert stack is not None
        return stack.drifted

    async def test_edited_code_is_noticed(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        moto.client("lambda", REGION).update_function_code(
            FunctionName=NAME, ZipFile=b"other"
        )

        assert await self.drifted(stacks, code)

    async def test_a_changed_environment_is_noticed(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        moto.client("lambda", REGION).update_function_configuration(
            FunctionName=NAME, Environment={"Variables": {"SSM_PATH": "/other"}}
        )

        assert await self.drifted(stacks, code)

    async def test_a_removed_trigger_is_noticed(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        client = moto.client("lambda", REGION)
        text = json.loads(client.get_policy(FunctionName=NAME)["Policy"])
        (statement,) = text["Statement"]
        client.remove_permission(FunctionName=NAME, StatementId=statement["Sid"])

        assert await self.drifted(stacks, code)

    async def test_a_deleted_function_is_noticed(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        moto.client("lambda", REGION).delete_function(FunctionName=NAME)

        assert await self.drifted(stacks, code)

    @pytest.mark.parametrize("action", ["GetFunctionConfiguration", "GetPolicy"])
    async def test_what_may_not_be_looked_at_is_taken_to_be_well(
        self, stacks: Stacks, clients: StrictClients, code: str | None, action: str
    ) -> None:
        clients.policies = [
            policy(
                *RUNNING,
                {"Effect": "Deny", "Action": f"lambda:{action}", "Resource": "*"},
            )
        ]

        assert not await self.drifted(stacks, code)

    async def test_edited_code_is_put_right(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        edited = moto.client("lambda", REGION).update_function_code(
            FunctionName=NAME, ZipFile=b"other"
        )

        stack = await stacks.deploy(REGION, SETTINGS, code=code)

        # Not the first one's either: what the code is packed into has its time in it.
        assert stack.code not in (None, edited["CodeSha256"])
        assert not await self.drifted(stacks, stack.code)

    async def test_what_needs_no_code_to_be_noticed_is_put_right(
        self, stacks: Stacks, moto: Moto, code: str | None
    ) -> None:
        moto.client("lambda", REGION).update_function_configuration(
            FunctionName=NAME, Environment={"Variables": {"SSM_PATH": "/other"}}
        )

        stack = await stacks.deploy(REGION, SETTINGS)

        assert not stack.drifted

    async def test_code_that_may_not_be_looked_at_stays(
        self, stacks: Stacks, clients: StrictClients, code: str | None
    ) -> None:
        clients.policies.append(
            policy({"Effect": "Deny", "Action": "lambda:Get*", "Resource": "*"})
        )

        await stacks.deploy(REGION, SETTINGS, code=code)

        assert "DeleteStack" not in [call.operation for call in clients.calls]


CREATING = ("CREATE_IN_PROGRESS", [event(NAME, "CREATE_IN_PROGRESS")])


async def test_progress_is_the_part_of_the_resources_that_are_there(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    progress: list[float] = []
    script.on_create = [
        CREATING,
        ("CREATE_IN_PROGRESS", [event("Log", "CREATE_COMPLETE")]),
        ("CREATE_IN_PROGRESS", [event("Role", "CREATE_COMPLETE")]),
        ("CREATE_IN_PROGRESS", [event("Role", "CREATE_IN_PROGRESS")]),
        ("CREATE_COMPLETE", [event(NAME, "CREATE_COMPLETE")]),
    ]

    await scripted.deploy(REGION, SETTINGS, on_progress=progress.append)

    assert progress == [0.0, 0.25, 0.5, 1.0]


FAILURE = [
    event("Role", "CREATE_FAILED", DENIED),
    event("Log", "CREATE_FAILED", "Resource creation cancelled"),
]


@pytest.mark.parametrize(
    ("ending", "cleans_up"),
    [
        ("DELETE_COMPLETE", False),
        ("ROLLBACK_COMPLETE", True),
        ("CREATE_FAILED", True),
        ("DELETE_FAILED", True),
    ],
)
async def test_a_stack_that_fails_names_the_reason_and_is_gone(
    scripted: Stacks, script: ScriptedStacks, ending: str, cleans_up: bool
) -> None:
    script.on_create = [
        CREATING,
        ("ROLLBACK_IN_PROGRESS", FAILURE[::-1]),
        (ending, ()),
    ]

    with pytest.raises(StackFailedError) as failed:
        await scripted.deploy(REGION, SETTINGS)

    assert failed.value.reason == DENIED
    assert failed.value.action == "iam:CreateRole"
    assert script.status == "DELETE_COMPLETE"
    assert ("DeleteStack" in script.calls) is cleans_up


async def test_a_failed_stack_that_cannot_be_deleted_still_names_its_reason(
    scripted: Stacks, script: ScriptedStacks, caplog: pytest.LogCaptureFixture
) -> None:
    script.on_create = [CREATING, ("DELETE_FAILED", FAILURE)]
    script.on_delete = [
        ("DELETE_FAILED", [event("Role", "DELETE_FAILED", "iam:DeleteRole")])
    ]

    with pytest.raises(StackFailedError, match="iam:CreateRole"):
        await scripted.deploy(REGION, SETTINGS)

    assert "was not deleted" in caplog.text


async def test_an_update_that_fails_leaves_the_stack_and_names_the_new_reason(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    script.play(("CREATE_COMPLETE", [event("Role", "CREATE_FAILED", "long ago")]))
    script.on_update = [
        ("UPDATE_IN_PROGRESS", [event("Function", "UPDATE_FAILED", "too large")]),
        ("UPDATE_ROLLBACK_IN_PROGRESS", ()),
        ("UPDATE_ROLLBACK_COMPLETE", ()),
    ]

    with pytest.raises(StackFailedError) as failed:
        await scripted.deploy(REGION, SETTINGS)

    assert failed.value.reason == "too large"
    assert failed.value.action is None
    assert "DeleteStack" not in script.calls


async def test_a_failure_whose_reason_may_not_be_read_is_told_by_its_status(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    def deny(operation: str) -> None:
        if operation == "DescribeStackEvents":
            raise aws_error(operation, "AccessDenied")

    script.on_call = deny
    script.on_create = [CREATING, ("DELETE_COMPLETE", FAILURE)]

    with pytest.raises(StackFailedError, match="DELETE_COMPLETE"):
        await scripted.deploy(REGION, SETTINGS)


@pytest.mark.parametrize(
    "status",
    [
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "CREATE_FAILED",
        "DELETE_FAILED",
        "REVIEW_IN_PROGRESS",
        "UPDATE_ROLLBACK_FAILED",
    ],
)
async def test_what_an_earlier_try_left_is_deleted_first(
    scripted: Stacks, script: ScriptedStacks, status: str
) -> None:
    script.play((status, ()))

    await scripted.deploy(REGION, SETTINGS)

    changes = [call for call in script.calls if not call.startswith("Describe")]
    assert changes == ["DeleteStack", "CreateStack"]
    assert script.status == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("scenes", "changes"),
    [
        ([("UPDATE_IN_PROGRESS", ()), ("UPDATE_COMPLETE", ())], ["UpdateStack"]),
        ([("CREATE_IN_PROGRESS", ()), ("CREATE_COMPLETE", ())], ["UpdateStack"]),
        ([("DELETE_IN_PROGRESS", ()), ("DELETE_COMPLETE", ())], ["CreateStack"]),
    ],
)
async def test_what_is_under_way_is_waited_for(
    scripted: Stacks,
    script: ScriptedStacks,
    scenes: list[Scene],
    changes: list[str],
) -> None:
    script.play(*scenes)

    await scripted.deploy(REGION, SETTINGS)

    assert changes == [call for call in script.calls if not call.startswith("Desc")]


async def test_somebody_who_was_faster_is_waited_for(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    def hurry(operation: str) -> None:
        if operation == "CreateStack":
            script.play(("CREATE_IN_PROGRESS", ()), ("CREATE_COMPLETE", ()))
        elif operation == "UpdateStack" and script.calls.count(operation) == 1:
            script.play(("UPDATE_IN_PROGRESS", ()), ("UPDATE_COMPLETE", ()))

    script.on_call = hurry

    await scripted.deploy(REGION, SETTINGS)

    changes = [call for call in script.calls if not call.startswith("Describe")]
    assert changes == ["CreateStack", "UpdateStack", "UpdateStack"]


async def test_a_network_that_is_away_meanwhile_is_waited_for(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    def fail(operation: str) -> None:
        polls = script.calls.count("DescribeStacks")
        if operation == "DescribeStacks" and polls == 2:
            raise EndpointConnectionError(endpoint_url="https://aws")
        if operation == "DescribeStacks" and polls == 3:
            raise aws_error(operation, "Throttling", "Rate exceeded")

    script.on_call = fail

    assert await scripted.deploy(REGION, SETTINGS)


async def test_a_stack_that_takes_too_long_is_told_as_such(
    script: ScriptedStacks,
) -> None:
    script.on_create = [("CREATE_IN_PROGRESS", ())]
    stacks = Stacks(
        create_client=script, execute=execute, poll_interval=0.01, patience=0.2
    )

    with pytest.raises(StackTimeoutError, match=NAME):
        await stacks.deploy(REGION, SETTINGS)

    assert "DeleteStack" not in script.calls


async def test_a_deletion_that_fails_names_the_reason(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    script.play(("CREATE_COMPLETE", ()))
    reason = "not authorized to perform: iam:DeleteRole on resource: role"
    script.on_delete = [
        ("DELETE_IN_PROGRESS", ()),
        ("DELETE_FAILED", [event("Role", "DELETE_FAILED", reason)]),
    ]

    with pytest.raises(StackFailedError) as failed:
        await scripted.delete(REGION, NAME)

    assert failed.value.action == "iam:DeleteRole"


async def test_a_stack_that_was_never_finished_is_none(
    scripted: Stacks, script: ScriptedStacks
) -> None:
    script.play(("ROLLBACK_COMPLETE", ()))

    assert await scripted.describe(REGION, NAME) is None


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (aws_error("X", "AccessDenied", DENIED), AccessRefusedError),
        (aws_error("X", "InvalidClientTokenId", "secret"), KeysRefusedError),
        (aws_error("X", "ExpiredTokenException"), KeysRefusedError),
        (aws_error("X", "SignatureDoesNotMatch", "secret"), KeysRefusedError),
        (EndpointConnectionError(endpoint_url="https://aws"), CannotReachAwsError),
        (aws_error("X", "LimitExceeded", "too many stacks"), AlexaServiceError),
        (ValueError("secret"), AlexaServiceError),
    ],
)
async def test_what_aws_refuses_at_once_is_told_at_once(
    stacks: Stacks,
    clients: StrictClients,
    raised: Exception,
    expected: type[AlexaSkillError],
) -> None:
    def refuse(call: Call) -> None:
        if call.operation == "CreateStack":
            raise raised

    clients.on_call = refuse

    with pytest.raises(expected) as refused:
        await stacks.deploy(REGION, SETTINGS)

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_missing_right_is_named(stacks: Stacks, clients: StrictClients) -> None:
    clients.policies = [policy(*RUNNING)]

    with pytest.raises(AccessRefusedError) as refused:
        await stacks.deploy(REGION, SETTINGS)

    assert refused.value.action == "cloudformation:CreateStack"


@pytest.mark.parametrize(
    "settings",
    [
        StackSettings(skill_id="1", channel_region="eu-west-1", ssm_path="/a"),
        StackSettings(
            skill_id=SKILL_ID,
            channel_region="eu-west-1",
            ssm_path="/a",
            name_prefix="*",
        ),
        StackSettings(skill_id=SKILL_ID, channel_region="eu-west-1", ssm_path="/a/*"),
    ],
)
async def test_settings_that_would_widen_the_role_are_refused(
    stacks: Stacks, settings: StackSettings
) -> None:
    with pytest.raises(AlexaServiceError, match="failed to satisfy constraint"):
        await stacks.deploy(REGION, settings)
