"""CloudFormation, Lambda and Parameter Store as the Alexa skill's set-up meets them.

boto3's sessions are replaced, so everything of ours is real, down to the parameters of
each call, which have to fit AWS's own service models.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import hashlib
from itertools import count
import json
import threading
from types import MappingProxyType
from typing import Any
from unittest.mock import MagicMock

from botocore import xform_name
from botocore.exceptions import ClientError, EndpointConnectionError
from homeassistant.config_entries import ConfigSubentry

from custom_components.kinesis_webrtc.alexa.regions import lambda_region
from custom_components.kinesis_webrtc.alexa.stack import (
    StackSettings,
    backend_version,
    template_body,
)
from tests.emulator.errors import ApiError
from tests.emulator.models import check_input, service_model

# As in conftest.py, which makes a fixture of all this.
ACCOUNT = "123456789012"
REGION = "eu-west-1"
ACCOUNT_KEY = "AKIDEXAMPLE"

SKILL_ID = "amzn1.ask.skill.12345678-90ab-cdef-1234-567890abcdef"
STACK = "kinesis-webrtc-12345678-90ab-cdef-1234-567890abcdef"
PATH = f"/kinesis-webrtc/{SKILL_ID}"
CLIENT_ID = "amzn1.application-oa2-client.0123456789abcdef0123456789abcdef"
LINKING_ID = "amzn1.application-oa2-client.fedcba9876543210fedcba9876543210"
CODE = "c29tZSBjb2Rl"

ADMIN_KEYS = {"access_key_id": "AKIDADMIN", "secret_access_key": "admin-secret"}


@dataclass
class Caller:
    """An access key: what it may not do."""

    denied: set[str] = field(default_factory=set)


def function_arn(region: str, *, account: str = ACCOUNT) -> str:
    """Return the ARN of the backend's function."""
    return f"arn:aws:lambda:{region}:{account}:function:{STACK}"


def skill_data(
    *, languages: tuple[str, ...] = ("de-DE",), version: str | None = None, **more: Any
) -> ConfigSubentry:
    """Return a skill that is set up, with what it has in AWS."""
    stacks = [
        {
            "region": region,
            "name": STACK,
            "function_arn": function_arn(region),
            "version": version or backend_version(),
            "code": CODE,
        }
        for region in sorted({lambda_region(one) for one in languages})
    ]
    data = {
        "skill_id": SKILL_ID,
        "languages": list(languages),
        "stacks": stacks,
        "client_id": CLIENT_ID,
        "linking_client_id": LINKING_ID,
        "secrets_written": "2026-11-01T00:00:00+00:00",
        **more,
    }
    return ConfigSubentry(
        data=MappingProxyType(data),
        subentry_type="alexa_skill",
        title="Alexa",
        unique_id="alexa_skill",
    )


