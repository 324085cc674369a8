"""Reads symbols and the newest facts of each."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, time, timezone
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database, OneMoment
from mltrading.adapters.postgres.tables import moment
from mltrading.domain.access import Scope
from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.bases import BaseChange, BaseChanges
from mltrading.services.ports import Latest

LONGEST_CODE = 32
NEAREST_CANDIDATES = 2000

SYMBOL = sql.SQL(
    "symbols.id, code, symbols.name, exchange, calendar, timezone, sector, industry, currency,"
    " simulated"
)
_SEEN = {
    Scope.ALL: sql.SQL("true"),
    Scope.SHARED: sql.SQL(
        "EXISTS (SELECT FROM shared_symbols WHERE shared_symbols.symbol_id = symbols.id)"
    ),
}


def scoped(query: str, **parts: sql.Composable) -> Mapping[Scope, sql.Composed]:
    """`query` for each scope: {seen} is whether a row of `symbols` may be seen, {symbol} the
    columns of one."""
    return {
        scope: sql.SQL(query).format(symbol=SYMBOL, seen=seen, **parts)
        for scope, seen in _SEEN.items()
    }


# Each spelling of the text is tried, for a server of the C locale folds the case of ASCII only.
_FIND = scoped("""SELECT {symbol} FROM symbols
    WHERE {seen} AND (code ILIKE ANY(%(inside)s) OR name ILIKE ANY(%(inside)s))
    ORDER BY code = %(text)s DESC, code ILIKE ANY(%(exact)s) DESC, code ILIKE ANY(%(prefix)s) DESC,
        code COLLATE "C"
    LIMIT %(limit)s""")
_OF_LIKE_LENGTH = scoped("""SELECT code FROM symbols
    WHERE {seen} AND abs(length(code) - %(length)s) <= 3
    ORDER BY upper(left(code, 1)) = %(initial)s DESC, code COLLATE "C" LIMIT %(limit)s""")
_PRICES = "close close_1d close_1w close_1mo close_1y high_52w low_52w".split()
_LATEST = scoped(
    """SELECT {symbol}, ts, interval, session, {prices}, volume,
        CASE WHEN base_sessions = '{{}}' THEN NULL ELSE (SELECT max(session)
            FROM unnest(base_sessions, base_ratios) AS bases(session, ratio)
            WHERE ratio IS NULL) END,
        CASE WHEN factor = 1 THEN spark ELSE (SELECT array_agg(price / factor ORDER BY place)
            FROM unnest(spark) WITH ORDINALITY AS prices(price, place)) END
    FROM latest JOIN symbols ON symbols.id = latest.symbol_id WHERE {seen}
    ORDER BY code COLLATE "C" """,
    prices=sql.SQL(", ").join(sql.SQL(f"{price} / factor") for price in _PRICES),
)
SYMBOL_FIELDS = len(fields(Symbol))


class PostgresSymbols:
    """The port services.ports.Symbols on PostgreSQL."""

    def __init__(self, database: Database | OneMoment) -> None:
        self._database = database

    def find(self, scope: Scope, text: str, limit: int) -> list[Symbol]:
        if not storable(text):
            return []
        spellings = {text, text.lower(), text.upper(), text.title()}
        escaped = [_literal(spelling) for spelling in sorted(spellings)]
        values = {
            "text": text,
            "exact": escaped,
            "prefix": [f"{spelling}%" for spelling in escaped],
            "inside": [f"%{spelling}%" for spelling in escaped],
            "limit": limit,
        }
        return [Symbol(*row) for row in self._rows(_FIND[scope], values)]

    def nearest(self, scope: Scope, code: str) -> str | None:
        wanted = code[:LONGEST_CODE].upper()
        if not wanted or not storable(code):
            return None
        values = {"length": len(wanted), "initial": wanted[0], "limit": NEAREST_CANDIDATES}
        rows = self._rows(_OF_LIKE_LENGTH[scope], values)
        known = {row[0].upper(): row[0] for row in rows}
        alike = difflib.get_close_matches(wanted, known, n=1)
        return known[alike[0]] if alike else None

    def latest(self, scope: Scope) -> list[Latest]:
        return [_latest(row) for row in self._rows(_LATEST[scope], {})]

    def _rows(self, query: sql.Composable, values: dict[str, object]) -> list[tuple[Any, ...]]:
        def read(connection: Connection) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()

        return self._database.read(read)


def _latest(row: Sequence[Any]) -> Latest:
    ts, interval, session, *prices, volume, broken, spark = row[SYMBOL_FIELDS:]
    known = (math.nan if price is None else price for price in prices)
    return Latest(
        symbol=Symbol(*row[:SYMBOL_FIELDS]),
        ts=moment(ts),
        interval=Interval(interval),
        session=session_label(session),
        volume=volume,
        spark=tuple(spark),
        broken=None if broken is None else session_label(broken),
        **dict(zip(_PRICES, known, strict=True)),
    )


def session_label(session: date) -> int:
    """The session's label, microseconds UTC."""
    return moment(datetime.combine(session, time(), timezone.utc))


def changes_of(sessions: Sequence[date], ratios: Sequence[float | None]) -> BaseChanges:
    """The changes of base as `latest` keeps them."""
    return tuple(
        BaseChange(session_label(session), ratio)
        for session, ratio in zip(sessions, ratios, strict=True)
    )


def _literal(text: str) -> str:
    """`text` as a pattern of LIKE that matches itself alone."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text at all; what it can not hold, it does not know."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
