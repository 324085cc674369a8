"""A market in memory: fits the ports of the services, holds real bars, and counts questions.

Rollups are made with the domain's own roll_up, as the database does on import.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

import numpy as np

from mltrading.domain.access import Scope
from mltrading.domain.bars import DAY, STORED, Bars, Floats, Interval, Series, Symbol, Times
from mltrading.domain.bases import BaseChanges, broken_at, comparable, rebased
from mltrading.domain.rollup import roll_up
from mltrading.services.ports import BarReader, Latest, NewestClose, Result, Stored
from tests.factories import make_symbol


def bars_at(
    ts: Times, closes: Floats, volume: float = 1000.0, adj_close: Floats | None = None
) -> Bars:
    """Bars whose open is the close before and whose range holds both with 1% to spare."""
    closes = np.asarray(closes, dtype=np.float64)
    opens = np.concatenate([closes[:1], closes[:-1]])
    return Bars(
        ts=np.asarray(ts, dtype=np.int64),
        open=opens,
        high=np.maximum(opens, closes) * 1.01,
        low=np.minimum(opens, closes) * 0.99,
        close=closes,
        adj_close=closes if adj_close is None else adj_close,
        volume=np.full(len(closes), volume),
        is_final=np.ones(len(closes), dtype=bool),
    )


def walk(count: int, seed: int = 1, start: float = 100.0, spread: float = 0.01) -> Floats:
    """Closes of a random walk."""
    steps = np.random.default_rng(seed).normal(0, spread, count)
    return start * np.exp(np.cumsum(steps))


class MemoryMarket:
    """Symbols and BarReader in one. `asked` lists the questions about bars, in order; `shared` are
    the codes that viewers see."""

    def __init__(self) -> None:
        self.symbols: dict[str, Symbol] = {}
        self.shared: set[str] = set()
        self.bars: dict[tuple[int, Interval], Bars] = {}
        self.asked: list[str] = []
        self.changes: dict[int, BaseChanges] = {}

    def add(
        self,
        code: str,
        interval: Interval = Interval.D1,
        bars: Bars | None = None,
        **fields: object,
    ) -> Symbol:
        """Store a symbol and, where given, its bars with every coarser interval."""
        fields.setdefault("id", len(self.symbols) + 1)
        symbol = self.symbols.setdefault(code, make_symbol(code, **fields))
        if bars is not None:
            self.bars[symbol.id, interval] = bars
            for coarser in STORED[STORED.index(interval) + 1 :]:
                bars = roll_up(bars, coarser, symbol.timezone)
                self.bars.setdefault((symbol.id, coarser), bars)
        return symbol

    def seen(self, scope: Scope) -> dict[str, Symbol]:
        """By code, the symbols that the scope lets see."""
        return {
            code: symbol
            for code, symbol in self.symbols.items()
            if scope is Scope.ALL or code in self.shared
        }

    def find(self, scope: Scope, text: str, limit: int) -> list[Symbol]:
        folded = text.lower()
        found = [
            symbol
            for symbol in self.seen(scope).values()
            if folded in symbol.code.lower() or folded in symbol.name.lower()
        ]

        def order(symbol: Symbol) -> tuple[bool, bool, str]:
            code = symbol.code.lower()
            return (code != folded, not code.startswith(folded), code)

        return sorted(found, key=order)[:limit]

    def nearest(self, scope: Scope, code: str) -> str | None:
        return next(iter(get_close_matches(code, self.seen(scope), 1, 0)), None)

    def latest(self, scope: Scope) -> list[Latest]:
        found = []
        for symbol in sorted(self.seen(scope).values(), key=lambda s: s.code):
            days = self.bars.get((symbol.id, Interval.D1))
            if days is not None:
                finest = next(i for i in STORED if (symbol.id, i) in self.bars)
                newest = int(self.bars[symbol.id, finest].ts[-1])
                changes = self.changes.get(symbol.id, ())
                alike = rebased(comparable(days, changes), changes)
                adjusted = alike.adjusted(days.newest_factor)
                row = _latest(symbol, adjusted, finest, newest)
                found.append(replace(row, broken=broken_at(changes)))
        return found

    def together(self, ask: Callable[[BarReader], Result]) -> Result:
        return ask(self)

    def stored(self, scope: Scope, code: str) -> Stored | None:
        self.asked.append("stored")
        symbol = self.seen(scope).get(code)
        if symbol is None:
            return None
        days = self.bars.get((symbol.id, Interval.D1), Bars.empty())
        newest = None
        if len(days):
            factor, changes = days.newest_factor, self.changes.get(symbol.id, ())
            days = rebased(comparable(days, changes), changes).adjusted(factor)
            previous = float(days.close[-2]) if len(days) > 1 else math.nan
            newest = NewestClose(int(days.ts[-1]), float(days.close[-1]), previous, factor)
        return Stored(symbol, self._series(symbol.id), newest, self.changes.get(symbol.id, ()))

    def _series(self, symbol_id: int) -> dict[Interval, Series]:
        return {
            interval: Series(
                symbol_id=symbol_id,
                interval=interval,
                first_ts=int(bars.ts[0]),
                last_ts=int(bars.ts[-1]),
                bars=len(bars),
                adjusted=bool(np.any(bars.adj_close != bars.close)),
                has_volume=bool(np.any(bars.volume)),
                source="test",
                feed="",
                notice="made for tests",
                version=str(hash(bars.close.tobytes())),
            )
            for (owner, interval), bars in self.bars.items()
            if owner == symbol_id
        }

    def between(self, symbol_id: int, interval: Interval, start: int, end: int) -> Bars:
        self.asked.append("between")
        bars = self._stored(symbol_id, interval)
        return bars[(bars.ts >= start) & (bars.ts < end)]

    def before(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        self.asked.append("before")
        bars = self._stored(symbol_id, interval)
        stop = int(np.searchsorted(bars.ts, ts))
        return bars[max(0, stop - count) : stop]

    def after(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        self.asked.append("after")
        bars = self._stored(symbol_id, interval)
        first = int(np.searchsorted(bars.ts, ts))
        return bars[first : first + count]

    def count(self, symbol_id: int, interval: Interval, start: int, end: int, limit: int) -> int:
        self.asked.append("count")
        bars = self._stored(symbol_id, interval)
        return min(limit, int(np.sum((bars.ts >= start) & (bars.ts < end))))

    def _stored(self, symbol_id: int, interval: Interval) -> Bars:
        assert interval.stored, f"{interval} is derived, the database does not hold it"
        return self.bars.get((symbol_id, interval), Bars.empty())


def _latest(symbol: Symbol, days: Bars, finest: Interval, newest: int) -> Latest:
    session = int(days.ts[-1])

    def close_before(span: int) -> float:
        earlier = days.close[days.ts <= session - span]
        return float(earlier[-1]) if len(earlier) else float("nan")

    year = days.ts > session - 365 * DAY
    return Latest(
        symbol=symbol,
        ts=newest,
        interval=finest,
        session=session,
        close=float(days.close[-1]),
        volume=float(days.volume[-1]),
        close_1d=float(days.close[-2]) if len(days) > 1 else float("nan"),
        close_1w=close_before(7 * DAY),
        close_1mo=close_before(30 * DAY),
        close_1y=close_before(365 * DAY),
        high_52w=float(days.high[year].max()),
        low_52w=float(days.low[year].min()),
        spark=tuple(float(c) for c in days.close[-60:]),
    )
