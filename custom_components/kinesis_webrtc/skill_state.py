"""What is known of an Alexa skill's way to Alexa, and which regions do not agree.

A customer's account, the skill's language, the function's region and the event gateway
have to be of the same part of the world. Where they are not, Alexa finds no cameras or
takes no events, and tells nobody why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .alexa.regions import GatewayRegion, lambda_region
from .const import CONF_FUNCTION_ARN, CONF_LANGUAGES, CONF_REGION, CONF_STACKS

# A gateway's words for a fresh access token of a customer whom it does not know.
_UNKNOWN_THERE: Final = frozenset({"INVALID_ACCESS_TOKEN_EXCEPTION", "HTTP_401"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayState:
    """An event gateway: what it made of the last event, and how many wait for it."""

    last_result: str | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """A customer's grant: AWS's region that got it, and which gateways refuse it why."""

    region: str | None
    refused: Mapping[GatewayRegion, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillState:
    """A skill while it runs; names nobody."""

    error: str | None
    has_secrets: bool
    gateways: Mapping[GatewayRegion, GatewayState]
    grants: tuple[GrantState, ...]


def mismatches(data: Mapping[str, Any], state: SkillState) -> list[str]:
    """Name what of a skill is in another region than its languages need."""
    languages: dict[str, list[str]] = {}
    for language in data[CONF_LANGUAGES]:
        languages.setdefault(lambda_region(language), []).append(language)
    wanted = "; ".join(
        f"{', '.join(spoken)}: {region}" for region, spoken in languages.items()
    )
    functions: set[str] = set()
    found = []
    for stack in data[CONF_STACKS]:
        region = _region_of(stack.get(CONF_FUNCTION_ARN) or "") or stack[CONF_REGION]
        functions.add(region)
        if region not in languages:
            found.append(f"a function is in {region}, the languages need {wanted}")
    found += [
        f"no function is in {region}, where Alexa looks for {', '.join(spoken)}"
        for region, spoken in languages.items()
        if region not in functions
    ]
    for grant in state.grants:
        if grant.region is not None and grant.region not in languages:
            found.append(
                f"a customer was linked in {grant.region}, the languages need {wanted}:"
                " no events are sent to that customer"
            )
        found += [
            f"the gateway {region} refuses a fresh token ({code}):"
            " the customer's Amazon account is of another region"
            for region, code in grant.refused.items()
            if code in _UNKNOWN_THERE
        ]
    return found


def _region_of(arn: str) -> str | None:
    """Return the region that an ARN names."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 else None
