"""Errors of Kinesis Video Streams signaling, and their one translator."""

from collections.abc import Mapping
import re
from typing import ClassVar, override

import aiohttp
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    UnknownEndpointError,
)


class SignalingError(Exception):
    """Base of all errors of this package.

    `key` names the kind of error for translations; the text never holds a secret.
    """

    key: ClassVar[str] = "signaling_error"

    def __init__(self, message: str = "", *, operation: str | None = None) -> None:
        """Say what failed, and in which operation of the API."""
        super().__init__(message)
        self.message = message
        self.operation = operation

    @override
    def __str__(self) -> str:
        text = self.message or self.key.replace("_", " ")
        return f"{self.operation}: {text}" if self.operation else text


class InvalidArgumentError(SignalingError):
    """A parameter is not acceptable to the service."""

    key = "invalid_argument"


class ClientLimitExceededError(SignalingError):
    """A quota is used up; the same call may succeed later."""

    key = "client_limit_exceeded"


class ResourceNotFoundError(SignalingError):
    """The signaling channel does not exist."""

    key = "resource_not_found"


class NotAuthorizedError(SignalingError):
    """The credentials are valid but lack a right.

    `action` is the IAM action to allow, such as `kinesisvideo:ConnectAsMaster`.
    """

    key = "not_authorized"

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        action: str | None = None,
    ) -> None:
        """Name the missing IAM action where it is known."""
        super().__init__(message, operation=operation)
        self.action = action


class InvalidClientError(SignalingError):
    """The service does not know the client id of this request."""

    key = "invalid_client"


class SessionExpiredError(SignalingError):
    """The client's session is over; it lasts 45 minutes from connect."""

    key = "session_expired"


class ResourceInUseError(SignalingError):
    """The channel exists already, or is being changed."""

    key = "resource_in_use"


class ChannelLimitError(SignalingError):
    """The account holds as many channels in this region as it may."""

    key = "channel_limit"


class VersionMismatchError(SignalingError):
    """The channel was changed by someone else meanwhile."""

    key = "version_mismatch"


class InvalidCredentialsError(SignalingError):
    """The access key or the secret is wrong."""

    key = "invalid_credentials"


class ExpiredTokenError(SignalingError):
    """The session token has expired."""

    key = "expired_token"


class ClockSkewError(SignalingError):
    """The local clock is too far from the service's.

    `offset` is service minus local time, in seconds.
    """

    key = "clock_skew"

    def __init__(
        self, message: str = "", *, operation: str | None = None, offset: float = 0.0
    ) -> None:
        """Keep the offset that was measured."""
        super().__init__(message, operation=operation)
        self.offset = offset


class UnsupportedRegionError(SignalingError):
    """Kinesis Video Streams is not offered in this region."""

    key = "unsupported_region"


class CannotConnectError(SignalingError):
    """The service was not reached: network, DNS, TLS or a time-out."""

    key = "cannot_connect"


class ServiceError(SignalingError):
    """The service failed, or said something that this package does not know.

    `code` is the service's error code or the HTTP status.
    """

    key = "service_error"

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        code: str | None = None,
    ) -> None:
        """Keep the service's code."""
        super().__init__(message, operation=operation)
        self.code = code


class NotConnectedError(SignalingError):
    """There is no websocket to send on."""

    key = "not_connected"


class DisplacedError(SignalingError):
    """The websocket is closed again and again right after connecting.

    Probably another client takes the channel over each time.
    """

    key = "displaced"


class PayloadTooLargeError(SignalingError):
    """A message payload is above 10,000 base64 characters."""

    key = "payload_too_large"


