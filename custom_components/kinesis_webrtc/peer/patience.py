"""How long viewers wait for a camera, and how soon it is opened again."""

import asyncio
import contextlib
import time

from .events import EndReason
from .limits import Limits
from .reader import Outcome
from .source import CAMERA_OFF

UNEXPECTED = "unexpected"


class Patience:
    """What one feed has seen of its camera since it was last all well."""

    def __init__(self, limits: Limits) -> None:
        """Be as patient as the limits say."""
        self._limits = limits
        self._backoff = limits.backoff_floor
        self._since = 0.0
        self._wished_for = asyncio.Event()

    def begin(self) -> None:
        """Count from now: the camera is about to be opened."""
        self._backoff = self._limits.backoff_floor
        self._since = time.monotonic()
        self._wished_for.clear()

    def wish(self, *, to_watch: bool) -> None:
        """End the pause: somebody wants the camera who did not before."""
        self._backoff = self._limits.backoff_floor
        if to_watch:
            self._since = time.monotonic()
        self._wished_for.set()

    def delivered(self, at: float) -> None:
        """Count from a picture that has come."""
        self._backoff = self._limits.backoff_floor
        self._since = at

    def end_for(self, outcome: Outcome) -> tuple[EndReason, str | None] | None:
        """Return what to tell viewers who are not to wait for another attempt."""
        if outcome.is_unsupported:
            return EndReason.UNSUPPORTED_CODEC, outcome.detail
        if outcome.detail == CAMERA_OFF:
            return EndReason.CAMERA_OFF, None
        waited = time.monotonic() - self._since
        if outcome.detail == UNEXPECTED or waited >= self._limits.source_patience:
            return EndReason.SOURCE_FAILED, outcome.detail
        return None

    async def pause(self, *, is_watched: bool) -> None:
        """Wait before the next attempt; longer each time, but for who wishes."""
        pause = self._backoff
        left = self._since + self._limits.source_patience - time.monotonic()
        if is_watched and left > 0:
            # Viewers are given up after an attempt: the last one comes in time.
            pause = min(pause, left)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wished_for.wait()
            self._wished_for.clear()
            return
        ceiling = (
            self._limits.backoff_ceiling
            if is_watched
            else self._limits.unwatched_backoff_ceiling
        )
        self._backoff = min(2 * self._backoff, ceiling)
