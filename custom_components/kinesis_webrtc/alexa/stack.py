"""The stacks of the skill's backend: one in each region that its languages force."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
import hashlib
import re
from typing import Final

from .aws import Aws, CreateClient, Execute
from .cloudformation import CloudFormation, Description, is_overtaken
from .errors import AlexaServiceError, StackFailedError, StackTimeoutError
from .function import Deployed, has_drifted, look_up_function
from .template import backend_version, resources, template_body

# Of the function, which has the stack's name.
_MAX_NAME: Final = 64
_NAME_PREFIX: Final = "kinesis-webrtc-"
# CloudFormation would not update these, only delete them.
_LEFTOVERS: Final = frozenset(
    {
        "CREATE_FAILED",
        "DELETE_FAILED",
        "REVIEW_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "UPDATE_ROLLBACK_FAILED",
    }
)


def stack_name(skill_id: str) -> str:
    """Return the name of a skill's stacks, which is their functions' name as well."""
    own = re.sub(r"[^A-Za-z0-9-]", "-", skill_id.rpartition(".")[2])
    if not own or len(_NAME_PREFIX + own) > _MAX_NAME:
        own = hashlib.sha256(skill_id.encode()).hexdigest()[:32]
    return _NAME_PREFIX + own


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """What a stack is made for.

    `channel_region` is that of the signaling channels and of the parameters below
    `ssm_path`; the stack itself may be in another one.
    """

    skill_id: str
    channel_region: str
    ssm_path: str
    name_prefix: str = "ha-"

    @property
    def name(self) -> str:
        """Return the stack's name."""
        return stack_name(self.skill_id)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the template's parameters."""
        return {
            "SkillId": self.skill_id,
            "ChannelRegion": self.channel_region,
            "NamePrefix": self.name_prefix,
            "SsmPath": self.ssm_path,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that is there.

    `version` is to be compared with backend_version(). `drifted` says that somebody
    changed the function by another way; `code` is the digest of its code as AWS has it,
    or None where the keys may not look.
    """

    region: str
    name: str
    function_arn: str
    version: str
    drifted: bool = False
    code: str | None = None


class Stacks:
    """The stacks of one AWS account. All methods raise AlexaSkillErrors."""

    def __init__(
        self,
        *,
        create_client: CreateClient,
        execute: Execute,
        poll_interval: float = 2.0,
        patience: float = 300.0,
    ) -> None:
        """Prepare; `poll_interval` and `patience`, for one operation, are in seconds."""
        self._aws = Aws(create_client=create_client, execute=execute)
        self._execute = execute
        self._poll_interval = poll_interval
        self._patience = patience

    async def deploy(
        self,
        region: str,
        settings: StackSettings,
        *,
        code: str | None = None,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> Stack:
        """Make a stack, or bring the one that is there up to date.

        `code` is as for describe(): one that has drifted is made anew. `on_progress` is
        told the part that is done, 0 to 1. What a failed try has made is deleted before
        StackFailedError is raised; a failed update leaves the stack as it was.
        StackTimeoutError: CloudFormation goes on; deploy() again waits for it.
        """
        request = {
            "StackName": settings.name,
            "TemplateBody": await self._execute(template_body),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in settings.parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }
        total = await self._execute(resources)
        stacks = self._stacks(region)
        async with self._in_time(settings.name):
            on_progress(0.0)
            while True:
                found = await stacks.rest(settings.name)
                if found is not None and (
                    found["StackStatus"] in _LEFTOVERS
                    # An update compares templates, not what has become of the function.
                    or await self._has_drifted(region, found, code)
                ):
                    await stacks.delete(found["StackId"])
                    found = None
                try:
                    if found is None:
                        await stacks.create(request, total, on_progress)
                    else:
                        await stacks.update(
                            found["StackId"], request, total, on_progress
                        )
                except AlexaServiceError as err:
                    if not is_overtaken(err):
                        raise
                    await stacks.pause()
                else:
                    break
            stack = await self.describe(region, settings.name)
        if stack is None:
            raise StackFailedError(f"{settings.name} was deleted meanwhile")
        on_progress(1.0)
        return stack

    async def describe(
        self, region: str, name: str, *, code: str | None = None
    ) -> Stack | None:
        """Return a stack, or None if it is not there or was never finished.

        `code` is that of the Stack which deploy() returned, to notice changes by.
        """
        found = await self._stacks(region).find(name)
        return await self._look_at(region, found, code) if found else None

    async def _has_drifted(
        self, region: str, found: Description, code: str | None
    ) -> bool:
        stack = await self._look_at(region, found, code)
        return stack is not None and stack.drifted

    async def _look_at(
        self, region: str, found: Description, code: str | None
    ) -> Stack | None:
        outputs = {
            output["OutputKey"]: output["OutputValue"]
            for output in found.get("Outputs", ())
        }
        if "FunctionArn" not in outputs:
            return None
        deployed = Deployed(
            arn=outputs["FunctionArn"],
            parameters={
                parameter["ParameterKey"]: parameter.get("ParameterValue", "")
                for parameter in found.get("Parameters", ())
            },
            code=code,
        )
        function = await look_up_function(self._aws, region, deployed.arn)
        return Stack(
            region=region,
            name=found["StackName"],
            function_arn=deployed.arn,
            version=outputs.get("Version", ""),
            drifted=has_drifted(deployed, function),
            code=function.code if function else None,
        )

    async def delete(self, region: str, name: str) -> None:
        """Delete a stack with all that is in it; return when it is gone."""
        stacks = self._stacks(region)
        async with self._in_time(name):
            if (found := await stacks.rest(name)) is not None:
                await stacks.delete(found["StackId"])

    def _stacks(self, region: str) -> CloudFormation:
        return CloudFormation(self._aws, region, poll_interval=self._poll_interval)

    @asynccontextmanager
    async def _in_time(self, name: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            raise StackTimeoutError(
                f"{name} is not finished after {self._patience:.0f} s"
            ) from None


__all__ = [
    "Stack",
    "StackSettings",
    "Stacks",
    "backend_version",
    "stack_name",
    "template_body",
]
