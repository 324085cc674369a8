"""Bars, intervals and symbols: the nouns that every layer speaks.

Times are int64 microseconds since 1970-01-01 UTC. A bar is stamped with its start. A bar of one
day or longer is stamped with its session label: 00:00 UTC of the session's date on its exchange
(for a week the Monday, for a month the first), so that it never shifts with daylight saving.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Interval(Enum):
    """Length of a bar. The value is its name in URLs, commands and the database."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"
    MO1 = "1mo"

    @property
    def length(self) -> int:
        """Nominal length in microseconds (a month counts as 30 days)."""
        return _LENGTHS[self]

    @property
    def intraday(self) -> bool:
        return self.length < DAY

    @property
    def stored(self) -> bool:
        """Whether the database holds this interval; weeks and months are derived from days."""
        return self not in (Interval.W1, Interval.MO1)


_LENGTHS = {
    Interval.M1: MINUTE,
    Interval.M5: 5 * MINUTE,
    Interval.M15: 15 * MINUTE,
    Interval.H1: HOUR,
    Interval.H4: 4 * HOUR,
    Interval.D1: DAY,
    Interval.W1: 7 * DAY,
    Interval.MO1: 30 * DAY,
}

INTERVALS: tuple[Interval, ...] = tuple(Interval)  # finest first
STORED: tuple[Interval, ...] = tuple(i for i in Interval if i.stored)


@dataclass(frozen=True, slots=True)
class Bars:
    """OHLCV rows of one symbol at one interval, ascending and unique in `ts`.

    Prices are as traded; `adj_close` is the close adjusted for splits and dividends, equal to
    `close` where the source gives none. All arrays have the same length. `is_final` is False for
    a bar that its source may still change (the forming bar).
    """

    ts: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    adj_close: Floats
    volume: Floats
    is_final: Flags

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice | Flags | NDArray[np.intp]) -> Bars:
        return Bars(*(getattr(self, name)[rows] for name in _COLUMNS))

    @classmethod
    def empty(cls) -> Bars:
        floats = np.empty(0)
        return cls(
            np.empty(0, np.int64), floats, floats, floats, floats, floats, floats, np.empty(0, bool)
        )

    @classmethod
    def concat(cls, parts: list[Bars]) -> Bars:
        """Join parts that are already in ascending order."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))

    @property
    def newest_factor(self) -> float:
        """adj_close / close of the last bar; not of no bars."""
        return float(self.adj_close[-1] / self.close[-1])

    def adjusted(self, newest_factor: float = 1.0) -> Bars:
        """The same bars with open, high, low and close scaled by adj_close / close, relative to
        that of the symbol's newest day: given it, the newest bar shows what was traded and the
        earlier ones what that would have been then. Returns do not depend on it."""
        factor = self.adj_close / self.close / newest_factor
        return replace(
            self,
            open=self.open * factor,
            high=self.high * factor,
            low=self.low * factor,
            close=self.close * factor,
        )


_COLUMNS = ("ts", "open", "high", "low", "close", "adj_close", "volume", "is_final")


@dataclass(frozen=True, slots=True)
class Symbol:
    """One instrument as the database knows it. `calendar` is an exchange_calendars name."""

    id: int
    code: str
    name: str
    exchange: str
    calendar: str
    timezone: str
    sector: str
    industry: str
    currency: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Series:
    """What is stored of one symbol at one interval: first and newest bar, and how many."""

    symbol_id: int
    interval: Interval
    first_ts: int
    last_ts: int
    bars: int
    adjusted: bool  # some adj_close differs from close
    has_volume: bool  # some volume is not zero
    source: str
    feed: str
    notice: str  # licence or redistribution notice of the source, may be empty
    version: str  # changes with every write to its bars, so that what was made of them is stale
