"""A camera's source, and another one for when it gives nothing."""

import time
from typing import Final

from .source import MediaSource

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

    def begin(self) -> None:
        """Say that somebody wants the camera again."""
        if time.monotonic() - self._failed_at > _FORGIVEN:
            self._failures = 0

    def failed(self) -> bool:
        """Say that the current one gave nothing; tell whether to try the next at once."""
        self._failures += 1
        self._failed_at = time.monotonic()
        return self.is_fallback
