"""Times counted by fixed buckets: they add up over processes and hours, as percentiles never do."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import nan

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 25.0)
"""Upper bounds, inclusive; one bucket more holds what took longer than the last."""
BUCKETS = len(BOUNDS_SECONDS) + 1


def bucket(seconds: float) -> int:
    """Which bucket a time belongs to."""
    return bisect_left(BOUNDS_SECONDS, seconds)


def quantile(counts: Sequence[float], share: float) -> float:
    """The time that `share` (0 to 1) of the counted ones did not exceed, on a straight line within
    its bucket; the last bound where it lies beyond; NaN without any."""
    total = sum(counts)
    if not total:
        return nan
    wanted, before = share * total, 0.0
    for number, count in enumerate(counts):
        if count and before + count >= wanted:
            if number == len(BOUNDS_SECONDS):
                break
            low = BOUNDS_SECONDS[number - 1] if number else 0.0
            inside = max(0.0, wanted - before) / count
            return low + (BOUNDS_SECONDS[number] - low) * inside
        before += count
    return BOUNDS_SECONDS[-1]


def over(counts: Sequence[float], seconds: float) -> float:
    """How many took longer than `seconds`, one of the bounds."""
    return sum(counts[BOUNDS_SECONDS.index(seconds) + 1 :])


def added(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """Both together; either may be empty."""
    if not one or not other:
        return tuple(one or other)
    return tuple(a + b for a, b in zip(one, other, strict=True))
