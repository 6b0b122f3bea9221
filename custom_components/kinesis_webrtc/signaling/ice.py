"""A channel's ICE servers, always at hand."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
import time

from .backoff import Backoff
from .client import SignalingClient
from .errors import InvalidClientError, SessionExpiredError, SignalingError
from .models import IceServer, IceServerConfig, Role

_LOGGER = logging.getLogger(__name__)

# Credentials live for 300 s; a session that begins with less than this left may lose
# its relay before it is connected.
MARGIN = 30
# 5 calls a second are allowed for a channel, to all its clients together.
FLOOR = 5
_BACKOFF_CAP = 60


class IceServerCache:
    """Keeps a channel's TURN servers fetched, so that no offer waits for them.

    `clock` counts seconds and never jumps.
    """

    def __init__(
        self,
        *,
        client: SignalingClient,
        channel_arn: str,
        client_id: str | None = None,
        role: Role = Role.MASTER,
        clock: Callable[[], float] = time.monotonic,
        floor: float = FLOOR,
        on_renewed: Callable[[tuple[IceServer, ...]], None] | None = None,
        on_failed: Callable[[SignalingError], None] | None = None,
    ) -> None:
        """Start empty; `floor` is the least number of seconds between two fetches.

        `on_renewed` is called with the servers after each fetch, `on_failed` after one
        that failed; they must not block.
        """
        self._client = client
        self._channel_arn = channel_arn
        self._client_id = client_id
        self._role = role
        self._clock = clock
        self._floor = floor
        self._on_renewed = on_renewed
        self._on_failed = on_failed
        self._config: IceServerConfig | None = None
        self._usable_until = 0.0
        self._error: SignalingError | None = None
        self._wanted = asyncio.Event()

    @property
    def servers(self) -> tuple[IceServer, ...]:
        """The TURN servers that a session may begin with now, possibly none."""
        if self._config is None or self._clock() >= self._usable_until:
            return ()
        return self._config.servers

    @property
    def usable_for(self) -> float:
        """For how many seconds `servers` stays as it is, 0 if it is empty."""
        return max(0.0, self._usable_until - self._clock())

    @property
    def error(self) -> SignalingError | None:
        """Why the last fetch failed, None if it did not."""
        return self._error

    def refresh(self) -> None:
        """Have the servers fetched again, as soon as the floor allows."""
        self._wanted.set()

    async def run(self) -> None:
        """Fetch, and renew before the servers expire, until cancelled."""
        backoff = Backoff(floor=self._floor, cap=_BACKOFF_CAP)
        while True:
            self._wanted.clear()
            try:
                config = await self._fetch()
            except SignalingError as err:
                self._log_failure(err)
                self._error = err
                if self._on_failed is not None:
                    self._on_failed(err)
                await asyncio.sleep(backoff.next_delay())
                continue
            backoff.reset()
            self._error = None
            usable = max(0.0, config.ttl - MARGIN)
            self._config = config
            self._usable_until = self._clock() + usable
            if self._on_renewed is not None:
                self._on_renewed(config.servers)
            await asyncio.sleep(self._floor)
            # A third of the way is left for renewing when the service throttles.
            renew_at = self._usable_until - min(MARGIN, usable / 3)
            with suppress(TimeoutError):
                async with asyncio.timeout(renew_at - self._clock()):
                    await self._wanted.wait()

    async def _fetch(self) -> IceServerConfig:
        try:
            return await self._client.get_ice_server_config(
                self._channel_arn, client_id=self._client_id, role=self._role
            )
        except InvalidClientError, SessionExpiredError:
            # Only a request that names a client is bound to that client's session.
            self._client_id = None
            raise

    def _log_failure(self, err: SignalingError) -> None:
        if self._error is None:
            _LOGGER.info("No new ICE servers, trying on: %s", err)
        else:
            _LOGGER.debug("No new ICE servers: %s", err)
