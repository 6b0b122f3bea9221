"""What the service has seen: calls, refusals, messages."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMessage:
    """A message on a channel and what became of it.

    sender, recipient: a viewer's client id, or None for the master.
    outcome: delivered, stored, replaced, expired, answered, swallowed or refused: WHY.
    """

    channel: str
    type: str
    sender: str | None
    recipient: str | None
    payload: str = field(repr=False)
    outcome: str


class Journal:
    """Counters and the latest messages, and a way to wait for a change."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.calls: Counter[str] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        # What was allowed: to which access key, which action, on what.
        self.rights: Counter[tuple[str, str, str]] = Counter()
        self.requests: deque[tuple[str, dict[str, Any]]] = deque(maxlen=1000)
        self.messages: deque[SeenMessage] = deque(maxlen=1000)
        # By time.monotonic, which all processes of a machine share.
        self.attempts: deque[tuple[float, str]] = deque(maxlen=1000)
        self.joins: deque[tuple[float, str]] = deque(maxlen=1000)
        self._waiters: set[asyncio.Future[None]] = set()

    def count_call(self, operation: str) -> None:
        """Count a call of an operation, whatever its end."""
        self.calls[operation] += 1
        if operation.startswith("ConnectAs"):
            self.attempts.append((time.monotonic(), operation))
        self.notify()

    def join(self, channel: str) -> None:
        """Note that a channel has got a master."""
        self.joins.append((time.monotonic(), channel))
        self.notify()

    def count_error(self, operation: str, code: str) -> None:
        """Count a refusal."""
        self.errors[operation, code] += 1
        self.notify()

    def see(self, message: SeenMessage) -> None:
        """Keep a message."""
        self.messages.append(message)
        self.notify()

    def notify(self) -> None:
        """Wake everybody who waits for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait_for(
        self, predicate: Callable[[], object], timeout: float = 5
    ) -> None:
        """Wait until something is true; raise TimeoutError after so many seconds."""
        async with asyncio.timeout(timeout):
            while not predicate():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                await waiter
