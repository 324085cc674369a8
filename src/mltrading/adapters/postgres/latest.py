"""Keeps the tables `series` and `latest` in step with the bars of one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres.copy_binary import Rows, copy_out
from mltrading.adapters.postgres.tables import BAR, bars_of, columns, moment, table_of, when
from mltrading.domain.bars import INTERVALS, Interval
from mltrading.domain.bases import BaseChanges
from mltrading.domain.latest import SESSIONS_NEEDED, newest_facts
from mltrading.domain.rollup import bucket_starts

_READ = "SELECT interval, first_ts, last_ts, bars, adjusted, has_volume, source_id FROM series"
_READ_SERIES = _READ + " WHERE symbol_id = %s"
_FLAGS = """SELECT bool_or(adj_close <> close), bool_or(volume > 0) FROM {table}
    WHERE symbol_id = %s"""
_WRITE_SERIES = """INSERT INTO series
        (symbol_id, interval, first_ts, last_ts, bars, adjusted, has_volume, source_id)
    VALUES %s ON CONFLICT (symbol_id, interval) DO UPDATE SET
        first_ts = excluded.first_ts, last_ts = excluded.last_ts, bars = excluded.bars,
        adjusted = excluded.adjusted, has_volume = excluded.has_volume,
        source_id = excluded.source_id"""
_NEWEST_DAYS = """SELECT {columns} FROM {table} WHERE symbol_id = %s ORDER BY ts DESC LIMIT %s"""
_WRITE_LATEST = """INSERT INTO latest
        (symbol_id, ts, interval, session, close, volume, close_1d, close_1w, close_1mo, close_1y,
         high_52w, low_52w, spark, factor, base_sessions, base_ratios)
    VALUES %s ON CONFLICT (symbol_id) DO UPDATE SET
        ts = excluded.ts, interval = excluded.interval, session = excluded.session,
        close = excluded.close, volume = excluded.volume, close_1d = excluded.close_1d,
        close_1w = excluded.close_1w, close_1mo = excluded.close_1mo, close_1y = excluded.close_1y,
        high_52w = excluded.high_52w, low_52w = excluded.low_52w, spark = excluded.spark,
        factor = excluded.factor, base_sessions = excluded.base_sessions,
        base_ratios = excluded.base_ratios, updated_at = now()"""

# An empty or unknown array has no type of its own.
_LATEST_ROW = f"({'%s, ' * 14}%s::date[], %s::float8[])"


@dataclass(slots=True)
class Extent:
    """What is stored of a symbol at an interval: a row of `series`, kept while rows are written.

    `doubtful`: a row lost an adjustment or its volume, so the flags must be read again.
    """

    first: int
    last: int
    bars: int
    adjusted: bool
    has_volume: bool
    source_id: int
    touched: bool = False
    doubtful: bool = False


def read_extents(cursor: Cursor, symbol_id: int) -> dict[Interval, Extent]:
    """The symbol's rows of `series`."""
    cursor.execute(_READ_SERIES, (symbol_id,))
    return {
        Interval(name): Extent(moment(first), moment(last), *rest)
        for name, first, last, *rest in cursor.fetchall()
    }


def grown(extent: Extent | None, inserted: Rows, updated: Rows, replaced: Rows) -> Extent:
    """The extent after the rows were written; at least one row was."""
    parts = [_extent(rows) for rows in (inserted, updated) if len(rows)]
    new = max(parts, key=lambda part: part.last)
    known = parts if extent is None else [extent, *parts]
    return Extent(
        first=min(part.first for part in known),
        last=max(part.last for part in known),
        bars=len(inserted) + (extent.bars if extent else 0),
        adjusted=any(part.adjusted for part in known),
        has_volume=any(part.has_volume for part in known),
        source_id=extent.source_id if extent and extent.last > new.last else new.source_id,
        touched=True,
        doubtful=(extent is not None and extent.doubtful) or _lost(replaced, updated),
    )


def _extent(rows: Rows) -> Extent:
    ts = rows["ts"].view(np.int64)
    adjusted = bool((rows["adj_close"] != rows["close"]).any())
    has_volume = bool((rows["volume"] > 0).any())
    newest = int(np.argmax(ts))
    source_id = int(rows["source_id"][newest])
    return Extent(int(ts.min()), int(ts[newest]), len(rows), adjusted, has_volume, source_id)


def _lost(replaced: Rows, updated: Rows) -> bool:
    """Whether an updated row was adjusted, or had volume, and no longer is, or has."""
    unadjusted = (replaced["adj_close"] != replaced["close"]) & (
        updated["adj_close"] == updated["close"]
    )
    return bool((unadjusted | ((replaced["volume"] > 0) & (updated["volume"] == 0))).any())


def write_series(cursor: Cursor, symbol_id: int, extents: dict[Interval, Extent]) -> None:
    """Store the touched extents."""
    rows = []
    for interval, extent in extents.items():
        if not extent.touched:
            continue
        if extent.doubtful:
            cursor.execute(sql.SQL(_FLAGS).format(table=table_of(interval)), (symbol_id,))
            extent.adjusted, extent.has_volume = cursor.fetchall()[0]
        known = (extent.bars, extent.adjusted, extent.has_volume, extent.source_id)
        rows.append((symbol_id, interval.value, when(extent.first), when(extent.last), *known))
    execute_values(cursor, _WRITE_SERIES, rows)


def write_latest(
    cursor: Cursor, symbols: Iterable[tuple[int, str, dict[Interval, Extent], BaseChanges]]
) -> None:
    """Refresh the row of each symbol, given with its time zone, extents and changes of base."""
    query = sql.SQL(_NEWEST_DAYS).format(columns=columns(BAR), table=table_of(Interval.D1))
    rows = []
    for symbol_id, timezone, extents, changes in symbols:
        statement = cursor.mogrify(query, (symbol_id, SESSIONS_NEEDED))
        facts = newest_facts(bars_of(copy_out(cursor, statement, BAR)[::-1]), changes)
        interval, ts = _newest_bar(extents, timezone)
        based = [when(one.ts).date() for one in changes], [one.ratio for one in changes]
        rows.append((symbol_id, when(ts), interval.value, *astuple(facts), *based))
    execute_values(cursor, _WRITE_LATEST, rows, _LATEST_ROW)


def _newest_bar(extents: dict[Interval, Extent], timezone: str) -> tuple[Interval, int]:
    """The newest bar at the finest interval that reaches the newest session."""
    session = extents[Interval.D1].last
    for interval in INTERVALS:
        if interval is Interval.D1:
            break
        if interval in extents:
            last = np.array([extents[interval].last], np.int64)
            if bucket_starts(last, Interval.D1, timezone)[0] == session:
                return interval, int(last[0])
    return Interval.D1, session
