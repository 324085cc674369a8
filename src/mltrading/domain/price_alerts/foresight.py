"""How often a condition would have been told of over a span of stored bars, and how the price moved
afterwards, beside how it moved after any bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import Bars, Floats, Interval, Times
from mltrading.domain.price_alerts.brake import Brake, Told, braked
from mltrading.domain.price_alerts.closing import days
from mltrading.domain.price_alerts.conditions import Condition
from mltrading.domain.price_alerts.judging import judged

AFTER_BARS = 5
FEWEST = 8
"""A median of fewer moves says more of chance than of the condition, and is not told."""


@dataclass(frozen=True, slots=True)
class MovesAfter:
    """How the close moved over the next AFTER_BARS bars: the median of `count` moves, NaN where
    there are fewer than FEWEST."""

    median: float
    count: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`told`: stamps of the bars that would have been told; `held_back`: how many more the cooldown
    and the cap would have kept back. `bars` were judged, from `since` to `until` (stamps); before
    `known_from` the condition could not be judged for want of bars (None: it never could).
    """

    told: tuple[int, ...]
    held_back: int
    after: MovesAfter
    any_bar: MovesAfter
    bars: int
    since: int
    until: int
    known_from: int | None


def foresee(
    condition: Condition,
    brake: Brake,
    bars: Bars,
    ends: Times,
    interval: Interval,
    timezone: str,
    first: int = 0,
) -> Foreseen:
    """What would have been told of the closed `bars` (adjusted) from position `first` on; `ends`
    are their closings. Those before it are what the condition needs, as far as they are there."""
    verdicts = judged(condition, bars, interval, timezone, first)
    hits = np.flatnonzero(verdicts.came_true) + first
    known = np.flatnonzero(verdicts.known) + first
    moments = zip(ends[hits].tolist(), days(ends[hits], timezone).tolist(), strict=True)
    allowed, _ = braked(brake, Told(), moments)
    told = hits[np.array(allowed, bool)] if len(hits) else hits
    every = np.arange(first, len(bars))
    return Foreseen(
        told=tuple(bars.ts[told].tolist()),
        held_back=len(hits) - len(told),
        after=_after(bars.close, told),
        any_bar=_after(bars.close, every),
        bars=len(every),
        since=int(bars.ts[first]) if len(every) else 0,
        until=int(bars.ts[-1]) if len(every) else 0,
        known_from=int(bars.ts[known[0]]) if len(known) else None,
    )


def _after(close: Floats, at: NDArray[np.intp]) -> MovesAfter:
    whole = at[at + AFTER_BARS < len(close)]
    moves = close[whole + AFTER_BARS] / close[whole] - 1
    known = moves[np.isfinite(moves)]
    return MovesAfter(float(np.median(known)) if len(known) >= FEWEST else math.nan, len(known))
