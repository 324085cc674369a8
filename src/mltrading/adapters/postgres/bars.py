"""Reads bars: an index range of one table by COPY BINARY straight into NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.copy_binary import copy_out
from mltrading.adapters.postgres.pool import Database, OneMoment
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.tables import BAR, bars_of, columns, moment, table_of, when
from mltrading.domain.bars import Bars, Interval, Series, Symbol
from mltrading.services.ports import BarReader

_BETWEEN = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s ORDER BY ts"""
_BEFORE = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts < %(ts)s ORDER BY ts DESC LIMIT %(count)s"""
_AFTER = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(ts)s ORDER BY ts LIMIT %(count)s"""
_COUNT = """SELECT count(*) FROM (SELECT 1 FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s LIMIT %(limit)s) AS counted"""
_SERIES = """SELECT interval, first_ts, last_ts, bars, adjusted, has_volume, name, feed, notice
    FROM series JOIN sources ON sources.id = series.source_id WHERE symbol_id = %(symbol)s"""


Result = TypeVar("Result")


class PostgresBars:
    """The port services.ports.BarReader on PostgreSQL."""

    def __init__(self, database: Database | OneMoment) -> None:
        self._database = database

    def together(self, ask: Callable[[BarReader], Result]) -> Result:
        """One transaction for all that `ask` reads: one moment, and a third of the messages."""
        return self._database.read(lambda connection: ask(PostgresBars(OneMoment(connection))))

    def symbol(self, code: str) -> Symbol | None:
        return PostgresSymbols(self._database).get(code)

    def series(self, symbol_id: int) -> dict[Interval, Series]:
        def read(connection: Connection) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(_SERIES, {"symbol": symbol_id})
                return cursor.fetchall()

        found = {}
        for name, first, last, *rest in self._database.read(read):
            interval = Interval(name)
            found[interval] = Series(symbol_id, interval, moment(first), moment(last), *rest)
        return found

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
                cursor.execute(sql.SQL(_COUNT).format(table=table_of(interval)), values)
                return int(cursor.fetchall()[0][0])

        return self._database.read(read)

    def _bars(self, query: str, interval: Interval, values: dict[str, object]) -> Bars:
        statement = sql.SQL(query).format(columns=columns(BAR), table=table_of(interval))

        def read(connection: Connection) -> Bars:
            with connection.cursor() as cursor:
                return bars_of(copy_out(cursor, cursor.mogrify(statement, values), BAR))

        return self._database.read(read)
