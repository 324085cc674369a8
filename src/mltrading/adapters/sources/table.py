"""Rows that were read but not yet judged, and the judgement that every reader shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltrading.adapters.sources import times, validate
from mltrading.domain.bars import Bars, Flags, Floats, Interval, Times
from mltrading.services.ports import ReadOptions, ReadRows, Refused, SymbolDetails

ROW_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length in file order. `stamps` are walls where `naive`, else instants."""

    line: Times
    stamps: Times
    naive: Flags
    symbol: NDArray[np.int32]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    adj_close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.line)

    @classmethod
    def concat(cls, parts: list[Table]) -> Table:
        names = cls.__slots__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Judge:
    """What turns a table into bars: the interval, the zone of naive times, and the present."""

    interval: Interval
    zone: str
    now: int

    def rows(
        self,
        table: Table,
        unreadable: list[Refused],
        symbols: list[SymbolDetails],
        text_of: Callable[[int], str],
        consumed: int,
    ) -> ReadRows:
        """Bars for the good rows, a reason for each other; `text_of(line)` is a row as it came."""
        bars = self._bars(table)
        rules = validate.checked(bars, table.symbol >= 0, self.interval, self.now, self.zone)
        if not rules:
            return ReadRows(table.symbol, bars, unreadable, consumed)
        bad = np.logical_or.reduce([rule.broken for rule in rules])
        refused = [
            Refused(
                line=int(table.line[at]),
                reason=next(rule.reason(at) for rule in rules if rule.broken[at]),
                row_text=shown(text_of(int(table.line[at]))),
                symbol=symbols[table.symbol[at]].code if table.symbol[at] >= 0 else "",
            )
            for at in map(int, np.flatnonzero(bad))
        ]
        both = sorted([*unreadable, *refused], key=lambda row: row.line)
        return ReadRows(table.symbol[~bad], bars[~bad], both, consumed)

    def _bars(self, table: Table) -> Bars:
        if self.interval.intraday:
            ts = times.localized(table.stamps, table.naive, self.zone)
        else:
            ts = times.session_labels(table.stamps)
        return Bars(
            ts=ts,
            open=table.open,
            high=table.high,
            low=table.low,
            close=table.close,
            adj_close=table.adj_close,
            volume=table.volume,
            is_final=validate.finality(ts, self.interval, self.now),
        )


def shown(text: str) -> str:
    """A row as quarantine keeps it: no NUL, which PostgreSQL can not store, and not endless."""
    return text.rstrip("\r\n").replace("\0", "\N{SYMBOL FOR NULL}")[:ROW_TEXT]


def notes_on(
    sample: Table, interval: Interval, options: ReadOptions, has_volume: bool
) -> list[str]:
    """What was assumed about the rows, for the summary."""
    notes = []
    if interval.intraday and sample.naive.any() and options.timezone is None:
        notes.append("times without a zone are taken as UTC; --tz says otherwise")
    if not has_volume:
        notes.append("no volume column: volumes are stored as 0")
    return notes
