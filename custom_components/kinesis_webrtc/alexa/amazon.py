"""What Login with Amazon and Alexa's event gateway have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import logging
import random
from typing import Any, Final, Protocol

import aiohttp

from .errors import AlexaSkillError

_LOGGER = logging.getLogger(__name__)

_MAX_ANSWER: Final = 20_000
_MAX_RETRY_AFTER: Final = 60.0
_TOO_MANY: Final = 429
_MAX_DOUBLINGS: Final = 16


class Secrets(Protocol):
    """The skill's own client id and secret at Login with Amazon."""

    @property
    def client_id(self) -> str:
        """The client's id."""

    @property
    def client_secret(self) -> str:
        """The client's secret."""


class Grant(Protocol):
    """A customer's leave to send events."""

    @property
    def user_id(self) -> str:
        """The customer."""

    @property
    def refresh_token(self) -> str:
        """What access tokens are got with."""


class GrantRefusedError(AlexaSkillError):
    """A customer's grant is of no use any more; `code` is Amazon's own word for it."""

    def __init__(self, code: str) -> None:
        """Say why."""
        super().__init__(code)
        self.code = code


class SecretsRefusedError(AlexaSkillError):
    """The skill's client id and secret are not, or no longer, right."""


class UnavailableError(AlexaSkillError):
    """A service does not answer, or not now; it may in `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        """Say what happened."""
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds: of requests, of access tokens, and between attempts."""

    request: float = 10.0
    refresh_ahead: float = 300.0
    backoff_floor: float = 1.0
    login_cap: float = 20.0
    gateway_cap: float = 60.0


DEFAULT_TIMES: Final = Times()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service has answered, if it was able to."""

    status: int
    content: Mapping[str, Any]


async def post(
    session: aiohttp.ClientSession, url: str, *, seconds: float, **options: Any
) -> Answer:
    """Post something; raises UnavailableError, whose text has no word of the service."""
    try:
        async with session.post(
            url,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
            **options,
        ) as response:
            status = response.status
            if status == _TOO_MANY or status >= 500:
                raise UnavailableError(f"HTTP {status}", _retry_after(response))
            body = await response.content.read(_MAX_ANSWER)
    except (aiohttp.ClientError, TimeoutError) as err:
        raise UnavailableError(type(err).__name__) from None
    try:
        content = json.loads(body)
    except ValueError, RecursionError:
        content = None
    return Answer(
        status=status, content=content if isinstance(content, Mapping) else {}
    )


def delay(failures: int, *, floor: float, cap: float) -> float:
    """Return the seconds to wait for after so many failures in a row, with jitter."""
    growing = floor * 2 ** min(failures, _MAX_DOUBLINGS)
    return random.uniform(floor, max(floor, min(cap, growing)))  # noqa: S311


class Outage:
    """Whether a service is away; said once when it goes and once when it is back."""

    def __init__(self, service: str) -> None:
        """Start as if it were there."""
        self._service = service
        self._is_away = False

    def began(self, err: UnavailableError) -> None:
        """Note that it did not answer."""
        if not self._is_away:
            self._is_away = True
            _LOGGER.warning("%s does not answer, trying on: %s", self._service, err)

    def ended(self) -> None:
        """Note that it answered."""
        if self._is_away:
            self._is_away = False
            _LOGGER.info("%s answers again", self._service)


def printable(word: object) -> str:
    """Return what of a service's word may stand in the log: a code is no sentence."""
    text = word if isinstance(word, str) else ""
    return "".join(c for c in text[:60] if c.isascii() and (c.isalnum() or c in "_-"))


def _retry_after(response: aiohttp.ClientResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value), _MAX_RETRY_AFTER) if value.isdecimal() else 0.0
