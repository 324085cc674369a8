"""When a condition came true, the same for a bar that just closed and for one of last year.

An average that remembers depends a little on where the bars begin. So all begin at fixed places:
each block of time is judged over its own bars and as many before it as the condition needs.
"""

from __future__ import annotations

import numpy as np

from mltrading.domain.bars import Bars, Interval
from mltrading.domain.price_alerts.conditions import Condition, Verdicts

BLOCK = 512  # lengths of the interval
_SLACK = 16  # bars more than that: months shorter than their nominal length, clocks set back


def needed(condition: Condition, interval: Interval) -> int:
    """How many bars before a bar decide over it."""
    return condition.lookback(interval) + BLOCK + _SLACK


def judged(
    condition: Condition, bars: Bars, interval: Interval, timezone: str, first: int = 0
) -> Verdicts:
    """Of each of the bars (adjusted, ascending) from position `first` on. `bars` hold `needed` bars
    before that position, or all that there are."""
    true, known = np.zeros(len(bars), bool), np.zeros(len(bars), bool)
    blocks = bars.ts // (BLOCK * interval.length)
    lookback = condition.lookback(interval)
    for block in np.unique(blocks[first:]):
        start, stop = (int(at) for at in np.searchsorted(blocks, [block, block + 1]))
        begin = max(0, start - lookback)
        found = condition.verdicts(bars[begin:stop], interval, timezone)
        true[start:stop] = found.came_true[start - begin :]
        known[start:stop] = found.known[start - begin :]
    return Verdicts(true[first:], known[first:])
