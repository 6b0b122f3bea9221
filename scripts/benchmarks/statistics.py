"""Numbers of many runs in few."""

from collections.abc import Sequence


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the 95th percentile (nearest rank) and the maximum."""
    ordered = sorted(values)

    def percentile(percent: int) -> float:
        rank = -(-len(ordered) * percent // 100)
        return round(ordered[max(rank, 1) - 1], 1)

    return {"p50": percentile(50), "p95": percentile(95), "max": round(ordered[-1], 1)}
