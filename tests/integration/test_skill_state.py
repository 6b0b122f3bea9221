"""Tests of naming what of a skill is in another region than its languages need."""

from collections.abc import Mapping
from typing import Any

import pytest

from custom_components.kinesis_webrtc.alexa.regions import GatewayRegion
from custom_components.kinesis_webrtc.skill_state import (
    GrantState,
    SkillState,
    mismatches,
)

from .skill_aws import function_arn, skill_data


def state(*grants: GrantState) -> SkillState:
    """Return a running skill with some customers."""
    return SkillState(error=None, has_secrets=True, gateways={}, grants=grants)


def grant(
    region: str | None, refused: Mapping[GatewayRegion, str] | None = None
) -> GrantState:
    return GrantState(region=region, refused=refused or {})


def data(languages: tuple[str, ...], *functions: tuple[str, str]) -> Mapping[str, Any]:
    """Return a skill's data with functions, each by its stack's region and its own."""
    stacks = [
        {"region": region, "name": "s", "function_arn": function_arn(own)}
        for region, own in functions
    ]
    return {**skill_data(languages=languages).data, "stacks": stacks}


EU, NA, OTHER = "eu-west-1", "us-east-1", "eu-central-1"


@pytest.mark.parametrize(
    ("skill", "grants"),
    [
        (data(("de-DE",), (EU, EU)), ()),
        (data(("de-DE", "fr-FR"), (EU, EU)), (grant(EU), grant(None))),
        (data(("de-DE", "en-US"), (EU, EU), (NA, NA)), (grant(EU), grant(NA))),
        # Refused for what has nothing to do with regions.
        (
            data(("de-DE",), (EU, EU)),
            (grant(EU, {GatewayRegion.EU: "SKILL_DISABLED_EXCEPTION"}),),
        ),
    ],
)
def test_what_agrees_is_not_named(
    skill: Mapping[str, Any], grants: tuple[GrantState, ...]
) -> None:
    assert mismatches(skill, state(*grants)) == []


def test_a_function_where_alexa_does_not_look_is_named() -> None:
    assert mismatches(data(("de-DE",), (OTHER, OTHER)), state()) == [
        "a function is in eu-central-1, the languages need de-DE: eu-west-1",
        "no function is in eu-west-1, where Alexa looks for de-DE",
    ]


def test_a_function_whose_arn_is_of_another_region_is_named() -> None:
    first, second = mismatches(data(("en-US",), (NA, EU)), state())

    assert first == "a function is in eu-west-1, the languages need en-US: us-east-1"
    assert second == "no function is in us-east-1, where Alexa looks for en-US"


def test_a_language_without_a_function_is_named() -> None:
    skill = data(("de-DE", "fr-FR", "en-US"), (NA, NA))

    assert mismatches(skill, state()) == [
        "no function is in eu-west-1, where Alexa looks for de-DE, fr-FR"
    ]


def test_a_customer_of_another_region_is_named() -> None:
    (named,) = mismatches(data(("de-DE",), (EU, EU)), state(grant(NA)))

    assert "linked in us-east-1, the languages need de-DE: eu-west-1" in named


@pytest.mark.parametrize("code", ["INVALID_ACCESS_TOKEN_EXCEPTION", "HTTP_401"])
def test_a_gateway_that_does_not_know_the_customer_is_named(code: str) -> None:
    refused = grant(EU, {GatewayRegion.EU: code})

    (named,) = mismatches(data(("de-DE",), (EU, EU)), state(refused))

    assert f"the gateway EU refuses a fresh token ({code})" in named
