"""Errors of AWS's services, as Home Assistant shows them."""

import logging

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import (
    HomeAssistantError,
    ServiceValidationError,
)
from homeassistant.helpers.translation import async_get_cached_translations

from .alexa.errors import (
    AccessRefusedError,
    AlexaSkillError,
    CannotReachAwsError,
    KeysRefusedError,
    StackFailedError,
    StackTimeoutError,
    TooManyOwnersError,
)
from .const import DOCUMENTATION_URL, DOMAIN
from .peer import EndReason, RefusalReason
from .signaling import (
    CannotConnectError,
    ChannelLimitError,
    ClientLimitExceededError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidArgumentError,
    InvalidCredentialsError,
    NotAuthorizedError,
    PayloadTooLargeError,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
    SignalingError,
    UnsupportedRegionError,
    VersionMismatchError,
)

_LOGGER = logging.getLogger(__name__)

# What a form has a text for; anything else that AWS may say is a service error there.
_FLOW_ERRORS = (
    CannotConnectError,
    ChannelLimitError,
    ClientLimitExceededError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidArgumentError,
    InvalidCredentialsError,
    NotAuthorizedError,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
    UnsupportedRegionError,
    VersionMismatchError,
)


def flow_errors(err: Exception) -> tuple[dict[str, str], dict[str, str]]:
    """Return a form's errors and the placeholders of their texts.

    What is no error of our own packages is a defect: it is logged, and the form says no
    more than "unknown".
    """
    if isinstance(err, AlexaSkillError):
        key, placeholders = _skill_error(err)
        return {"base": key}, {"documentation_url": DOCUMENTATION_URL, **placeholders}
    if not isinstance(err, SignalingError):
        _LOGGER.error("Unexpected error in a configuration flow", exc_info=err)
        return {"base": "unknown"}, {}
    key = err.key if isinstance(err, _FLOW_ERRORS) else ServiceError.key
    return {"base": key}, {
        "documentation_url": DOCUMENTATION_URL,
        **_placeholders(err),
    }


def as_home_assistant_error(
    err: SignalingError | AlexaSkillError,
) -> HomeAssistantError:
    """Return the translated error that an action or an entity raises."""
    if isinstance(err, AlexaSkillError):
        key, placeholders = _skill_error(err)
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=key,
            translation_placeholders=placeholders,
        )
    if isinstance(err, InvalidArgumentError | PayloadTooLargeError):
        return ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key=err.key,
            translation_placeholders=_placeholders(err),
        )
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=err.key,
        translation_placeholders=_placeholders(err),
    )


def as_view_error(reason: RefusalReason | EndReason) -> HomeAssistantError:
    """Return the translated error that tells a viewer why there is no picture."""
    return HomeAssistantError(translation_domain=DOMAIN, translation_key=str(reason))


@callback
def async_text(hass: HomeAssistant, error: HomeAssistantError) -> str:
    """Return a translated error's text in Home Assistant's language.

    The frontend translates what is raised for its user. What is sent to it as a text
    it shows as it is, and the error itself says it in English.
    """
    texts = async_get_cached_translations(
        hass, hass.config.language, "exceptions", DOMAIN
    )
    text = texts.get(f"component.{DOMAIN}.exceptions.{error.translation_key}.message")
    if text is None:
        return str(error)
    return text.format(**(error.translation_placeholders or {}))


def _placeholders(err: SignalingError) -> dict[str, str]:
    """Return all that the texts of an error may name."""
    placeholders = {"operation": err.operation or "AWS", "code": err.key}
    match err:
        case NotAuthorizedError(action=action):
            placeholders["action"] = action or f"kinesisvideo:{err.operation or '*'}"
        case ClockSkewError(offset=offset):
            placeholders["offset"] = f"{abs(offset):.0f}"
        case ServiceError(code=code):
            placeholders["code"] = code or err.key
        case InvalidArgumentError(message=message):
            placeholders["detail"] = message or err.key
    return placeholders


def _skill_error(err: AlexaSkillError) -> tuple[str, dict[str, str]]:
    """Return the key of an error's texts, and all that they may name."""
    match err:
        case (
            AccessRefusedError(action=action) | StackFailedError(action=str() as action)
        ):
            return "not_authorized", {"action": action or "*"}
        case StackFailedError(reason=reason):
            return "stack_failed", {"reason": reason}
        case StackTimeoutError():
            return "stack_timeout", {}
        case KeysRefusedError():
            return "invalid_credentials", {}
        case CannotReachAwsError():
            return "cannot_connect", {"operation": "AWS"}
        case TooManyOwnersError():
            return "too_many_owners", {}
    return "aws_error", {"detail": str(err)}
