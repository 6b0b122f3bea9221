"""Pacing of what one websocket sends."""

import asyncio
from collections import deque


class Pacer:
    """Let at most `limit` pass in any `period` seconds, first come, first served."""

    def __init__(self, *, limit: int, period: float) -> None:
        """Start with the whole limit free."""
        self._period = period
        self._passed: deque[float] = deque(maxlen=limit)
        self._limit = limit
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        """Return as soon as one more may pass."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if len(self._passed) == self._limit:
                delay = self._passed[0] + self._period - loop.time()
                if delay > 0:
                    await asyncio.sleep(delay)
            self._passed.append(loop.time())
