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

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONDAY = 3  # days from the Monday before to 1970-01-01, a Thursday
_STEPS = (12 * HOUR, 6 * HOUR, 3 * HOUR, HOUR, 30 * MINUTE, 15 * MINUTE, 5 * MINUTE, MINUTE)


@dataclass(frozen=True, slots=True)
class Level:
    """Ticks of one coarseness: positions on the axis (ascending) and their labels."""

    positions: list[int]
    labels: list[str]

    def as_dict(self) -> dict[str, Any]:
        return {"positions": self.positions, "labels": self.labels}


def levels(ts: Times, interval: Interval, timezone: str) -> list[Level]:
    """Levels from coarse to fine for bars stamped `ts` (µs UTC), none twice, none empty.

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
    labels = _Labels(local, day, month, year, interval.intraday)
    found: list[Level] = []
    for key in keys:
        positions = np.flatnonzero(key[1:] != key[:-1]) + 1
        if len(positions) > MAX_LABELS:
            break
        if len(positions) and (not found or len(positions) > len(found[-1].positions)):
            listed: list[int] = positions.tolist()
            found.append(Level(listed, labels.at(listed)))
    return found or [Level([0], [_date(int(local[0]))])]


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


class _Labels:
    """Says of a bar what is new at it: the year, else the month, else the day, else the time."""

    def __init__(self, local: Times, day: Times, month: Times, year: Times, intraday: bool) -> None:
        self._minute = (local // MINUTE % (24 * 60)).tolist()
        self._day, self._month, self._year = day.tolist(), month.tolist(), year.tolist()
        self._intraday = intraday
        self._said: dict[int, str] = {}

    def at(self, positions: list[int]) -> list[str]:
        for row in positions:
            if row not in self._said:
                self._said[row] = self._label(row)
        return [self._said[row] for row in positions]

    def _label(self, row: int) -> str:
        if self._year[row] != self._year[row - 1]:
            return str(self._year[row])
        day, month = self._day[row], self._month[row]
        name = MONTHS[month % 12]
        if not self._intraday:
            return name if month != self._month[row - 1] else str(_day_of_month(day))
        if day != self._day[row - 1]:
            return f"{_day_of_month(day)} {name}"
        return f"{self._minute[row] // 60:02d}:{self._minute[row] % 60:02d}"


def _date(local: int) -> str:
    """The whole date, where nothing begins after the first bar."""
    moment = datetime.fromtimestamp(local / SECOND, UTC)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


@lru_cache(maxsize=65536)
def _day_of_month(day: int) -> int:
    return datetime.fromtimestamp(day * 86400, UTC).day