# Codes without their "Exception" suffix, with which only some services answer:
# STS says ExpiredToken where Kinesis Video says ExpiredTokenException.
_BY_CODE: dict[str, type[SignalingError]] = {
    "AccountChannelLimitExceeded": ChannelLimitError,
    "ClientLimitExceeded": ClientLimitExceededError,
    "ExpiredToken": ExpiredTokenError,
    "IncompleteSignature": InvalidCredentialsError,
    "InvalidAccessKeyId": InvalidCredentialsError,
    "InvalidArgument": InvalidArgumentError,
    "InvalidClient": InvalidClientError,
    "InvalidClientTokenId": InvalidCredentialsError,
    "InvalidSignature": InvalidCredentialsError,
    "LimitExceeded": ClientLimitExceededError,
    "MissingAuthenticationToken": InvalidCredentialsError,
    "OptInRequired": UnsupportedRegionError,
    "RegionDisabled": UnsupportedRegionError,
    "RequestLimitExceeded": ClientLimitExceededError,
    "ResourceInUse": ResourceInUseError,
    "ResourceNotFound": ResourceNotFoundError,
    "SessionExpired": SessionExpiredError,
    "SignatureDoesNotMatch": InvalidCredentialsError,
    "TagsPerResourceExceededLimit": InvalidArgumentError,
    "Throttled": ClientLimitExceededError,
    "Throttling": ClientLimitExceededError,
    "TooManyRequests": ClientLimitExceededError,
    "UnrecognizedClient": InvalidCredentialsError,
    "Validation": InvalidArgumentError,
    "VersionMismatch": VersionMismatchError,
}
_SKEW_CODES = frozenset(
    {"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"}
)
_BY_STATUS = {
    401: "AccessDenied",
    403: "AccessDenied",
    404: "ResourceNotFound",
    429: "TooManyRequests",
}
_DENIED_CODES = frozenset({"AccessDenied", "NotAuthorized", "UnauthorizedOperation"})
_DENIED_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_SKEW_TEXT = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)


def translate(
    err: Exception,
    *,
    operation: str,
    service: str = "kinesisvideo",
    offset: float = 0.0,
    skewed: bool = False,
) -> SignalingError:
    """Return the error of this package that says what `err` means.

    `service` is the IAM prefix of the operation, `offset` the service's time minus the
    local one in seconds; `skewed` says that the request was not signed with it. The
    original must not be chained: the service's refusals of a signature quote the
    session token, aiohttp's refused handshakes the signed URL.
    """
    if isinstance(err, SignalingError):
        return err
    if isinstance(err, ClientError | aiohttp.WSServerHandshakeError):
        code, text = _refusal(err)
        return _from_code(
            code,
            text,
            operation=operation,
            service=service,
            offset=offset,
            skewed=skewed,
        )
    kind = type(err).__name__
    if isinstance(err, NoCredentialsError | PartialCredentialsError):
        return InvalidCredentialsError(kind, operation=operation)
    if isinstance(err, InvalidRegionError | NoRegionError | UnknownEndpointError):
        return UnsupportedRegionError(str(err), operation=operation)
    if isinstance(err, ParamValidationError):
        return InvalidArgumentError(str(err), operation=operation)
    if isinstance(
        err,
        EndpointConnectionError
        | HTTPClientError
        | aiohttp.ClientError
        | TimeoutError
        | OSError,
    ):
        return CannotConnectError(kind, operation=operation)
    return ServiceError(kind, operation=operation, code=kind)


def _refusal(err: ClientError | aiohttp.WSServerHandshakeError) -> tuple[str, str]:
    """Return the code and the text of a refusal.

    Of a refused websocket upgrade only status and headers are known. 400 means
    InvalidArgument or ClientLimitExceeded there, 403 AccessDenied, an expired token, or
    a signature that is not accepted, 404 ResourceNotFound:
    https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/ConnectAsMaster.html
    """
    if isinstance(err, ClientError):
        error: Mapping[str, str] = dict(err.response.get("Error") or {})
        return str(error.get("Code") or "Unknown"), str(error.get("Message") or "")
    named = (err.headers or {}).get("x-amzn-errortype", "")
    code = re.split(r"[:#]", named)[0].strip() or _BY_STATUS.get(err.status, "")
    status = f"HTTP {err.status}"
    return code or status, status


def _from_code(
    code: str, text: str, *, operation: str, service: str, offset: float, skewed: bool
) -> SignalingError:
    name = code.removesuffix("Exception")
    kind = _BY_CODE.get(name)
    if (
        name in _SKEW_CODES
        or ("Signature" in name and (skewed or _SKEW_TEXT.search(text)))
        or (name in _DENIED_CODES and skewed)
    ):
        return ClockSkewError(code, operation=operation, offset=offset)
    if name in _DENIED_CODES:
        found = _DENIED_ACTION.search(text)
        return NotAuthorizedError(
            code,
            operation=operation,
            action=found[1] if found else f"{service}:{operation}",
        )
    if kind is None:
        return ServiceError(code, operation=operation, code=code)
    if kind in (InvalidCredentialsError, ExpiredTokenError):
        # Refusals of a signature quote the canonical request, token included.
        return kind(code, operation=operation)
    return kind(f"{code}: {text}" if text else code, operation=operation)
