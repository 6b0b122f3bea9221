"""What the service answers when it refuses."""

from dataclasses import dataclass
from typing import override

_STATUS = {
    "AccessDeniedException": 401,
    "NotAuthorizedException": 401,
    "ResourceNotFoundException": 404,
}


@dataclass(slots=True)
class ApiError(Exception):
    """An error as a client sees it: code, text and HTTP status."""

    code: str
    message: str
    status: int = 400

    @override
    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(slots=True)
class AccessDeniedError(Exception):
    """No policy allows it; each API gives this its own code and HTTP status."""

    message: str


def error(code: str, message: str) -> ApiError:
    """Return a declared error with the HTTP status of the service models."""
    return ApiError(code, message, _STATUS.get(code, 400))


def invalid_argument(message: str) -> ApiError:
    """Return the error for a request that breaks a rule."""
    return error("InvalidArgumentException", message)


def limit_exceeded(message: str) -> ApiError:
    """Return the error for a quota; it has status 400, not 429."""
    return error("ClientLimitExceededException", message)


def not_found(message: str) -> ApiError:
    """Return the error for a resource that does not exist."""
    return error("ResourceNotFoundException", message)
