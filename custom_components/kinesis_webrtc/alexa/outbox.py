"""One customer's way to the event gateway."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
import logging
from typing import Any, Final

from .access_tokens import AccessTokens
from .amazon import (
    Answer,
    Grant,
    GrantRefusedError,
    SecretsRefusedError,
    Times,
    UnavailableError,
    delay,
    printable,
)
from .event_queue import EventQueue, Lane, Waiting, describe
from .events import Event

_LOGGER = logging.getLogger(__name__)

MAX_WAITING: Final = 200

type StartTask = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
# Posts a message to the gateway; raises UnavailableError.
type Post = Callable[[str, dict[str, Any]], Awaitable[Answer]]


class Outbox:
    """Tells a customer's Alexa of events, those of one camera in order.

    Cameras do not wait for each other, and a press of a doorbell waits for presses alone.
    """

    def __init__(
        self,
        *,
        grant: Grant,
        tokens: AccessTokens,
        post: Post,
        times: Times,
        on_grant_refused: Callable[[str], None],
        on_secrets_refused: Callable[[], None],
    ) -> None:
        """Wait for `start`; on_grant_refused gets Amazon's word for the reason."""
        self.grant = grant
        self.waiting = EventQueue(MAX_WAITING)
        self._tokens = tokens
        self._post = post
        self._times = times
        self._on_grant_refused = on_grant_refused
        self._on_secrets_refused = on_secrets_refused
        self._start_task: StartTask | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lanes: dict[Lane, asyncio.Task[None]] = {}
        self._closed = False

    def start(self, start_task: StartTask) -> None:
        """Get a token, keep it fresh, and tell what waits."""
        if self._closed:
            return
        self._start_task = start_task
        self._keeper = start_task(self._keep())
        for item in self.waiting:
            self._start_lane(item.lane)

    def stop(self) -> None:
        """End all tasks but the one that calls; what waits goes on waiting."""
        self._start_task = None
        tasks = [self._keeper, *self._lanes.values()]
        self._keeper = None
        self._lanes.clear()
        for task in tasks:
            if task is not None and task is not asyncio.current_task():
                task.cancel()

    def close(self) -> None:
        """Take no more events, and forget those that wait."""
        self._closed = True
        self.waiting.clear()
        self.stop()

    def add(self, event: Event, expires: float) -> None:
        """Tell Alexa of an event until a time of the loop."""
        if not self._closed:
            self._start_lane(self.waiting.add(event, expires).lane)

    def _start_lane(self, lane: Lane) -> None:
        if self._start_task is not None and lane not in self._lanes:
            self._lanes[lane] = self._start_task(self._drain(lane))

    async def _keep(self) -> None:
        try:
            await self._tokens.keep()
        except GrantRefusedError as err:
            self._refused(err.code)
        except SecretsRefusedError:
            self._on_secrets_refused()

    async def _drain(self, lane: Lane) -> None:
        """Tell a lane's events until none is left."""
        loop = asyncio.get_running_loop()
        failures = 0
        refused_token: str | None = None
        while (item := self.waiting.first(lane, loop.time())) is not None:
            try:
                async with asyncio.timeout_at(item.expires):
                    token = await self._tokens.get()
            except TimeoutError:
                continue
            # Something newer may have taken its place meanwhile, or nothing is left.
            if (item := self.waiting.first(lane, loop.time())) is None:
                break
            try:
                answer = await self._tell(item, token)
            except UnavailableError as err:
                failures += 1
                refused_token = None
                await self._pause(failures, err)
                continue
            except Exception:
                # One event that cannot be told must not end all others.
                _LOGGER.exception("Dropped %s", describe(item))
                self.waiting.remove(item)
                continue
            failures = 0
            code = code_of(answer)
            if _is_token_refused(answer.status, code):
                if refused_token is not None:
                    # A fresh one as well: the customer belongs to another gateway.
                    self._refused(code)
                    return
                refused_token = token
                self._tokens.invalidate(token)
                continue
            refused_token = None
            if _is_grant_refused(answer.status, code):
                self._refused(code)
                return
            self.waiting.remove(item)
            if not 200 <= answer.status < 300:
                _LOGGER.warning(
                    "Alexa's event gateway refused %s: %s", describe(item), code
                )
        self._lanes.pop(lane, None)

    async def _tell(self, item: Waiting, token: str) -> Answer:
        item.under_way = True
        try:
            return await self._post(token, item.event.message(token, item.message_id))
        finally:
            self.waiting.give_back(item)

    async def _pause(self, failures: int, err: UnavailableError) -> None:
        times = self._times
        pause = delay(failures, floor=times.backoff_floor, cap=times.gateway_cap)
        await asyncio.sleep(max(pause, err.retry_after))

    def _refused(self, code: str) -> None:
        _LOGGER.warning("Amazon refuses events for an owner of the skill: %s", code)
        self.close()
        self._on_grant_refused(code)


def code_of(answer: Answer) -> str:
    """Return Amazon's word for a refusal, or what of HTTP says it."""
    payload = answer.content.get("payload")
    code = payload.get("code") if isinstance(payload, Mapping) else None
    return printable(code) or f"HTTP_{answer.status}"


def _is_token_refused(status: int, code: str) -> bool:
    return status == 401 or code == "INVALID_ACCESS_TOKEN_EXCEPTION"


def _is_grant_refused(status: int, code: str) -> bool:
    return status == 403 or code.startswith("SKILL_")
