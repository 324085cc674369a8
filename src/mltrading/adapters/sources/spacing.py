"""The interval of a file, from how far apart its bars are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import DAY, HOUR, INTERVALS, Interval, Times
from mltrading.errors import ImportFailed

_ALLOWED = ", ".join(i.value for i in INTERVALS if i.stored)


def interval_of(
    walls: Times, symbols: NDArray[np.int32], asked: Interval | None, name: str
) -> tuple[Interval, str]:
    """The interval and a line on how it was found; ImportFailed where the rows contradict what was
    asked, or where neither tells. `walls` are times as written, in microseconds, of a sample."""
    apart = _distances(walls, symbols)
    dates_only = len(walls) > 0 and not np.any(walls % DAY)
    if asked is not None:
        _refuse_contradiction(asked, apart, dates_only, name)
        return asked, f"interval {asked.value}, as given"
    if dates_only:
        if len(apart) > 1 and apart.min() > 4 * DAY:
            raise ImportFailed(
                f"{name}: its bars are {_span(int(np.median(apart)))} apart; weeks and months are "
                "derived from daily bars and not imported (--interval 1d if these are daily)"
            )
        return Interval.D1, "interval 1d, from dates without a time"
    step = _step(apart)
    found = next((i for i in INTERVALS if i.stored and i.length == step), None)
    if found is not None:
        return found, f"interval {found.value}, from the spacing of its bars"
    told = f"its bars are {_span(step)} apart" if step else "its bars do not show how far apart"
    raise ImportFailed(f"{name}: {told}; give --interval ({_ALLOWED})")


def refuse_derived(asked: Interval | None) -> None:
    if asked is not None and not asked.stored:
        raise ImportFailed(
            f"interval {asked.value} is derived from daily bars and not imported; import 1d bars"
        )


def _refuse_contradiction(asked: Interval, apart: Times, dates_only: bool, name: str) -> None:
    step = _step(apart)
    if step is not None and step < asked.length and not _clock_changes(asked, apart):
        raise ImportFailed(
            f"{name}: its bars are {_span(step)} apart, too close for --interval {asked.value}"
        )
    if dates_only and asked.intraday:
        raise ImportFailed(
            f"{name}: its dates have no time, so --interval {asked.value} can not be"
        )


def _clock_changes(asked: Interval, apart: Times) -> bool:
    """Whether changes of the clocks, of an hour or a half, explain all that is odd in distances:
    on a local clock bars of 4 hours or a day can lie that much nearer to each other."""
    if asked.length <= HOUR:
        return False
    return bool(apart.min() >= asked.length - HOUR and np.gcd.reduce(apart) % (HOUR // 2) == 0)


def _distances(walls: Times, symbols: NDArray[np.int32]) -> Times:
    """Between neighbours of one symbol in time."""
    order = np.lexsort((walls, symbols))
    apart = np.diff(walls[order])[np.diff(symbols[order]) == 0]
    forward: Times = apart[apart > 0]
    return forward


def _step(apart: Times) -> int | None:
    """The commonest distance; where none is common (rows in no order), what divides them all."""
    if not len(apart):
        return None
    steps, counts = np.unique(apart, return_counts=True)
    if counts.max() * 4 >= len(apart):
        return int(steps[counts.argmax()])
    return int(np.gcd.reduce(apart))


def _span(step: int) -> str:
    if step >= DAY:
        return f"{step / DAY:g} days"
    minutes = step / 60e6
    return f"{minutes:g} minutes" if minutes >= 1 else f"{step / 1e6:g} seconds"
