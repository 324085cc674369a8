"""The store as plain Python says it must be after any imports: recomputed from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from mltrading.domain.bars import MINUTE, STORED, Bars, Interval
from tests.test_domain.test_rollup import slow_bucket

Sql = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Row:
    """A stored bar: open, high, low, close, adj_close, volume, is_final; source; rolled."""

    values: tuple[Any, ...]
    source: str
    rolled: bool


@dataclass
class Model:
    """Imported bars by interval and stamp; the tables follow from them."""

    zone: str
    imported: dict[Interval, dict[int, Row]] = field(default_factory=dict)

    def write(self, interval: Interval, bars: Bars, source: str) -> tuple[int, int, int]:
        """Take the bars; how many are new, changed and unchanged."""
        stored = self.tables()[interval]
        own = self.imported.setdefault(interval, {})
        inserted = updated = 0
        for ts, values in rows_of(bars):
            old = stored.get(ts)
            inserted += old is None
            if old is None or old.rolled or old.values != values:
                updated += old is not None
                own[ts] = Row(values, source, rolled=False)
        return inserted, updated, len(bars) - inserted - updated

    def counts_twice(self) -> bool:
        """Whether an imported bar off its interval's grid reaches into a bucket rolled from finer
        ones, or two imported ones overlap in one bucket, so that coarser bars would count both."""
        return self._beside_rolled() or self._two_in_one_bucket()

    def _two_in_one_bucket(self) -> bool:
        for interval, rows in self.imported.items():
            ordered = sorted(rows) if interval.intraday else []
            for first, second in zip(ordered, ordered[1:], strict=False):
                buckets = {slow_bucket(ts, interval, self.zone) for ts in (first, second)}
                if len(buckets) == 1 and second - first < interval.length:
                    return True
        return False

    def _beside_rolled(self) -> bool:
        for interval, rows in self.tables().items():
            imported = self.imported.get(interval, {}) if interval.intraday else {}
            for ts in imported:
                first = slow_bucket(ts, interval, self.zone)
                last = slow_bucket(ts + interval.length - 1, interval, self.zone)
                if ts != first and any(first <= at <= last and rows[at].rolled for at in rows):
                    return True
        return False

    def tables(self) -> dict[Interval, dict[int, Row]]:
        found: dict[Interval, dict[int, Row]] = {}
        finer: dict[int, Row] = {}
        for interval in STORED:
            level = dict(self._rolled(finer, interval))
            level |= self.imported.get(interval, {})
            found[interval] = finer = dict(sorted(level.items()))
        return found

    def _rolled(self, finer: dict[int, Row], interval: Interval) -> Iterator[tuple[int, Row]]:
        keyed = sorted((slow_bucket(ts, interval, self.zone), ts) for ts in finer)
        for key, group in groupby(keyed, key=lambda pair: pair[0]):
            rows = [finer[ts] for _, ts in group]
            opens, highs, lows, closes, adjusted, volumes, final = zip(
                *(row.values for row in rows), strict=True
            )
            values = (opens[0], max(highs), min(lows), closes[-1], adjusted[-1], sum(volumes))
            yield key, Row((*values, all(final)), rows[-1].source, rolled=True)

    def series(self) -> dict[str, tuple[Any, ...]]:
        """first, last, bars, adjusted, has_volume, source by interval."""
        return {
            interval.value: (
                min(rows),
                max(rows),
                len(rows),
                any(row.values[3] != row.values[4] for row in rows.values()),
                any(row.values[5] > 0 for row in rows.values()),
                rows[max(rows)].source,
            )
            for interval, rows in self.tables().items()
            if rows
        }


def rows_of(bars: Bars) -> list[tuple[int, tuple[Any, ...]]]:
    names = ("open", "high", "low", "close", "adj_close", "volume", "is_final")
    columns = zip(*(getattr(bars, name).tolist() for name in names), strict=True)
    return list(zip(bars.ts.tolist(), columns, strict=True))


def stored_tables(sql: Sql, symbol_id: int) -> dict[Interval, dict[int, Row]]:
    return {interval: _stored(sql, symbol_id, interval) for interval in STORED}


def _stored(sql: Sql, symbol_id: int, interval: Interval) -> dict[int, Row]:
    rows = sql(
        "SELECT (date_part('epoch', ts) * 1000000)::int8, open, high, low, close, adj_close,"
        f" volume, is_final, name, rolled FROM bars_{interval.value}"
        f" JOIN sources ON sources.id = source_id WHERE symbol_id = {symbol_id} ORDER BY ts"
    )
    return {ts: Row(tuple(values), name, rolled) for ts, *values, name, rolled in rows}


def stored_series(sql: Sql, symbol_id: int) -> dict[str, tuple[Any, ...]]:
    rows = sql(
        "SELECT interval, (date_part('epoch', first_ts) * 1000000)::int8,"
        " (date_part('epoch', last_ts) * 1000000)::int8, bars, adjusted, has_volume, name"
        f" FROM series JOIN sources ON sources.id = source_id WHERE symbol_id = {symbol_id}"
    )
    return {name: tuple(rest) for name, *rest in rows}


def plain_bars(ts: list[int], edition: int) -> Bars:
    """Bars whose values follow from their stamp and the edition of the data alone, so that the
    same edition twice changes nothing. Edition 1 is unadjusted, 2 has no volume."""
    stamps = np.array(ts, np.int64)
    base = 10.0 + (stamps // MINUTE * 7919 + edition * 31) % 64
    close = base + 0.25 * (stamps // MINUTE % 3)
    return Bars(
        ts=stamps,
        open=base,
        high=close + 1,
        low=base - 1,
        close=close,
        adj_close=close if edition == 1 else close / 2,
        volume=(stamps // MINUTE % 5) * float(edition != 2),
        is_final=(stamps // MINUTE + edition) % 4 > 0,
    )
