"""Alexa's event gateway, for all who have let the skill send events.

https://developer.amazon.com/docs/smarthome/send-events-to-the-alexa-event-gateway.html
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
import logging
from typing import Any, Final

import aiohttp

from .access_tokens import AccessTokens, LoginWithAmazon
from .amazon import (
    DEFAULT_TIMES,
    Answer,
    Grant,
    Outage,
    Secrets,
    Times,
    UnavailableError,
    post,
)
from .event_queue import EventQueue
from .events import Event
from .outbox import MAX_WAITING, Outbox, code_of

_LOGGER = logging.getLogger(__name__)

EVENTS_PATH: Final = "/v3/events"


class EventGateway:
    """Tells the Alexa of each customer in one region what happens, while `run` runs.

    `on_grant_refused(user_id, code)` says that a customer has to link the skill anew;
    nothing more is sent to that one until `set_grants` brings another grant. `code` is
    Amazon's word, such as `invalid_grant`, `SKILL_DISABLED_EXCEPTION` or, where the
    customer belongs to another region, `INVALID_ACCESS_TOKEN_EXCEPTION`. After
    `on_secrets_refused()` nothing is sent to anybody.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        gateway_url: str,
        lwa_url: str,
        secrets: Secrets,
        on_grant_refused: Callable[[str, str], None],
        on_secrets_refused: Callable[[], None],
        times: Times = DEFAULT_TIMES,
    ) -> None:
        """Wait for grants; the URLs may leave out the path."""
        self._session = session
        self._url = gateway_url.removesuffix("/").removesuffix(EVENTS_PATH)
        self._url += EVENTS_PATH
        self._login = LoginWithAmazon(
            session=session, url=lwa_url, secrets=secrets, times=times
        )
        self._times = times
        self._on_grant_refused = on_grant_refused
        self._on_secrets_refused = on_secrets_refused
        self._outage = Outage("Alexa's event gateway")
        # For diagnostics: what the gateway made of the last event, or why it did not.
        self.last_result: str | None = None
        self._outboxes: dict[str, Outbox] = {}
        # Events from before it was known whom to tell.
        self._early: EventQueue | None = EventQueue(MAX_WAITING)
        self._group: asyncio.TaskGroup | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many events wait, each as often as there are customers to tell."""
        return sum(len(outbox.waiting) for outbox in self._outboxes.values())

    def set_grants(self, grants: Iterable[Grant]) -> None:
        """Tell these customers from now on, and no others."""
        wanted = {grant.user_id: grant for grant in grants}
        before, self._outboxes = self._outboxes, {}
        for user_id, grant in wanted.items():
            outbox = before.pop(user_id, None)
            if outbox is None or outbox.grant.refresh_token != grant.refresh_token:
                outbox = self._replace(outbox, grant)
            self._outboxes[user_id] = outbox
        for outbox in before.values():
            outbox.close()
        if (early := self._early) is not None:
            self._early = None
            for item in early:
                for outbox in self._outboxes.values():
                    outbox.add(item.event, item.expires)

    def send(self, event: Event) -> None:
        """Tell of an event as soon as possible; one that is stale by then is dropped."""
        age = (datetime.now(UTC) - event.at).total_seconds()
        expires = asyncio.get_running_loop().time() + event.lifetime - max(age, 0.0)
        if self._closed:
            return
        if self._early is not None:
            self._early.add(event, expires)
        for outbox in self._outboxes.values():
            outbox.add(event, expires)

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for outbox in self._outboxes.values():
                    outbox.start(group.create_task)
                await asyncio.Event().wait()
            finally:
                # From here on the group takes no new tasks.
                self._group = None
                for outbox in self._outboxes.values():
                    outbox.stop()

    def _replace(self, old: Outbox | None, grant: Grant) -> Outbox:
        """Return an outbox for a grant, with what waited for the customer's old one."""
        outbox = Outbox(
            grant=grant,
            tokens=AccessTokens(self._login, grant),
            post=self._post,
            times=self._times,
            on_grant_refused=partial(self._on_grant_refused, grant.user_id),
            on_secrets_refused=self._secrets_refused,
        )
        if self._closed:
            outbox.close()
        if old is not None:
            for item in old.waiting:
                outbox.add(item.event, item.expires)
            old.close()
        if self._group is not None:
            outbox.start(self._group.create_task)
        return outbox

    async def _post(self, token: str, message: dict[str, Any]) -> Answer:
        try:
            answer = await post(
                self._session,
                self._url,
                seconds=self._times.request,
                headers={"Authorization": f"Bearer {token}"},
                json=message,
            )
        except UnavailableError as err:
            self.last_result = str(err)
            self._outage.began(err)
            raise
        taken = 200 <= answer.status < 300
        self.last_result = "taken" if taken else code_of(answer)
        self._outage.ended()
        return answer

    def _secrets_refused(self) -> None:
        if not self._closed:
            self._closed = True
            _LOGGER.warning(
                "Login with Amazon refuses the skill's client id and secret"
            )
            for outbox in self._outboxes.values():
                outbox.close()
            self._on_secrets_refused()
