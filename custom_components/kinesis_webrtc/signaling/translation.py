"""The one translator of what other libraries raise."""

from collections.abc import Iterator
from contextlib import contextmanager
import re

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

from .errors import (
    KEYS_REFUSED,
    CannotConnectError,
    ChannelLimitError,
    ClientLimitExceededError,
    ClockSkewError,
    ExpiredTokenError,
    InvalidArgumentError,
    InvalidClientError,
    InvalidCredentialsError,
    NotAuthorizedError,
    ResourceInUseError,
    ResourceNotFoundError,
    ServiceError,
    SessionExpiredError,
    SignalingError,
    UnsupportedRegionError,
    VersionMismatchError,
)

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
# In characters: the texts that it has are not half as long, ARNs and all.
_LONGEST = 1000
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


@contextmanager
def reading(operation: str) -> Iterator[None]:
    """Translate what reading a response raises that is not as the API says."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as err:
        kind = type(err).__name__
        raise ServiceError(
            "the answer cannot be read", operation=operation, code=kind
        ) from None


def _refusal(err: ClientError | aiohttp.WSServerHandshakeError) -> tuple[str, str]:
    """Return the code and the text of a refusal.

    Of a refused websocket upgrade only status and headers are known. 400 means
    InvalidArgument or ClientLimitExceeded there, 403 AccessDenied, an expired token, or
    a signature that is not accepted, 404 ResourceNotFound:
    https://docs.aws.amazon.com/kinesisvideostreams-webrtc-dg/latest/devguide/ConnectAsMaster.html
    """
    if isinstance(err, ClientError):
        error = err.response.get("Error", {})
        code, text = error.get("Code") or "Unknown", error.get("Message") or ""
        return _printable(code), _printable(text)
    named = err.headers.get("x-amzn-errortype", "") if err.headers else ""
    code = re.split(r"[:#]", named)[0].strip() or _BY_STATUS.get(err.status, "")
    status = f"HTTP {err.status}"
    return _printable(code) or status, status


def _printable(said: object) -> str:
    """Return what the service says as one line, which any log and file can take."""
    return "".join(c if c.isprintable() else " " for c in str(said)[:_LONGEST])


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
    if kind in KEYS_REFUSED:
        # Refusals of a signature quote the canonical request, token included.
        return kind(code, operation=operation)
    return kind(f"{code}: {text}" if text else code, operation=operation)
