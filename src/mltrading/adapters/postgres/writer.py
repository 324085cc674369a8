"""Stores bars and everything that follows from them, in one transaction an import.

New rows go by COPY BINARY straight into their table, changed ones by COPY BINARY into a temporary
table and one upsert: an upsert of all costs three times as much. The row lock of the symbol keeps
a second writer of the same symbol waiting, so what was read stays true until the commit.

Two imports that name several symbols in different orders can still wait for each other;
PostgreSQL ends one of them, nothing of it is kept, and it leaves here as Conflict: the caller
runs the whole import again. (Locking in one order would need all symbols of a file ahead of its
first row.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres import base_changes, latest, overlay
from mltrading.adapters.postgres.copy_binary import Rows, copy_in, copy_out
from mltrading.adapters.postgres.latest import Extent
from mltrading.adapters.postgres.listing import Listed, list_symbol
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.tables import ROW, columns, rows_of, table_of, when
from mltrading.domain.bars import DAY, Bars, Interval
from mltrading.domain.bases import BaseChanges, Laid
from mltrading.errors import Conflict, ImportFailed
from mltrading.services.ports import Refused, Seam, Source, SymbolDetails, Written

_EXISTING = """SELECT {columns} FROM {table}
    WHERE symbol_id = %(symbol)s AND ts >= %(low)s AND ts < %(high)s ORDER BY ts"""
_UPSERT = """INSERT INTO {table} ({columns}) SELECT {columns} FROM changed_bars
    ON CONFLICT (symbol_id, ts) DO UPDATE SET {assignments}"""
_CHANGED = sql.Identifier("changed_bars")
_QUARANTINE = """INSERT INTO quarantine (file, line, reason, row_text, symbol, interval) VALUES %s
    ON CONFLICT DO NOTHING"""
# The longest texts: together they must fit the 2,704 bytes of an index entry.
_FILE, _REASON, _SYMBOL, _ROW_TEXT = 240, 280, 64, 1000


class PostgresBarWriter:
    """The port services.ports.BarWriter on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[PostgresImport]:
        """Raises Conflict where another import was in the way (run all of it again) and
        ImportFailed where a bar breaks a rule of its table."""
        try:
            with (
                self._database.transaction(timeout_seconds=0) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("SET LOCAL lock_timeout = 0")  # an import waits for the one before
                opened = PostgresImport(cursor)
                yield opened
                opened.finish()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            raise Conflict("another import wrote the same symbols: import again") from None
        except errors.CheckViolation as error:
            rule = error.diag.constraint_name
            raise ImportFailed(
                f"a bar breaks the rule {rule} of the database; nothing was imported: mend the file"
            ) from None


@dataclass(slots=True)
class _Open:
    """A symbol that this transaction has locked."""

    id: int
    code: str
    timezone: str
    calendar: str
    extents: dict[Interval, Extent]
    known: BaseChanges  # before this transaction
    changes: BaseChanges


class PostgresImport:
    """The port services.ports.ImportTransaction; chunks may come in any order and overlap."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._symbols: dict[str, _Open] = {}
        self._sources: dict[Source, int] = {}
        self._has_changed_table = False

    def write(
        self, symbol: SymbolDetails, interval: Interval, bars: Bars, source: Source
    ) -> Written:
        if not len(bars):
            return Written()
        _check(interval, bars)
        opened = self._open(symbol)
        rows = rows_of(bars, opened.id, self._source(source), rolled=False)
        inserted, updated = self._store(opened, interval, rows)
        return Written(inserted, updated, len(bars) - inserted - updated)

    def calendar(self, symbol: SymbolDetails) -> str:
        return self._open(symbol).calendar

    def quarantine(self, file: str, interval: Interval, rows: Sequence[Refused]) -> None:
        """Keep refused rows; the same row of the same file is kept once."""
        name = _printable(file)[-_FILE:]
        values = [
            (
                name,
                row.line,
                _printable(row.reason)[:_REASON],
                _printable(row.row_text)[:_ROW_TEXT],
                _printable(row.symbol)[:_SYMBOL],
                interval.value,
            )
            for row in rows
        ]
        if values:
            execute_values(self._cursor, _QUARANTINE, values, page_size=1000)

    def finish(self) -> None:
        """Bring `series` and `latest` in step; the last step before the commit."""
        touched = [
            opened
            for opened in self._symbols.values()
            if any(extent.touched for extent in opened.extents.values())
        ]
        for opened in touched:
            latest.write_series(self._cursor, opened.id, opened.extents)
        if touched:
            latest.write_latest(
                self._cursor, ((s.id, s.timezone, s.extents, s.changes) for s in touched)
            )

    def seams(self) -> list[Seam]:
        return [
            seam
            for one in self._symbols.values()
            for seam in base_changes.seams(self._cursor, one.code, one.id, one.changes, one.known)
        ]

    def _open(self, details: SymbolDetails) -> _Open:
        if details.code not in self._symbols:
            listed: Listed = list_symbol(self._cursor, details)
            extents = latest.read_extents(self._cursor, listed.id)
            known = base_changes.read_changes(self._cursor, listed.id) if extents else ()
            named = listed.timezone, listed.calendar, extents
            self._symbols[details.code] = _Open(listed.id, details.code, *named, known, known)
        return self._symbols[details.code]

    def _source(self, source: Source) -> int:
        if source not in self._sources:
            self._sources[source] = _source_id(self._cursor, source)
        return self._sources[source]

    def _store(self, symbol: _Open, interval: Interval, rows: Rows) -> tuple[int, int]:
        """Store rows and, level by level, the rolled rows that follow; how many of `rows` were
        new and how many changed."""
        counts = None
        level: Interval | None = interval
        while level is not None and len(rows):
            coarser = overlay.COARSER.get(level)
            changes, parents, laid = [], [], []
            for window in overlay.windows(rows, level, symbol.timezone):
                stored = self._existing(symbol, level, window)
                change = overlay.overlay(stored, window.rows)
                _refuse_counting_twice(symbol, level, stored, change.inserted)
                if level is interval:
                    _refuse_second_grid(symbol, level, change)
                changes.append((change.inserted, change.updated, change.replaced))
                if coarser is None:
                    laid.append(base_changes.laid_by(change, window.rows))
                else:
                    parents.append(overlay.rolled(change, coarser, symbol.timezone))
            inserted, updated, replaced = map(overlay.joined, zip(*changes, strict=True))
            self._put(symbol, level, inserted, updated, replaced)
            if laid:
                self._look_at_bases(symbol, laid)
            counts = counts or (len(inserted), len(updated))
            level, rows = coarser, overlay.joined(parents) if parents else rows[:0]
        return counts or (0, 0)

    def _look_at_bases(self, symbol: _Open, laid: Sequence[Laid]) -> None:
        days, known = symbol.extents[Interval.D1], symbol.changes
        symbol.changes = base_changes.after_import(self._cursor, symbol.id, days, known, laid)

    def _existing(self, symbol: _Open, interval: Interval, window: overlay.Window) -> Rows:
        """Stored rows of the stretch; no query where `series` tells that there are none."""
        extent = symbol.extents.get(interval)
        if extent is None or window.low > extent.last or window.high <= extent.first:
            return np.empty(0, ROW)
        query = sql.SQL(_EXISTING).format(columns=columns(ROW), table=table_of(interval))
        values = {"symbol": symbol.id, "low": when(window.low), "high": when(window.high)}
        return copy_out(self._cursor, self._cursor.mogrify(query, values), ROW)

    def _put(
        self, symbol: _Open, interval: Interval, inserted: Rows, updated: Rows, replaced: Rows
    ) -> None:
        if len(inserted):
            copy_in(self._cursor, table_of(interval), inserted)
        if len(updated):
            self._upsert(interval, updated)
        if len(inserted) or len(updated):
            extent = symbol.extents.get(interval)
            symbol.extents[interval] = latest.grown(extent, inserted, updated, replaced)

    def _upsert(self, interval: Interval, rows: Rows) -> None:
        if self._has_changed_table:
            self._cursor.execute("TRUNCATE changed_bars")
        else:
            self._cursor.execute("CREATE TEMP TABLE changed_bars (LIKE bars_1m) ON COMMIT DROP")
            self._has_changed_table = True
        copy_in(self._cursor, _CHANGED, rows)
        names = [sql.Identifier(name) for name in ROW.names or () if name not in _KEY]
        assign = sql.SQL("{name} = excluded.{name}")
        self._cursor.execute(
            sql.SQL(_UPSERT).format(
                table=table_of(interval),
                columns=columns(ROW),
                assignments=sql.SQL(", ").join(assign.format(name=name) for name in names),
            )
        )


_KEY = ("symbol_id", "ts")


def _check(interval: Interval, bars: Bars) -> None:
    """Refuse what would break the promises of the tables; a mistake of the caller."""
    if not interval.stored:
        raise ImportFailed(f"{interval.value} bars are derived from 1d: import the daily bars")
    if np.any(bars.ts[1:] <= bars.ts[:-1]):
        raise ValueError("bars to write are not ascending and unique in ts")
    if not interval.intraday and np.any(bars.ts % DAY):
        raise ValueError("daily bars to write are not stamped with session labels")


def _refuse_counting_twice(symbol: _Open, interval: Interval, stored: Rows, new: Rows) -> None:
    found = overlay.counted_twice(stored, new, interval, symbol.timezone)
    if found is not None:
        raise ImportFailed(
            f"the {interval.value} bar of {symbol.code!r} at {when(found):%Y-%m-%dT%H:%MZ} starts"
            f" off the {interval.value} grid, so the day would count it and the finer bars there"
            " twice; nothing of it was stored: import these bars under another --symbol"
        )


def _refuse_second_grid(symbol: _Open, interval: Interval, change: overlay.Change) -> None:
    found = overlay.two_in_one_bucket(change, interval, symbol.timezone)
    if found is not None:
        one, other = (f"{when(ts):%Y-%m-%dT%H:%MZ}" for ts in found)
        bucket = "hour" if interval is Interval.H1 else f"stretch of {interval.value}"
        raise ImportFailed(
            f"two {interval.value} bars of {symbol.code!r} start in one {bucket}, at {one} and"
            f" {other}, so the day would count it twice; nothing of it was stored: import one of"
            " the two under another --symbol"
        )


def _source_id(cursor: Cursor, source: Source) -> int:
    """The id of a source, created where new; a given notice replaces the stored one."""
    key = (_printable(source.name), _printable(source.feed))
    notice = _printable(source.notice)
    for _ in range(2):
        cursor.execute("SELECT id, notice FROM sources WHERE name = %s AND feed = %s", key)
        for found, stored in cursor.fetchall():
            if notice and notice != stored:
                cursor.execute("UPDATE sources SET notice = %s WHERE id = %s", (notice, found))
            return int(found)
        cursor.execute(
            "INSERT INTO sources (name, feed, notice) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (*key, notice),
        )
    raise Conflict("another import removed the source: import again")


def _printable(text: str) -> str:
    """The text as PostgreSQL can hold it: NUL and broken characters as escapes."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
