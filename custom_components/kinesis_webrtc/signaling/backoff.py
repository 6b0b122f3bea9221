"""Growing, jittered delays between attempts."""

from collections.abc import Callable
import random

_MAX_DOUBLINGS = 16


class Backoff:
    """Exponential backoff with full jitter above a floor.

    The n-th delay in a row is drawn between `floor` and `floor` * 2^n, at most `cap`
    seconds: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(
        self,
        *,
        floor: float,
        cap: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Start as if nothing had failed yet."""
        self._floor = floor
        self._cap = cap
        self._uniform = uniform
        self._failures = 0

    def reset(self) -> None:
        """Forget the failures."""
        self._failures = 0

    def next_delay(self, *, cap: float | None = None) -> float:
        """Count one more failure and return the seconds to wait for.

        `cap` is one for this delay alone, where it is lower.
        """
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)
        limit = self._cap if cap is None else min(cap, self._cap)
        return self._uniform(
            self._floor,
            max(self._floor, min(limit, self._floor * 2**self._failures)),
        )
