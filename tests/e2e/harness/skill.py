"""The skill's function as it was deployed to moto, called as Alexa calls it."""

import asyncio
from collections.abc import Mapping
import json
from types import ModuleType
from typing import Any

import pytest

from tests.alexa.conftest import check_schema
from tests.helpers.moto import Moto

from .emulator import Emulator

# Where Amazon looks for a skill in American English.
REGION = "us-east-1"


class DeployedSkill:
    """Runs the code of a stack in this process, with the variables that AWS has."""

    def __init__(
        self,
        *,
        moto: Moto,
        emulator: Emulator,
        lwa_url: str,
        stack: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        account = emulator.lambda_function
        function = moto.client("lambda", REGION).get_function_configuration(
            FunctionName=stack
        )
        environment: Mapping[str, str] = {
            **emulator.environment,
            "AWS_ENDPOINT_URL_SSM": moto.url,
            "AWS_ACCESS_KEY_ID": account.access_key_id,
            "AWS_SECRET_ACCESS_KEY": account.secret_access_key,
            "AWS_LAMBDA_FUNCTION_NAME": function["FunctionName"],
            **function["Environment"]["Variables"],
            "LWA_URL": lwa_url,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        self._module = ModuleType("lambda_function")
        # Dataclasses look their module up.
        monkeypatch.setitem(__import__("sys").modules, "lambda_function", self._module)
        exec(_code(moto, stack), self._module.__dict__)  # noqa: S102

    async def __call__(self, event: Any) -> dict[str, Any]:
        """Return the answer to a directive, which keeps to Alexa's schemas."""
        response: dict[str, Any] = await asyncio.to_thread(
            self._module.lambda_handler, event, None
        )
        check_schema(response)
        return response


def _code(moto: Moto, stack: str) -> str:
    template = moto.client("cloudformation", REGION).get_template(StackName=stack)
    body = template["TemplateBody"]
    if isinstance(body, str):
        body = json.loads(body)
    code: str = body["Resources"]["Function"]["Properties"]["Code"]["ZipFile"]
    return code
