"""Reads bars: an index range of one table by COPY BINARY straight into NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.copy_binary import copy_out
from mltrading.adapters.postgres.pool import Database, OneMoment
from mltrading.adapters.postgres.symbols import (
    SYMBOL_FIELDS,
    changes_of,
    scoped,
    session_label,
    storable,
)
from mltrading.adapters.postgres.tables import BAR, bars_of, columns, moment, table_of, when
from mltrading.domain.access import Scope
from mltrading.domain.bars import Bars, Interval, Series, Symbol
from mltrading.services.ports import BarReader, NewestClose, Stored

_BETWEEN = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s ORDER BY ts"""
_BEFORE = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts < %(ts)s ORDER BY ts DESC LIMIT %(count)s"""
_AFTER = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(ts)s ORDER BY ts LIMIT %(count)s"""
_COUNT = """SELECT count(*) FROM (SELECT 1 FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s LIMIT %(limit)s) AS counted"""
# The row of `series` is written in every transaction that writes bars of it, and xmin is the
# number of the transaction that wrote a row last.
_STORED = scoped("""SELECT {symbol}, session, close / factor, close_1d / factor, factor,
        base_sessions, base_ratios, series.interval, first_ts, last_ts, bars, adjusted, has_volume,
        sources.name, feed, notice, series.xmin::text
    FROM symbols
    LEFT JOIN latest ON latest.symbol_id = symbols.id
    LEFT JOIN series ON series.symbol_id = symbols.id
    LEFT JOIN sources ON sources.id = series.source_id
    WHERE {seen} AND code = %(code)s""")
_SERIES = SYMBOL_FIELDS + 6  # where the columns of a series begin

Result = TypeVar("Result")


class PostgresBars:
    """The port services.ports.BarReader on PostgreSQL."""

    def __init__(self, database: Database | OneMoment) -> None:
        self._database = database

    def together(self, ask: Callable[[BarReader], Result]) -> Result:
        """One transaction for all that `ask` reads: one moment, and a third of the messages."""
        return self._database.read(lambda connection: ask(PostgresBars(OneMoment(connection))))

    def stored(self, scope: Scope, code: str) -> Stored | None:
        if not storable(code):
            return None

        def read(connection: Connection) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(_STORED[scope], {"code": code})
                return cursor.fetchall()

        rows = self._database.read(read)
        return _stored(rows) if rows else None

    def between(self, symbol_id: int, interval: Interval, start: int, end: int) -> Bars:
        values = {"symbol": symbol_id, "start": when(start), "end": when(end)}
        return self._bars(_BETWEEN, interval, values)

    def before(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        values = {"symbol": symbol_id, "ts": when(ts), "count": count}
        return self._bars(_BEFORE, interval, values)[::-1]

    def after(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        values = {"symbol": symbol_id, "ts": when(ts), "count": count}
        return self._bars(_AFTER, interval, values)

    def count(self, symbol_id: int, interval: Interval, start: int, end: int, limit: int) -> int:
        values = {"symbol": symbol_id, "start": when(start), "end": when(end), "limit": limit}

        def read(connection: Connection) -> int:
            with connection.cursor() as cursor:
                cursor.execute(_on_table(connection, _COUNT, interval), values)
                return int(cursor.fetchall()[0][0])

        return self._database.read(read)

    def _bars(self, query: str, interval: Interval, values: dict[str, object]) -> Bars:
        def read(connection: Connection) -> Bars:
            with connection.cursor() as cursor:
                statement = _on_table(connection, query, interval)
                return bars_of(copy_out(cursor, cursor.mogrify(statement, values), BAR))

        return self._database.read(read)


def _on_table(connection: Connection, query: str, interval: Interval) -> str:
    """The text of `query` on the table of an interval, composed once: that takes as long as to
    send it. The names in it are the same over any connection."""
    key = (query, interval)
    if key not in _TEXTS:
        composed = sql.SQL(query).format(columns=columns(BAR), table=table_of(interval))
        _TEXTS[key] = composed.as_string(connection)
    return _TEXTS[key]


_TEXTS: dict[tuple[str, Interval], str] = {}


def _stored(rows: list[tuple[Any, ...]]) -> Stored:
    """Of the rows of _STORED: one for each series, or a single one without any."""
    symbol = Symbol(*rows[0][:SYMBOL_FIELDS])
    session, close, previous, factor, *based = rows[0][SYMBOL_FIELDS:_SERIES]
    series = {}
    for name, first, last, *rest in (row[_SERIES:] for row in rows):
        if name is not None:
            interval = Interval(name)
            series[interval] = Series(symbol.id, interval, moment(first), moment(last), *rest)
    if session is None:
        return Stored(symbol, series, None)
    known = math.nan if previous is None else previous
    newest = NewestClose(session_label(session), close, known, factor)
    return Stored(symbol, series, newest, changes_of(*based))
