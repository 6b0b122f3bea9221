"""A camera's source, and another one for when it gives nothing."""

import asyncio
import logging
import time
from typing import Final

from .reader import Outcome
from .source import MediaSource, Source, SourceError

_LOGGER = logging.getLogger(__name__)

# In seconds: after so long, the source itself is tried again before the other one.
_FORGIVEN: Final = 300.0


class Sources:
    """Names the one to be opened: both in turns, for as long as they give nothing."""

    def __init__(self, source: MediaSource, fallback: MediaSource | None) -> None:
        """Begin with the source itself."""
        self._all = [source] if fallback is None else [source, fallback]
        self._failures = 0
        self._failed_at = 0.0

    @property
    def current(self) -> MediaSource:
        """The one to be opened now."""
        return self._all[self._failures % len(self._all)]

    @property
    def is_fallback(self) -> bool:
        """Whether that is not the source itself."""
        return self.current is not self._all[0]

    async def resolve(self, timeout: float) -> Source | Outcome:
        """Return what to open now, or why there is nothing; `timeout` is in seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self.current.resolve()
        except SourceError as err:
            return Outcome(detail=err.reason)
        except TimeoutError:
            return Outcome(detail="no_stream_in_time")
        except Exception as err:  # noqa: BLE001
            _LOGGER.debug("A source failed: %s", type(err).__name__)
            return Outcome(detail=type(err).__name__)

    def begin(self) -> None:
        """Say that somebody wants the camera again."""
        if time.monotonic() - self._failed_at > _FORGIVEN:
            self._failures = 0

    def failed(self) -> bool:
        """Say that the current one gave nothing; tell whether to try the next at once."""
        self._failures += 1
        self._failed_at = time.monotonic()
        return self.is_fallback
