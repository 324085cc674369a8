"""Coarser bars out of finer ones: the one implementation that imports, reads and tests share.

Buckets: up to 1h by the UTC clock; 4h and 1d by the clock of the exchange (a 1d bar is stamped
with its session label, 00:00 UTC of the local date); 1w and 1mo group session labels by Monday
and by the first of the month. A finer bar belongs to the bucket its own stamp lies in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import DAY, Bars, Interval, Times
from mltrading.domain.zones import utc_of_local, utc_offsets

_THURSDAY = 3  # 1970-01-01 counted from Monday


def bucket_starts(ts: Times, interval: Interval, timezone: str) -> Times:
    """Stamp of the `interval` bar that each stamp in `ts` belongs to; same length as `ts`.

    `ts` are stamps of intraday bars, but session labels for 1w and 1mo (where `timezone`, an IANA
    name, plays no part). The answer for a stamp never depends on the others.
    """
    if interval is Interval.MO1:
        months = ts.astype("M8[us]").astype("M8[M]")
        return months.astype("M8[us]").astype(np.int64)
    if interval is Interval.W1:
        return ts - ts % DAY - (ts // DAY + _THURSDAY) % 7 * DAY
    if interval is Interval.D1:
        return _floor(ts + utc_offsets(ts, timezone), DAY)
    if interval is Interval.H4:
        local = ts + utc_offsets(ts, timezone)
        return utc_of_local(_floor(local, interval.length), timezone)
    return _floor(ts, interval.length)


def roll_up(bars: Bars, interval: Interval, timezone: str) -> Bars:
    """The `interval` bars that `bars` (finer, ascending, stamped as bucket_starts wants) make.

    First open, highest high, lowest low, last close and adj_close, summed volume; final when all
    its parts are. Whole buckets in give whole buckets out. Apply it to adjusted bars where a
    bucket may hold a split.
    """
    if not len(bars):
        return bars
    keys = bucket_starts(bars.ts, interval, timezone)
    if np.any(keys[1:] < keys[:-1]):  # a clock set back over midnight: 00:00, then 23:01 again
        order = np.argsort(keys, kind="stable")
        keys, bars = keys[order], bars[order]
    first = first_of_each(keys)
    last = np.append(first[1:], len(keys)) - 1
    return Bars(
        ts=keys[first],
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        adj_close=bars.adj_close[last],
        volume=np.add.reduceat(bars.volume, first),
        is_final=np.logical_and.reduceat(bars.is_final, first),
    )


def first_of_each(keys: Times) -> NDArray[np.intp]:
    """Position where each run of equal keys begins."""
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else _NONE


_NONE = np.empty(0, np.intp)


def _floor(ts: Times, step: int) -> Times:
    return ts - ts % step