class SkillAws:
    """What one account has of all that, in every region."""

    def __init__(self) -> None:
        self.stacks: dict[tuple[str, str], dict[str, Any]] = {}
        self.parameters: dict[str, str] = {}
        self.callers = {
            ACCOUNT_KEY: Caller(),
            ADMIN_KEYS["access_key_id"]: Caller(),
        }
        self.calls: list[tuple[str, str]] = []
        self.problems: list[str] = []
        # How many calls were refused for their keys.
        self.refused = 0
        # And in all.
        self.tried = 0
        # The folders of parameters that were read.
        self.paths: list[str] = []
        self.is_away = False
        # What AWS fails at, and what it has failed at.
        self.fails: set[str] = set()
        self.failed: list[str] = []
        # The reason why the next stack cannot be made.
        self.stack_fails: str | None = None
        # Set: stacks are made at once.
        self.may_make = threading.Event()
        self.may_make.set()
        # Set: that a stack is gone is told at once.
        self.may_delete = threading.Event()
        self.may_delete.set()
        self._numbers = count(1)

        self._called = threading.Condition()

    # What a test does or wants to know

    async def reaches(self, what: Callable[[], bool]) -> None:
        """Wait for calls after which something is true."""

        def wait() -> None:
            with self._called:
                assert self._called.wait_for(what, 20)

        await asyncio.to_thread(wait)

    def put(self, name: str, value: Any) -> None:
        """Store what the backend, or somebody else, has written."""
        text = value if isinstance(value, str) else json.dumps(value)
        self.parameters[f"{PATH}/{name}"] = text

    def put_stack(self, region: str) -> None:
        """Have the backend's stack, as it was made."""
        settings = StackSettings(
            skill_id=SKILL_ID, channel_region=REGION, ssm_path=PATH
        )
        parameters = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in settings.parameters.items()
        ]
        params = {"TemplateBody": template_body(), "Parameters": parameters}
        self._create_stack(region, {"StackName": STACK, **params})

    def change_code(self, region: str) -> None:
        """Have somebody change the function by another way."""
        self.stacks[region, STACK]["code"] = "b3RoZXI="

    def make_old(self, region: str) -> None:
        """Have a backend from an older version."""
        for output in self.stacks[region, STACK]["Outputs"]:
            if output["OutputKey"] == "Version":
                output["OutputValue"] = "an older one"

    @property
    def looks(self) -> int:
        """How often what runs has looked: the grants come last."""
        return self.paths.count(f"{PATH}/grants")

    def ask(self, user_id: str, name: str, email: str) -> None:
        """Have somebody ask to see the cameras."""
        owner = {"user_id": user_id, "name": name, "email": email, "asked_ms": 1}
        # The name is the digest that the backend makes.
        self.put(f"pending/{_digest(user_id)}", owner)

    def grant(
        self, user_id: str, refresh_token: str, region: str | None = None
    ) -> None:
        """Have somebody let the skill send events, by a region's function."""
        grant = {"user_id": user_id, "refresh_token": refresh_token, "granted_ms": 1}
        grant |= {"region": region} if region else {}
        self.put(f"grants/{_digest(user_id)}", grant)

    def allow(self, *user_ids: str) -> None:
        """Have some be allowed already."""
        self.put("owners", {"allowed": user_ids, "refused": []})

    @property
    def owners(self) -> dict[str, list[str]]:
        """The list that the backend reads."""
        owners: dict[str, list[str]] = json.loads(self.parameters[f"{PATH}/owners"])
        return owners

    def deny(self, *actions: str, caller: str = ACCOUNT_KEY) -> None:
        """Take rights from an access key."""
        self.callers[caller].denied |= set(actions)

    # boto3

    def session(self, **keys: Any) -> Any:
        """Stand in for boto3's session."""
        return _Session(self, str(keys["aws_access_key_id"]))

    def call(
        self, key: str, service: str, region: str, operation: str, params: Any
    ) -> Any:
        """Answer a call, and tell who waits for it."""
        try:
            return self._call(key, service, region, operation, params)
        finally:
            with self._called:
                self._called.notify_all()

    def _call(
        self, key: str, service: str, region: str, operation: str, params: Any
    ) -> Any:
        """Answer, or refuse as AWS does."""
        if threading.current_thread() is threading.main_thread():
            self.problems.append(f"{operation} blocks the event loop")
        self.tried += 1
        if self.is_away:
            raise EndpointConnectionError(endpoint_url=f"https://{service}.{region}")
        if key not in self.callers:
            self.refused += 1
            raise _error(operation, "InvalidClientTokenId", "The token is invalid")
        action = f"{service}:{operation}"
        if action in self.callers[key].denied:
            text = f"User is not authorized to perform: {action} on resource: *"
            raise _error(operation, "AccessDeniedException", text)
        if action in self.fails:
            self.failed.append(action)
            raise _error(operation, "ServiceException", "Something went wrong")
        try:
            check_input(service_model(service).operation_model(operation), params)
        except ApiError as err:
            self.problems.append(f"{action}: {err}")
            raise _error(operation, "ValidationException", str(err)) from None
        self.calls.append((operation, region))
        return getattr(self, f"_{xform_name(operation)}")(region, params)

    # CloudFormation

    def _stack(self, region: str, name: str) -> dict[str, Any]:
        for (where, own), stack in self.stacks.items():
            if where == region and name in (own, stack["StackId"]):
                return stack
        raise _error(
            "DescribeStacks",
            "ValidationError",
            f"Stack with id {name} does not exist",
        )

    def _describe_stacks(self, region: str, params: Any) -> Any:
        return {"Stacks": [self._stack(region, params["StackName"])]}

    def _describe_stack_events(self, region: str, params: Any) -> Any:
        return {"StackEvents": self._stack(region, params["StackName"])["events"]}

    def _create_stack(self, region: str, params: Any) -> Any:
        name = params["StackName"]
        assert (region, name) not in self.stacks
        number = next(self._numbers)
        stack_id = f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/{number}"
        self.stacks[region, name] = {
            "StackId": stack_id,
            "StackName": name,
            "events": [],
            "StackStatus": "CREATE_IN_PROGRESS",
        }
        assert self.may_make.wait(20)
        self._make(region, name, params, "CREATE")
        return {"StackId": stack_id}

    def _update_stack(self, region: str, params: Any) -> Any:
        stack = self._stack(region, params["StackName"])
        assert self.may_make.wait(20)
        self._make(region, stack["StackName"], params, "UPDATE")
        return {"StackId": stack["StackId"]}

    def _make(self, region: str, name: str, params: Any, what: str) -> None:
        stack = self.stacks[region, name]
        reason, self.stack_fails = self.stack_fails, None
        stack["StackStatus"] = f"{what}_{'FAILED' if reason else 'COMPLETE'}"
        event = {
            "StackId": stack["StackId"],
            "EventId": str(len(stack["events"])),
            "LogicalResourceId": "Role",
            "PhysicalResourceId": "role",
            "ResourceStatus": stack["StackStatus"],
        }
        if reason:
            event["ResourceStatusReason"] = reason
        stack["events"].insert(0, event)
        template = json.loads(params["TemplateBody"])
        stack["Parameters"] = params["Parameters"]
        outputs = {
            "FunctionArn": function_arn(region),
            "Version": template["Outputs"]["Version"]["Value"],
        }
        if not reason:
            stack["Outputs"] = [
                {"OutputKey": key, "OutputValue": value}
                for key, value in outputs.items()
            ]

    def _delete_stack(self, region: str, params: Any) -> Any:
        stack = self._stack(region, params["StackName"])
        del self.stacks[region, stack["StackName"]]
        with self._called:
            self._called.notify_all()
        assert self.may_delete.wait(20)
        return {}

    # Lambda

    def _get_function_configuration(self, region: str, params: Any) -> Any:
        given = {
            item["ParameterKey"]: item["ParameterValue"]
            for item in self.stacks[region, STACK]["Parameters"]
        }
        variables = {
            "CHANNEL_REGION": given["ChannelRegion"],
            "NAME_PREFIX": given["NamePrefix"],
            "SKILL_ID": given["SkillId"],
            "SSM_PATH": given["SsmPath"],
        }
        code = self.stacks[region, STACK].get("code", CODE)
        return {"CodeSha256": code, "Environment": {"Variables": variables}}

    def _get_policy(self, region: str, params: Any) -> Any:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "alexa-connectedhome.amazon.com"},
            "Condition": {"StringEquals": {"lambda:EventSourceToken": SKILL_ID}},
        }
        return {"Policy": json.dumps({"Statement": [statement]})}

    # Parameter Store

    def _get_parameters_by_path(self, region: str, params: Any) -> Any:
        self._is_home(region)
        self.paths.append(params["Path"])
        path = f"{params['Path']}/"
        found = [
            {"Name": name, "Value": value}
            for name, value in self.parameters.items()
            if name.startswith(path)
            and (params.get("Recursive") or "/" not in name.removeprefix(path))
        ]
        return {"Parameters": found}

    def _put_parameter(self, region: str, params: Any) -> Any:
        self._is_home(region)
        assert params["Type"] == "SecureString"
        self.parameters[params["Name"]] = params["Value"]
        return {"Version": 1}

    def _delete_parameters(self, region: str, params: Any) -> Any:
        self._is_home(region)
        for name in params["Names"]:
            self.parameters.pop(name, None)
        return {}

    def _is_home(self, region: str) -> None:
        """Parameters are in the channels' region."""
        assert region == REGION


class _Session:
    def __init__(self, aws: SkillAws, key: str) -> None:
        self._aws, self._key = aws, key

    def client(self, service: str, *, region_name: str, config: Any) -> Any:
        assert config.connect_timeout <= 10
        assert config.read_timeout <= 30
        return _Client(self._aws, self._key, service, region_name)


class _Client:
    def __init__(self, aws: SkillAws, key: str, service: str, region: str) -> None:
        self._call: Callable[[str, Mapping[str, Any]], Any] = lambda name, params: (
            aws.call(key, service, region, name, dict(params))
        )
        # Where signatures are made, and AWS's time is learnt.
        self.meta = MagicMock()
        names = service_model(service).operation_names
        self._operations = {xform_name(name): name for name in names}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = self._operations[name]
        return lambda **params: self._call(operation, params)


def _digest(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


def _error(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
