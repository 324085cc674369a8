"""The tables of bars as NumPy knows them: which one holds an interval, and their records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
from psycopg2 import sql

from mltrading.adapters.postgres.copy_binary import Rows
from mltrading.domain.bars import Bars, Interval

BAR = np.dtype(
    [
        ("ts", "M8[us]"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("adj_close", "f8"),
        ("volume", "f8"),
        ("is_final", "?"),
    ]
)
"""What a reader gets of a row."""

ROW = np.dtype([("symbol_id", "i4"), *BAR.descr, ("source_id", "i2"), ("rolled", "?")])
"""All columns, as the writer stores them."""

_TABLES = {
    Interval.M1: "bars_1m",
    Interval.M5: "bars_5m",
    Interval.M15: "bars_15m",
    Interval.H1: "bars_1h",
    Interval.H4: "bars_4h",
    Interval.D1: "bars_1d",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST = (datetime.min.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)


def table_of(interval: Interval) -> sql.Identifier:
    """The table that holds `interval`; ValueError for one that is derived on read."""
    if not interval.stored:
        raise ValueError(f"{interval.value} bars are not stored; derive them from 1d")
    return sql.Identifier(_TABLES[interval])


def columns(record: np.dtype[np.void]) -> sql.Composed:
    """The names of a record's columns, for a query."""
    return sql.SQL(", ").join(map(sql.Identifier, record.names or ()))


def bars_of(rows: Rows) -> Bars:
    """The bars of rows with at least the columns of BAR. Arrays are views where they can be."""
    ts, *values = (rows[name] for name in BAR.names or ())
    return Bars(ts.view(np.int64), *values)


def rows_of(bars: Bars, symbol_id: int, source_id: int, rolled: bool) -> Rows:
    """The rows that store `bars`."""
    rows = np.empty(len(bars), ROW)
    rows["symbol_id"], rows["source_id"], rows["rolled"] = symbol_id, source_id, rolled
    for name in BAR.names or ():
        rows[name] = getattr(bars, name)
    return rows


def when(ts: int) -> datetime:
    """A moment for psycopg2 to bind; what lies beyond years 1 to 9999 becomes that edge."""
    return _EPOCH + timedelta(microseconds=min(max(ts, _FIRST), _LAST))


def moment(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, as psycopg2 returns them."""
    return (at - _EPOCH) // timedelta(microseconds=1)
