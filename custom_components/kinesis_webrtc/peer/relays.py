"""The relays of one connection: kept open while it lasts, left when a server gives up.

aioice refreshes allocations alone. Permissions, which let a viewer's packets through,
last for 300 seconds (RFC 8656 section 9); aioice renews them with the channels that they
belong to after 500, and then anew with each packet that is sent meanwhile. And when it
loses the relay that is in use, the connection is as closed as after a viewer's goodbye.
"""

import asyncio
from collections.abc import Callable, Coroutine
import logging
from typing import Any

import aioice.ice

from . import relay_internals
from .limits import Limits

_LOGGER = logging.getLogger(__name__)

# In seconds, between two rounds of checks.
_PAUSE = 0.25
# Pairs that are checked in a round.
_CHECKED = 16


class Relays:
    """Keeps relays, and moves a connection that has lost its own to another path."""

    def __init__(
        self,
        *,
        connection: aioice.ice.Connection,
        limits: Limits,
        on_moved: Callable[[], None],
        on_expired: Callable[[], None],
    ) -> None:
        """Prepare; the callbacks are called in the event loop.

        `on_moved` tells that what was sent of late may be lost, `on_expired` that there
        is no path any more.
        """
        self._connection = connection
        self._limits = limits
        self._on_moved = on_moved
        self._on_expired = on_expired
        self._relays: dict[aioice.ice.StunProtocol, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._halted = False
        relay_internals.watch_losses(connection, self._lost)

    def add(self, relay: aioice.ice.StunProtocol) -> None:
        """Use a relay, which has its candidate."""
        self._relays[relay] = self._start(self._keep(relay))
        relay_internals.add_relay(self._connection, relay)

    async def halt(self) -> None:
        """Stop: the connection is about to close."""
        self._halted = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def free(self) -> None:
        """Give the relays back, once the goodbyes that they carry are sent."""
        await asyncio.gather(*map(self.close, self._relays))
        self._relays.clear()

    async def close(self, relay: aioice.ice.StunProtocol) -> None:
        """Give one relay back, within bounds."""
        try:
            async with asyncio.timeout(self._limits.close_timeout):
                await relay_internals.close_relay(relay)
        except TimeoutError:
            await relay_internals.abandon_relay(relay)

    async def _keep(self, relay: aioice.ice.StunProtocol) -> None:
        while True:
            await asyncio.sleep(self._limits.relay_refresh)
            if not await relay_internals.refresh_channels(relay):
                _LOGGER.debug("A TURN server refuses to go on")
                relay_internals.drop_relay(relay)
                return

    def _lost(self, protocol: aioice.ice.StunProtocol) -> None:
        if self._halted or protocol not in self._relays:
            return
        self._relays[protocol].cancel()
        relay_internals.remove_relay(self._connection, protocol)
        if relay_internals.is_selected(self._connection, protocol):
            self._start(self._leave(protocol))

    async def _leave(self, lost: aioice.ice.StunProtocol) -> None:
        try:
            async with asyncio.timeout(self._limits.relay_grace):
                # The viewer may see it as well, and choose another pair itself.
                while relay_internals.is_selected(self._connection, lost):
                    if await self._move(lost):
                        break
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            self._on_expired()
            return
        _LOGGER.debug("A relay was lost, and another path found")
        self._on_moved()

    async def _move(self, lost: aioice.ice.StunProtocol) -> bool:
        """Take the first pair that works."""
        pairs = relay_internals.pairs(self._connection)[:_CHECKED]
        checks = [asyncio.create_task(self._check(pair)) for pair in pairs]
        try:
            for check in asyncio.as_completed(checks):
                pair = await check
                if pair and relay_internals.is_selected(self._connection, lost):
                    relay_internals.select(self._connection, pair)
                    return True
        finally:
            for task in checks:
                task.cancel()
            await asyncio.gather(*checks, return_exceptions=True)
        return False

    async def _check(
        self, pair: aioice.ice.CandidatePair
    ) -> aioice.ice.CandidatePair | None:
        return pair if await relay_internals.check(self._connection, pair) else None

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="kinesis_webrtc relay")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("Keeping a relay failed: %s", type(error).__name__)
