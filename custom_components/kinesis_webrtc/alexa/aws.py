"""AWS's services other than signaling, for asyncio: calls and their errors."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
import re
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import (
    ClientError,
    ConnectionError as BotoConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from .errors import (
    AccessRefusedError,
    AlexaServiceError,
    AlexaSkillError,
    CannotReachAwsError,
    KeysRefusedError,
)

# Runs a blocking function elsewhere, as hass.async_add_executor_job does.
type Execute = Callable[..., Awaitable[Any]]
# Makes a boto3 client of a service in a region; blocking.
type CreateClient = Callable[[str, str], Any]

# In characters: the texts that there are are not half as long, ARNs and all.
_LONGEST = 1000
# Codes without their "Exception" suffix, which only some services have.
_DENIED: Final = frozenset(
    {"AccessDenied", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation"}
)
_KEYS: Final = frozenset(
    {
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    }
)
_THROTTLED: Final = frozenset(
    {"RequestLimitExceeded", "Throttling", "Throttled", "TooManyRequests"}
)
_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


class Aws:
    """The services of one account, by boto3 clients that are made once."""

    def __init__(self, *, create_client: CreateClient, execute: Execute) -> None:
        """Do nothing yet: making a client reads files."""
        self._create_client = create_client
        self._execute = execute
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = asyncio.Lock()

    async def call(
        self,
        service: str,
        region: str,
        operation: str,
        params: Mapping[str, object],
    ) -> Mapping[str, Any]:
        """Return the response to an operation, named as in the API reference.

        Raises an AlexaSkillError. boto3's own retries, as its client has them, are all.
        """
        error: AlexaSkillError
        try:
            client = await self._client(service, region)
            method = getattr(client, xform_name(operation))
            response: Mapping[str, Any] = await self._execute(partial(method, **params))
        except Exception as err:  # noqa: BLE001 - botocore's errors have no base
            error = translate(err, action=f"{service}:{operation}")
        else:
            return response
        # The original is not chained: refusals of a signature quote the session token,
        # those of a parameter its value.
        raise error

    async def _client(self, service: str, region: str) -> Any:
        key = (service, region)
        async with self._lock:
            if key not in self._clients:
                self._clients[key] = await self._execute(self._create_client, *key)
            return self._clients[key]


def translate(err: Exception, *, action: str) -> AlexaSkillError:
    """Return the error of this package that says what `err` means.

    `action` is the IAM action of the call, for refusals that do not name one.
    """
    if isinstance(err, AlexaSkillError):
        return err
    if isinstance(err, ClientError):
        return _refusal(err, action)
    kind = type(err).__name__
    if isinstance(err, NoCredentialsError | PartialCredentialsError):
        return KeysRefusedError(kind)
    # Python's TimeoutError is an OSError too.
    if isinstance(err, BotoConnectionError | HTTPClientError | OSError):
        return CannotReachAwsError(kind)
    return AlexaServiceError(kind)


def is_passing(err: AlexaSkillError) -> bool:
    """Return whether the same call may succeed a moment later."""
    if isinstance(err, AlexaServiceError):
        return err.code.removesuffix("Exception") in _THROTTLED
    return isinstance(err, CannotReachAwsError)


def denied_action(text: str) -> str | None:
    """Return the IAM action that AWS's text says is missing."""
    found = _ACTION.search(text)
    return found[1] if found else None


def _refusal(err: ClientError, action: str) -> AlexaSkillError:
    error = err.response.get("Error", {})
    code = _printable(error.get("Code") or "Unknown")
    text = _printable(error.get("Message") or "")
    name = code.removesuffix("Exception")
    if name in _KEYS:
        return KeysRefusedError(code)
    if name in _DENIED:
        return AccessRefusedError(denied_action(text) or action)
    if action == "ssm:PutParameter":
        # Its refusals of a value quote it.
        text = ""
    return AlexaServiceError(code, text)


def _printable(said: object) -> str:
    """Return what AWS says as one line, which any log and file can take."""
    return "".join(c if c.isprintable() else " " for c in str(said)[:_LONGEST])
