"""The closed bars of a symbol, by which traders' alerts are judged: adjusted, as on a chart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mltrading.domain.bars import DAY, Bars, Interval, Symbol, Times
from mltrading.domain.calendar import Calendar
from mltrading.domain.price_alerts.closing import closings, counted
from mltrading.services.windows import Source, Window

_NEVER_FORMING = np.iinfo(np.int64).max - 400 * DAY
"""A moment to come: weeks and months are asked for as of then, for what is over is said here."""
FOREVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class ClosedBars:
    """The newest closed bars with their ends. `until`: before this moment no more of those that are
    stored will count."""

    symbol: Symbol
    interval: Interval
    bars: Bars
    ends: Times
    until: int

    @property
    def timezone(self) -> str:
        return self.symbol.timezone or "UTC"

    @property
    def newest(self) -> int | None:
        return int(self.bars.ts[-1]) if len(self.bars) else None


def closed_bars(
    source: Source, interval: Interval, calendar: Calendar | None, lead: int, now: int
) -> ClosedBars:
    """The newest `lead` closed bars (or one fewer), or all that there are and can be
    compared with the newest."""
    symbol = source.known.symbol
    if interval not in source.available:
        return ClosedBars(symbol, interval, Bars.empty(), np.empty(0, np.int64), FOREVER)
    end = source.series(interval).last_ts + 1
    bars, _ = source.read(interval, Window(end - 1, end), lead, 0, _NEVER_FORMING)
    bars = source.comparable(bars)
    ends = closings(bars.ts, interval, calendar, source.timezone)
    count = counted(bars, ends, now, _reaches(source, interval, calendar))
    coming = ends[ends > now]
    until = int(coming[0]) if len(coming) else FOREVER
    return ClosedBars(symbol, interval, bars[:count], ends[:count], until)


def _reaches(source: Source, interval: Interval, calendar: Calendar | None) -> list[int]:
    """Until when the bars of each finer interval reach, the finest first."""
    finer = sorted((i for i in source.stored if i.length < interval.length), key=lambda i: i.length)
    return [
        int(closings(np.array([source.stored[i].last_ts]), i, calendar, source.timezone)[0])
        for i in finer
    ]
