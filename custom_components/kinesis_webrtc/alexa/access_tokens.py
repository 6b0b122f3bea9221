"""A customer's access token, kept fresh.

https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
"""

import asyncio
from contextlib import suppress
import re
from typing import Final

import aiohttp

from .amazon import (
    Answer,
    Grant,
    GrantRefusedError,
    Outage,
    Secrets,
    SecretsRefusedError,
    Times,
    UnavailableError,
    delay,
    post,
    printable,
)

TOKEN_PATH: Final = "/auth/o2/token"  # noqa: S105 - a path

_DEFAULT_LIFETIME: Final = 3600.0
_SHORTEST_LIFETIME: Final = 2.0
_LONGEST_LIFETIME: Final = 86_400.0
# What can stand in a header; RFC 6750 allows less, and the gateway is to judge that.
_TOKEN: Final = re.compile(r"[\x20-\x7e]+")
# Of the seconds that a token lasts, the last ones may pass on its way.
_MARGIN: Final = 5.0


class LoginWithAmazon:
    """Gives access tokens for grants."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        url: str,
        secrets: Secrets,
        times: Times,
    ) -> None:
        """Ask at a URL, in the name of the skill."""
        self.times = times
        self._session = session
        self._url = url.removesuffix("/").removesuffix(TOKEN_PATH) + TOKEN_PATH
        self._secrets = secrets
        self._outage = Outage("Login with Amazon")

    async def refresh(self, grant: Grant) -> tuple[str, float]:
        """Return an access token and the seconds it lasts.

        Raises GrantRefusedError, SecretsRefusedError or UnavailableError.
        """
        try:
            answer = await post(
                self._session,
                self._url,
                seconds=self.times.request,
                data={
                    "grant_type": "refresh_token",
                    "refresh_token": grant.refresh_token,
                    "client_id": self._secrets.client_id,
                    "client_secret": self._secrets.client_secret,
                },
            )
            token = _token(answer)
        except UnavailableError as err:
            self._outage.began(err)
            raise
        except GrantRefusedError, SecretsRefusedError:
            self._outage.ended()
            raise
        self._outage.ended()
        return token


class AccessTokens:
    """The access token of one grant, renewed before it ends while `keep` runs."""

    def __init__(self, login: LoginWithAmazon, grant: Grant) -> None:
        """Start without a token."""
        self._login = login
        self._grant = grant
        self._token: str | None = None
        self._ends = 0.0
        self._wanted = asyncio.Event()
        self._renewed = asyncio.Event()

    async def get(self) -> str:
        """Return a token that is good now, however long it takes to get one."""
        loop = asyncio.get_running_loop()
        while self._token is None or self._ends <= loop.time():
            self._wanted.set()
            self._renewed.clear()
            await self._renewed.wait()
        return self._token

    def invalidate(self, token: str) -> None:
        """Do not use a token again."""
        if token == self._token:
            self._token = None
            self._wanted.set()

    async def keep(self) -> None:
        """Renew the token for ever; raises GrantRefusedError or SecretsRefusedError."""
        loop = asyncio.get_running_loop()
        times = self._login.times
        failures = 0
        while True:
            try:
                token, lasts = await self._login.refresh(self._grant)
            except UnavailableError as err:
                failures += 1
                pause = delay(failures, floor=times.backoff_floor, cap=times.login_cap)
                await asyncio.sleep(max(pause, err.retry_after))
                continue
            failures = 0
            self._token = token
            self._ends = loop.time() + lasts - min(_MARGIN, lasts / 4)
            due = loop.time() + max(lasts - times.refresh_ahead, lasts / 2)
            self._wanted.clear()
            self._renewed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wanted.wait()


def _token(answer: Answer) -> tuple[str, float]:
    token, lasts = answer.content.get("access_token"), answer.content.get("expires_in")
    if answer.status == 200 and isinstance(token, str) and _TOKEN.fullmatch(token):
        # No number at all, or one that is none, is not within bounds either.
        if not isinstance(lasts, int | float) or not 0 <= lasts <= _LONGEST_LIFETIME:
            lasts = _DEFAULT_LIFETIME
        return token, max(float(lasts), _SHORTEST_LIFETIME)
    match printable(answer.content.get("error")):
        case "invalid_grant" as code:
            raise GrantRefusedError(code)
        case "invalid_client" | "unauthorized_client":
            raise SecretsRefusedError
        case code:
            raise UnavailableError(code or f"HTTP {answer.status}")
