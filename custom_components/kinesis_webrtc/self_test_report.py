"""What a self-test has found, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN

PASSED: Final = "passed"


class Stage(StrEnum):
    """The way from a viewer to its first picture; closed list, in its order."""

    CHANNEL = "channel"
    MASTER = "master"
    OFFER = "offer"
    ANSWER = "answer"
    STUN = "stun"
    RELAY = "relay"
    ICE = "ice"
    DTLS = "dtls"
    KEY_FRAME = "key_frame"


class AlexaRule(StrEnum):
    """What an Echo asks of a camera beyond that; closed list."""

    DEADLINE = "alexa_deadline"
    CANDIDATES = "alexa_candidates"
    PROFILE = "alexa_profile"
    SIZE = "alexa_size"


class Verdict(StrEnum):
    """How a stage or a rule came out; closed list."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not_reached"


# What to do about it, as the key of an exception's text.
ADVICE: Final[Mapping[Stage | AlexaRule, str]] = {
    Stage.CHANNEL: "self_test_channel",
    Stage.MASTER: "self_test_master",
    Stage.OFFER: "self_test_offer",
    Stage.ANSWER: "self_test_answer",
    Stage.STUN: "self_test_stun",
    Stage.RELAY: "self_test_relay",
    Stage.ICE: "self_test_ice",
    Stage.DTLS: "self_test_dtls",
    Stage.KEY_FRAME: "self_test_key_frame",
    AlexaRule.DEADLINE: "self_test_alexa_deadline",
    AlexaRule.CANDIDATES: "self_test_alexa_candidates",
    AlexaRule.PROFILE: "self_test_alexa_profile",
    AlexaRule.SIZE: "self_test_alexa_size",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What to do, as the key of an exception's text and what the text names."""

    key: str
    placeholders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageResult:
    """How one stage came out; `ms` is what it alone has taken, in milliseconds."""

    stage: Stage
    verdict: Verdict
    ms: float | None = None
    advice: Advice | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """How one of Alexa's rules came out, and by what value."""

    rule: AlexaRule
    verdict: Verdict
    value: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTestReport:
    """All stages and rules, each in its order; `connection` is the pictures' way."""

    stages: tuple[StageResult, ...]
    rules: tuple[RuleResult, ...]
    connection: str | None = None

    @property
    def failed_stage(self) -> StageResult | None:
        """The first stage that failed."""
        return next(
            (each for each in self.stages if each.verdict is Verdict.FAILED), None
        )

    @property
    def failed_rule(self) -> RuleResult | None:
        """The first of Alexa's rules that is not kept."""
        return next(
            (each for each in self.rules if each.verdict is Verdict.FAILED), None
        )

    @property
    def verdict(self) -> str:
        """`passed`, else the first stage that failed, else the first rule."""
        if (stage := self.failed_stage) is not None:
            return stage.stage.value
        if (rule := self.failed_rule) is not None:
            return rule.rule.value
        return PASSED

    @property
    def advice(self) -> Advice | None:
        """What to do about the first that failed."""
        if (stage := self.failed_stage) is not None:
            return stage.advice or Advice(key=ADVICE[stage.stage])
        if (rule := self.failed_rule) is not None:
            return Advice(
                key=ADVICE[rule.rule], placeholders={"value": rule.value or ""}
            )
        return None


async def async_as_response(
    hass: HomeAssistant, report: SelfTestReport
) -> dict[str, Any]:
    """Return a report as an action's response, in Home Assistant's language."""
    names = await _async_texts(hass, "selector", "selector.self_test.options.")
    texts = await _async_texts(hass, "exceptions", "exceptions.")
    advice = report.advice
    text = texts.get(f"{advice.key}.message", advice.key) if advice else None
    if advice is not None and text is not None:
        for name, value in advice.placeholders.items():
            text = text.replace(f"{{{name}}}", value)
    return {
        "passed": report.failed_stage is None,
        "alexa_ready": report.verdict == PASSED,
        "verdict": report.verdict,
        "advice": text,
        "connection": report.connection,
        "stages": [
            {
                "stage": each.stage.value,
                "name": names.get(each.stage.value, each.stage.value),
                "verdict": each.verdict.value,
                "ms": None if each.ms is None else round(each.ms),
            }
            for each in report.stages
        ],
        "alexa": [
            {
                "rule": each.rule.value,
                "name": names.get(each.rule.value, each.rule.value),
                "verdict": each.verdict.value,
                "value": each.value,
            }
            for each in report.rules
        ],
    }


async def _async_texts(
    hass: HomeAssistant, category: str, prefix: str
) -> dict[str, str]:
    start = f"component.{DOMAIN}.{prefix}"
    texts = await async_get_translations(hass, hass.config.language, category, {DOMAIN})
    return {
        key.removeprefix(start): text
        for key, text in texts.items()
        if key.startswith(start)
    }
