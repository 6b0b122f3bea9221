"""Tests of what users are told when AWS refuses."""

from typing import Any

from homeassistant.exceptions import (
    ServiceValidationError,
)
import pytest

from custom_components.kinesis_webrtc.alexa.errors import (
    AccessRefusedError,
    AlexaServiceError,
    AlexaSkillError,
    CannotReachAwsError,
    KeysRefusedError,
    StackFailedError,
    StackTimeoutError,
    TooManyOwnersError,
)
from custom_components.kinesis_webrtc.const import DOMAIN
from custom_components.kinesis_webrtc.errors import (
    as_home_assistant_error,
    flow_errors,
)
from custom_components.kinesis_webrtc.signaling import (
    ClockSkewError,
    InvalidArgumentError,
    NotAuthorizedError,
    PayloadTooLargeError,
    ServiceError,
    SignalingError,
)

from .conftest import TRANSLATIONS, check_text


def kinds(kind: type[SignalingError] = SignalingError) -> list[type[SignalingError]]:
    """Return an error and all that are derived from it."""
    return [kind] + [found for sub in kind.__subclasses__() for found in kinds(sub)]


every_kind = pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)


@every_kind
def test_every_error_has_a_text_for_actions(kind: type[SignalingError]) -> None:
    error = as_home_assistant_error(kind(operation="DoSomething"))

    assert error.translation_domain == DOMAIN
    assert error.translation_key == kind.key
    text = TRANSLATIONS["exceptions"][kind.key]["message"]
    check_text(text, error.translation_placeholders or {})


@every_kind
@pytest.mark.parametrize(
    "section",
    [
        TRANSLATIONS["config"],
        TRANSLATIONS["config_subentries"]["shared_camera"],
        TRANSLATIONS["config_subentries"]["alexa_skill"],
    ],
    ids=["account", "shared camera", "Alexa skill"],
)
def test_every_error_has_a_text_for_forms(
    section: dict[str, Any], kind: type[SignalingError]
) -> None:
    errors, placeholders = flow_errors(kind())

    check_text(section["error"][errors["base"]], placeholders)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            NotAuthorizedError(action="kinesisvideo:ConnectAsMaster"),
            {"action": "kinesisvideo:ConnectAsMaster"},
        ),
        (
            NotAuthorizedError(operation="TagResource"),
            {"action": "kinesisvideo:TagResource", "operation": "TagResource"},
        ),
        (NotAuthorizedError(), {"action": "kinesisvideo:*", "operation": "AWS"}),
        (ClockSkewError(offset=-1.6), {"offset": "2"}),
        (ServiceError(code="Oops"), {"code": "Oops"}),
        (ServiceError(), {"code": "service_error"}),
        (InvalidArgumentError("too long"), {"detail": "too long"}),
        (InvalidArgumentError(), {"detail": "invalid_argument"}),
    ],
)
def test_texts_name_the_cause(error: SignalingError, expected: dict[str, str]) -> None:
    given = as_home_assistant_error(error).translation_placeholders or {}

    assert expected.items() <= given.items()


@pytest.mark.parametrize("kind", [InvalidArgumentError, PayloadTooLargeError])
def test_what_the_caller_got_wrong_is_a_validation_error(
    kind: type[SignalingError],
) -> None:
    assert isinstance(as_home_assistant_error(kind()), ServiceValidationError)
    assert not isinstance(
        as_home_assistant_error(ServiceError()), ServiceValidationError
    )


def test_a_defect_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    assert flow_errors(RuntimeError("inner workings")) == ({"base": "unknown"}, {})

    assert "inner workings" in caplog.text


SKILL_ERRORS = [
    (AccessRefusedError("ssm:PutParameter"), "not_authorized"),
    (AccessRefusedError(None), "not_authorized"),
    (KeysRefusedError("InvalidClientTokenId"), "invalid_credentials"),
    (CannotReachAwsError("EndpointConnectionError"), "cannot_connect"),
    (StackFailedError("Role x already exists"), "stack_failed"),
    (StackFailedError("not authorized", action="iam:CreateRole"), "not_authorized"),
    (StackTimeoutError("kinesis-webrtc-1"), "stack_timeout"),
    (TooManyOwnersError(), "too_many_owners"),
    (AlexaServiceError("Throttling", "slow down"), "aws_error"),
]


@pytest.mark.parametrize(("error", "key"), SKILL_ERRORS)
def test_every_error_of_the_skill_has_texts(error: AlexaSkillError, key: str) -> None:
    shown = as_home_assistant_error(error)
    errors, placeholders = flow_errors(error)

    assert errors == {"base": key}
    assert shown.translation_key == key
    check_text(
        TRANSLATIONS["exceptions"][key]["message"],
        shown.translation_placeholders or {},
    )
    forms = [TRANSLATIONS["config_subentries"]["alexa_skill"]]
    forms += [
        issue["fix_flow"]
        for name, issue in TRANSLATIONS["issues"].items()
        # That one has nothing to do with the skill.
        if "fix_flow" in issue and name != "channel_gone"
    ]
    for form in forms:
        check_text(form["error"][key], placeholders)
