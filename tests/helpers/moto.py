"""AWS's CloudFormation, IAM, Lambda, logs and Parameter Store: moto, as a process.

moto takes what AWS would not; `StrictClients` hands out boto3 clients that refuse it
themselves, and keeps what they were asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import json
import re
import subprocess
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
import pytest

from tests.emulator import User
from tests.emulator.models import check_input, service_model
from tests.system import MARK, ROOT

PYTHON = ROOT / ".dev" / "aws" / "bin" / "python"
# Whose everything in moto is.
ACCOUNT = "123456789012"

_SERVER = ROOT / "tests" / "helpers" / "moto_server.py"
# What Home Assistant itself asks; signaling and its STS are the emulator's.
_ENDPOINTS = ("cloudformation", "lambda", "ssm")


class Moto:
    """A moto server on loopback; it ends with this process at the latest."""

    url: str

    def __enter__(self) -> Self:
        assert PYTHON.exists(), f"{MARK}: .dev/aws (scripts/setup makes it)"
        self._process = subprocess.Popen(
            # Not with this folder on the path, where moto is another module.
            [PYTHON, "-P", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "moto did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def reset(self) -> None:
        """Forget everything."""
        request = Request(f"{self.url}/moto-api/reset", method="POST")
        with urlopen(request, timeout=30) as response:
            assert response.status == 200

    @property
    def environment(self) -> Mapping[str, str]:
        """Where boto3 finds these services, and only these."""
        return {
            f"AWS_ENDPOINT_URL_{service.upper()}": self.url for service in _ENDPOINTS
        }

    def client(self, service: str, region: str) -> Any:
        """Return a plain client, for a test's own eyes."""
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="AKIATEST000000000000",
            aws_secret_access_key="of-the-tests",
            config=Config(retries={"total_max_attempts": 1}),
        )


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a client was asked, under the names of the API reference."""

    service: str
    region: str
    operation: str
    params: Mapping[str, Any] = field(repr=False)

    @property
    def action(self) -> str:
        """The IAM action."""
        return f"{self.service}:{self.operation}"

    @property
    def resource(self) -> str:
        """The ARN that IAM is asked about."""
        prefix = f"arn:aws:{self.service}:{self.region}:{ACCOUNT}"
        match self.service:
            case "cloudformation":
                name = self.params["StackName"]
                return name if name.startswith("arn:") else f"{prefix}:stack/{name}/*"
            case "lambda":
                name = self.params["FunctionName"]
                return name if name.startswith("arn:") else f"{prefix}:function:{name}"
            case "ssm":
                name = self.params.get("Name") or self.params.get("Path")
                return f"{prefix}:parameter{name or self.params['Names'][0]}"
        return "*"


class StrictClients:
    """Makes clients, as `create_client`, under a policy; `calls` are those let through."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        self.calls: list[Call] = []
        self.policies: Sequence[Mapping[str, Any]] | None = None
        # May raise what AWS would.
        self.on_call: Callable[[Call], None] = lambda _: None

    def __call__(self, service: str, region: str) -> Any:
        """Return a client."""
        client = self._moto.client(service, region)

        def check(params: dict[str, Any], model: Any, **_: object) -> None:
            call = Call(
                service=service,
                region=region,
                operation=model.name,
                params=dict(params),
            )
            self._check(call)
            self.calls.append(call)

        client.meta.events.register("provide-client-params.*.*", check)
        return client

    def _check(self, call: Call) -> None:
        self.on_call(call)
        if self.policies is not None:
            user = User(
                access_key_id="A", secret_access_key="-", policies=self.policies
            )
            if not user.may(call.action, call.resource):
                raise aws_error(
                    call.operation,
                    "AccessDenied",
                    f"User: arn:aws:iam::{ACCOUNT}:user/home is not authorized to"
                    f" perform: {call.action} on resource: {call.resource}",
                )
        model = service_model(call.service).operation_model(call.operation)
        if call.service != "lambda":
            check_input(model, dict(call.params))
        if "TemplateBody" in call.params:
            _check_template(call)
        if call.service == "ssm":
            _check_parameter(call)


def aws_error(operation: str, code: str, message: str = "") -> ClientError:
    """Return what boto3 raises."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _check_template(call: Call) -> None:
    body = call.params["TemplateBody"]
    if len(body.encode()) > 51_200:
        raise aws_error(call.operation, "ValidationError", "the template is too large")
    template = json.loads(body)
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    if "AWS::IAM::Role" in kinds and "CAPABILITY_IAM" not in call.params.get(
        "Capabilities", ()
    ):
        raise aws_error(
            call.operation, "InsufficientCapabilitiesException", "CAPABILITY_IAM"
        )
    given = {
        parameter["ParameterKey"]: parameter["ParameterValue"]
        for parameter in call.params.get("Parameters", ())
    }
    for name, parameter in template["Parameters"].items():
        value = given.pop(name, parameter.get("Default"))
        if value is None or not re.fullmatch(
            parameter.get("AllowedPattern", ".*"), value
        ):
            raise aws_error(
                call.operation,
                "ValidationError",
                f"Parameter {name} failed to satisfy constraint",
            )
    if given:
        raise aws_error(call.operation, "ValidationError", f"do not exist: {given}")


def _check_parameter(call: Call) -> None:
    """Check names and size.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    """
    names = call.params.get("Names") or [
        call.params.get("Name") or call.params.get("Path")
    ]
    for name in names:
        if (
            not re.fullmatch(r"(/[a-zA-Z0-9_.-]+){1,15}", name)
            or re.match(r"/?(aws|ssm)", name, re.IGNORECASE)
            or len(f"arn:aws:ssm:{call.region}:{ACCOUNT}:parameter{name}") > 1011
        ):
            raise aws_error(call.operation, "ValidationException", "Parameter name")
    limit = 8192 if call.params.get("Tier") == "Advanced" else 4096
    if len(call.params.get("Value", "").encode()) > limit:
        raise aws_error(call.operation, "ValidationException", "too large for the tier")


@pytest.fixture(scope="session")
def _moto() -> Any:
    with Moto() as server:
        yield server


@pytest.fixture
def moto(_moto: Moto) -> Moto:
    """Return a server that has nothing in it."""
    _moto.reset()
    return _moto
