"""The newest facts of a symbol out of its daily bars, for one row of the overview."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from mltrading.domain.bars import DAY, Bars
from mltrading.domain.bases import BaseChange, comparable, rebased

SESSIONS_NEEDED = 367
"""At most 366 sessions lie within a year; one more is the close of a year ago."""

_SPARK = 60
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the newest session. Prices are adjusted, not yet relative to the newest (`factor` is its
    adj_close / close); None where the history is too short."""

    session: date
    close: float
    volume: float
    close_1d: float | None
    close_1w: float | None
    close_1mo: float | None
    close_1y: float | None
    high_52w: float
    low_52w: float
    spark: list[float]
    factor: float


def newest_facts(daily: Bars, changes: Sequence[BaseChange] = ()) -> Facts:
    """Facts of the last of `daily` (as traded, at least the newest SESSIONS_NEEDED of a symbol,
    or all; not empty).

    A past close is that of the newest session on or before the same day one week, one calendar
    month or year earlier; 52 weeks are the sessions after the same day a year earlier. What lies
    before a change of base with no known ratio (one of `changes`) is as if it were not stored.
    """
    factor = daily.newest_factor
    bars = rebased(comparable(daily, changes), changes).adjusted()
    session = _EPOCH + timedelta(days=int(bars.ts[-1]) // DAY)
    year_ago = _position(bars, _months_earlier(session, 12))
    year = bars[year_ago + 1 :]
    return Facts(
        session=session,
        close=float(bars.close[-1]),
        volume=float(bars.volume[-1]),
        close_1d=_close(bars, len(bars) - 2),
        close_1w=_close(bars, _position(bars, session - timedelta(days=7))),
        close_1mo=_close(bars, _position(bars, _months_earlier(session, 1))),
        close_1y=_close(bars, year_ago),
        high_52w=float(year.high.max()),
        low_52w=float(year.low.min()),
        spark=bars.close[-_SPARK:].tolist(),
        factor=factor,
    )


def _position(bars: Bars, day: date) -> int:
    """Where the newest session on or before `day` is; -1 where there is none."""
    label = (day - _EPOCH).days * DAY
    return int(np.searchsorted(bars.ts, label, side="right")) - 1


def _close(bars: Bars, position: int) -> float | None:
    return float(bars.close[position]) if position >= 0 else None


def _months_earlier(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last."""
    year, month = divmod(12 * day.year + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
