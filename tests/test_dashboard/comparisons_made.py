"""Comparisons as the market service answers them, made without a database."""

from __future__ import annotations

import numpy as np

from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.metrics import correlation, measure
from mltrading.domain.view import CompareView
from mltrading.services.market import CompareLine, CompareMetrics, Comparison
from tests.factories import make_bars, make_sessions, make_symbol


def make_comparison(
    *codes: str,
    count: int = 250,
    query: str = "",
    interval: Interval = Interval.D1,
    symbols: list[Symbol] | None = None,
    **fields: object,
) -> Comparison:
    """`codes` over the same `count` bars, each a walk of its own from 100, in percent."""
    symbols = symbols or [make_symbol(code) for code in codes]
    view, _ = CompareView.parse(f"symbols={','.join(s.code for s in symbols)}&{query}")
    make = make_sessions if interval is Interval.D1 else make_bars
    walks = [make(count, seed=seed) for seed in range(len(symbols))]
    first = walks[0]
    lines, rows = [], []
    for symbol, bars in zip(symbols, walks, strict=True):
        base = float(bars.close[0]) if count else float("nan")
        values = (bars.close / base - 1) * 100
        lines.append(CompareLine(symbol, values, int(bars.ts[0]) if count else None, base, ""))
        shared = correlation(first.ts, first.close, bars.ts, bars.close)
        rows.append(CompareMetrics(symbol, measure(bars.close, bars.volume), *shared))
    made: dict[str, object] = {
        "view": view,
        "interval": interval,
        "ts": first.ts,
        "timezone": "America/New_York",
        "lines": lines,
        "rows": rows,
        "window_start": int(first.ts[0]) if count else 0,
        "window_end": int(first.ts[-1]) + interval.length if count else 0,
    }
    return Comparison(**(made | fields))  # type: ignore[arg-type]


def without(values: np.ndarray, *positions: int) -> np.ndarray:
    """The same values, unknown at those positions."""
    holed = values.copy()
    holed[list(positions)] = np.nan
    return holed
