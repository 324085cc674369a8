"""Keeps, with each symbol, where its adjusted days go over to another base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres.copy_binary import Rows, copy_out
from mltrading.adapters.postgres.latest import Extent
from mltrading.adapters.postgres.overlay import Change
from mltrading.adapters.postgres.symbols import changes_of
from mltrading.adapters.postgres.tables import BAR, bars_of, columns, table_of, when
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.bases import BaseChanges, Laid, shifts
from mltrading.services.ports import Seam

_KEPT = "SELECT base_sessions, base_ratios FROM latest WHERE symbol_id = %s"
_BEFORE = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts < %(ts)s ORDER BY ts DESC LIMIT 1"""
_FROM = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(ts)s ORDER BY ts LIMIT 1"""


def read_changes(cursor: Cursor, symbol_id: int) -> BaseChanges:
    """Those kept of the symbol."""
    cursor.execute(_KEPT, (symbol_id,))
    return next((changes_of(*row) for row in cursor.fetchall()), ())


def after_import(
    cursor: Cursor, symbol_id: int, days: Extent, known: BaseChanges, laid: Iterable[Laid]
) -> BaseChanges:
    """The symbol's changes of base, now that days were laid over stored ones, stretch by stretch;
    `days` is the extent of all."""
    for one in laid:
        if days.adjusted or known or np.nansum(np.abs(one.shift)):
            known = _between_neighbours(cursor, symbol_id, days, one).changes(known)
    return known


def laid_by(change: Change, rows: Rows) -> Laid:
    """What `rows`, days laid over stored ones, made of their stretch."""
    merged = change.merged
    own = np.isin(merged["ts"], rows["ts"])
    if rows["rolled"].any():
        own &= merged["rolled"]  # imported days stayed as they were
    shift = np.where(np.isin(merged["ts"], change.inserted["ts"]), np.nan, 0.0)
    if len(change.updated):
        at = np.searchsorted(merged["ts"], change.updated["ts"])
        shift[at] = shifts(bars_of(change.replaced), bars_of(change.updated))
    return Laid(bars_of(merged), own, shift)


def _between_neighbours(cursor: Cursor, symbol_id: int, days: Extent, laid: Laid) -> Laid:
    first, last = laid.bars.ts[[0, -1]].tolist()
    before = after = Bars.empty()
    if days.first < first:
        before = bars_of(_one(cursor, _BEFORE, symbol_id, first))
    if days.last > last:
        after = bars_of(_one(cursor, _FROM, symbol_id, last + 1))
    ends = len(before), len(after)
    every = Bars.concat([before, laid.bars, after])
    return Laid(every, np.pad(laid.own, ends), np.pad(laid.shift, ends))


def seams(
    cursor: Cursor, code: str, symbol_id: int, changes: BaseChanges, known: BaseChanges
) -> Iterator[Seam]:
    """The changes that have no ratio, and those that were not `known`."""
    for one in changes:
        if one.ratio is not None and one in known:
            continue
        before = bars_of(_one(cursor, _BEFORE, symbol_id, one.ts))
        after = bars_of(_one(cursor, _FROM, symbol_id, one.ts))
        labels = int(before.ts[0]), int(after.ts[0])
        yield Seam(code, *labels, before.newest_factor, after.newest_factor, one.ratio)


def _one(cursor: Cursor, query: str, symbol_id: int, ts: int) -> Rows:
    statement = sql.SQL(query).format(columns=columns(BAR), table=table_of(Interval.D1))
    values = {"symbol": symbol_id, "ts": when(ts)}
    return copy_out(cursor, cursor.mogrify(statement, values), BAR)
