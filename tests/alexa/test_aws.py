"""Calls of AWS's services: each client made once, each error one of ours."""

import asyncio
from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    ConnectTimeoutError,
    NoCredentialsError,
    ParamValidationError,
    SSLError,
)
import pytest

from custom_components.kinesis_webrtc.alexa.aws import Aws, is_passing, translate
from custom_components.kinesis_webrtc.alexa.errors import (
    AccessRefusedError,
    AlexaServiceError,
    AlexaSkillError,
    CannotReachAwsError,
    KeysRefusedError,
    StackFailedError,
)
from tests.helpers.moto import aws_error


class Client:
    """A client of one operation."""

    def describe_stacks(self, **params: Any) -> Any:
        return params


async def execute(target: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(target, *args)


async def test_a_client_is_made_once_for_each_service_and_region() -> None:
    made: list[tuple[str, str]] = []

    def create_client(service: str, region: str) -> Client:
        made.append((service, region))
        return Client()

    aws = Aws(create_client=create_client, execute=execute)
    params = {"StackName": "x"}
    answers = await asyncio.gather(
        *(
            aws.call("cloudformation", region, "DescribeStacks", params)
            for region in ("eu-west-1", "eu-west-1", "us-east-1")
        )
    )

    assert answers == [params] * 3
    assert sorted(made) == [
        ("cloudformation", "eu-west-1"),
        ("cloudformation", "us-east-1"),
    ]


async def test_a_client_that_cannot_be_made_is_an_error_of_ours() -> None:
    def create_client(*_: str) -> Client:
        raise NoCredentialsError

    aws = Aws(create_client=create_client, execute=execute)

    with pytest.raises(KeysRefusedError):
        await aws.call("ssm", "eu-west-1", "DescribeStacks", {})


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (NoCredentialsError(), KeysRefusedError, "NoCredentialsError"),
        (
            aws_error("X", "InvalidSignatureException", "a token"),
            KeysRefusedError,
            "InvalidSignatureException",
        ),
        (
            ConnectTimeoutError(endpoint_url="https://aws"),
            CannotReachAwsError,
            "ConnectTimeoutError",
        ),
        (
            SSLError(endpoint_url="https://aws", error="expired"),
            CannotReachAwsError,
            "SSLError",
        ),
        (OSError("a path"), CannotReachAwsError, "OSError"),
        (
            ParamValidationError(report="a secret"),
            AlexaServiceError,
            "ParamValidationError",
        ),
        (
            aws_error("X", "ValidationError", "Stack is away"),
            AlexaServiceError,
            "ValidationError: Stack is away",
        ),
        (
            aws_error("X", "AccessDenied", "not authorized to perform: iam:GetRole on"),
            AccessRefusedError,
            "iam:GetRole",
        ),
        (aws_error("X", "AccessDeniedException"), AccessRefusedError, "ssm:X"),
        (StackFailedError("its words"), StackFailedError, "its words"),
    ],
)
def test_an_error_says_what_a_user_can_do(
    raised: Exception, kind: type[AlexaSkillError], text: str
) -> None:
    error = translate(raised, action="ssm:X")

    assert type(error) is kind
    assert str(error) == text


@pytest.mark.parametrize(
    ("raised", "passing"),
    [
        (aws_error("X", "ThrottlingException"), True),
        (aws_error("X", "Throttling"), True),
        (OSError(), True),
        (aws_error("X", "ValidationError"), False),
        (aws_error("X", "AccessDenied"), False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(
    raised: Exception, passing: bool
) -> None:
    assert is_passing(translate(raised, action="ssm:X")) is passing


def test_what_aws_says_is_one_line_that_a_log_can_take() -> None:
    found = translate(
        aws_error("X", "Odd\ud800", "first\r\nsecond" + "x" * 5000), action="a:B"
    )

    assert str(found).isprintable()
    assert len(str(found)) < 2500
