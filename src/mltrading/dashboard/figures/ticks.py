"""Tick labels of a time axis whose positions are the integers 0..n-1, one for each bar.

A tick stands at the first bar of a period (year, month, day, hour, ...) in the exchange's clock.
Closed sessions take no room, so ticks are not evenly spaced and plotly can not choose them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import DAY, HOUR, MINUTE, SECOND, Interval, Times
from mltrading.domain.zones import utc_offsets

MAX_LABELS = 200
"""Levels with more ticks are left out: they would be dense only in views of a few bars."""
LABELS_UNTIL_FINER = 100
"""The same where zooming in loads finer bars: a third of them, which is what the window shows,
fills the widest screen."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIMES = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(24 * 60))
_MONDAY = 3  # days from the Monday before to 1970-01-01, a Thursday
_STEPS = (12 * HOUR, 6 * HOUR, 3 * HOUR, HOUR, 30 * MINUTE, 15 * MINUTE, 5 * MINUTE, MINUTE)


@dataclass(frozen=True, slots=True)
class Level:
    """Ticks of one coarseness: positions on the axis (ascending) and their labels."""

    positions: list[int]
    labels: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {"positions": self.positions, "labels": self.labels}


def levels(ts: Times, interval: Interval, timezone: str, most: int = MAX_LABELS) -> list[Level]:
    """Levels from coarse to fine for bars stamped `ts` (µs UTC), none twice, none empty, each with
    at most `most` ticks.

    Where no period begins after the first bar, its date is the only label.
    """
    if not len(ts):
        return []
    local = ts + utc_offsets(ts, timezone) if interval.intraday else ts
    year, month = _calendar(local)
    keys = [year // 10, year // 5, year, month // 3, month]
    day = local // DAY
    if interval.length <= DAY:
        keys += [(day + _MONDAY) // 7, day]
    if interval.intraday:
        keys += [local // step for step in _STEPS if step >= interval.length]
    found: list[list[int]] = []
    for key in keys:
        positions = np.flatnonzero(key[1:] != key[:-1]) + 1
        if len(positions) > most:
            break
        if len(positions) and (not found or len(positions) > len(found[-1])):
            found.append(positions.tolist())
    if not found:
        return [Level([0], [_date(int(local[0]))])]
    labels = _labels(sorted({row for rows in found for row in rows}), local, interval.intraday)
    return [Level(rows, [labels[row] for row in rows]) for rows in found]


def choose(found: list[Level], first: float, last: float, most: int = 9) -> Level:
    """The finest level with at most `most` ticks between two positions, else the coarsest."""
    best = found[0] if found else Level([], [])
    for level in found:
        if sum(first <= position <= last for position in level.positions) <= most:
            best = level
    return best


def _calendar(local: Times) -> tuple[Times, Times]:
    """Year, and months since year 0, of each local stamp."""
    months: NDArray[np.int64] = local.astype("datetime64[us]").astype("datetime64[M]").astype("i8")
    months = months + 1970 * 12
    return months // 12, months


def _labels(rows: list[int], local: Times, intraday: bool) -> dict[int, str]:
    """What is new at each of those bars: the year, else the month, else the day, else the time."""
    here, before = local[rows], local[np.array(rows) - 1]
    (year, month), (year_before, month_before) = _calendar(here), _calendar(before)
    new_year, new_month = (year != year_before).tolist(), (month != month_before).tolist()
    new_day = (here // DAY != before // DAY).tolist()
    years, months = year.tolist(), (month % 12).tolist()
    days, minutes = (here // DAY).tolist(), (here // MINUTE % (24 * 60)).tolist()
    said: dict[int, str] = {}
    for n, row in enumerate(rows):
        if new_year[n]:
            said[row] = str(years[n])
        elif intraday and not new_day[n]:
            said[row] = _TIMES[minutes[n]]
        elif intraday:
            said[row] = f"{_day_of_month(days[n])} {MONTHS[months[n]]}"
        else:
            said[row] = MONTHS[months[n]] if new_month[n] else str(_day_of_month(days[n]))
    return said


def _date(local: int) -> str:
    """The whole date, where nothing begins after the first bar."""
    moment = datetime.fromtimestamp(local / SECOND, UTC)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


@lru_cache(maxsize=65536)
def _day_of_month(day: int) -> int:
    return datetime.fromtimestamp(day * 86400, UTC).day
