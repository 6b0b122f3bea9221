"""What a thread costs."""

from collections.abc import Iterator
from contextlib import contextmanager
import time
from typing import Final

# In seconds: long enough for pictures that differ, short enough to be of now.
_SPAN: Final = 2.0


class CpuMeter:
    """Measures the thread that works; any thread may read."""

    def __init__(self) -> None:
        """Read nothing before there is something to read."""
        self._wall = 0.0
        self._cpu = 0.0
        self.percent = 0.0
        """Of one core, over the last seconds; 0 while nothing runs."""

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the calling thread, which calls `lap` after each piece of work."""
        self._wall, self._cpu = time.monotonic(), time.thread_time()
        try:
            yield
        finally:
            self.percent = 0.0

    def lap(self) -> None:
        """Say that a piece of work is done."""
        wall = time.monotonic()
        if (elapsed := wall - self._wall) < _SPAN:
            return
        cpu = time.thread_time()
        self.percent = 100 * (cpu - self._cpu) / elapsed
        self._wall, self._cpu = wall, cpu
