"""The skill's function as it is in AWS Lambda, and as its stack made it."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import logging
from typing import Any, Final

from .aws import Aws
from .errors import AccessRefusedError, AlexaServiceError

_LOGGER = logging.getLogger(__name__)

_ALEXA: Final = "alexa-connectedhome.amazon.com"
# Its variables, by the template's parameters.
_VARIABLES: Final = {
    "CHANNEL_REGION": "ChannelRegion",
    "NAME_PREFIX": "NamePrefix",
    "SKILL_ID": "SkillId",
    "SSM_PATH": "SsmPath",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a stack made: by its parameters, and the digest of the code, if known."""

    arn: str
    parameters: Mapping[str, str]
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """What is there; None where the keys may not look, or nothing is."""

    exists: bool
    code: str | None = None
    variables: Mapping[str, str] | None = None
    skill_ids: frozenset[str] | None = None


async def look_up_function(aws: Aws, region: str, arn: str) -> Function | None:
    """Return the function, or None where the keys may not look at it."""
    try:
        found = await _call(aws, region, "GetFunctionConfiguration", arn)
    except AccessRefusedError as err:
        _unseen(err)
        return None
    if found is None:
        return Function(exists=False)
    skill_ids: frozenset[str] | None = None
    try:
        policy = await _call(aws, region, "GetPolicy", arn)
    except AccessRefusedError as err:
        _unseen(err)
    else:
        skill_ids = _skill_ids(policy["Policy"]) if policy else frozenset()
    return Function(
        exists=True,
        code=found["CodeSha256"],
        variables=found.get("Environment", {}).get("Variables", {}),
        skill_ids=skill_ids,
    )


def _unseen(err: AccessRefusedError) -> None:
    # All else works; the daily look says it once a day.
    _LOGGER.warning(
        "Whether the Alexa skill's function is as it was made cannot be seen: the keys"
        " lack the IAM action %s",
        err.action,
    )


def has_drifted(deployed: Deployed, function: Function | None) -> bool:
    """Return whether what can be seen of the function is not as its stack made it."""
    if function is None:
        return False
    variables = {
        name: deployed.parameters.get(parameter)
        for name, parameter in _VARIABLES.items()
    }
    return (
        not function.exists
        or (deployed.code is not None and function.code != deployed.code)
        or function.variables != variables
        or (
            function.skill_ids is not None
            and deployed.parameters.get("SkillId") not in function.skill_ids
        )
    )


async def _call(
    aws: Aws, region: str, operation: str, arn: str
) -> Mapping[str, Any] | None:
    try:
        return await aws.call("lambda", region, operation, {"FunctionName": arn})
    except AlexaServiceError as err:
        if err.code.startswith("ResourceNotFound"):
            return None
        raise


def _skill_ids(policy: str) -> frozenset[str]:
    """Return the skills that may call the function."""
    return frozenset(
        str(token)
        for statement in json.loads(policy).get("Statement", ())
        if statement.get("Effect") == "Allow"
        and statement.get("Principal") == {"Service": _ALEXA}
        for test in statement.get("Condition", {}).values()
        for key, token in test.items()
        if key.lower() == "lambda:eventsourcetoken"
    )
