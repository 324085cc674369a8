"""The columns of exported files. Every row says what it is of: symbol, interval, time zone, source.

Times are UTC in ISO form; a bar of a day or longer has the date of its session (of a week the
Monday, of a month the first). A header names its unit; prices are in `currency`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import SECOND, Bars, Floats, Interval, Symbol, Times
from mltrading.domain.metrics import BASIS
from mltrading.services.charting import Chart, IndicatorLines
from mltrading.services.comparing import CompareLine, CompareMetrics, Comparison
from mltrading.services.overview import OverviewRow
from mltrading.utils.csv_text import PIECE_ROWS, Cell

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """One header and its rows, which are made as they are read, once."""

    header: tuple[str, ...]
    rows: Iterator[Sequence[Cell]]
    count: int


def chart_table(chart: Chart, bars: Bars) -> Table:
    """The visible bars of the chart: `bars`, which are as traded where the interval is stored, and
    the indicators on screen. These are of `chart_close`, the close as the chart has it: adjusted,
    relative to the symbol's newest. adj_close is the source's own, so that an import of the file
    changes nothing."""
    visible = slice(chart.first_visible, chart.last_visible + 1)
    columns: Columns = {
        "timestamp": stamps(bars.ts, chart.interval),
        "open": bars.open,
        "high": bars.high,
        "low": bars.low,
        "close": bars.close,
        "adj_close": bars.adj_close,
        "volume": bars.volume,
        "final": bars.is_final,
        "chart_close": chart.bars.close[visible],
    }
    for drawn in chart.indicators:
        columns |= {name: line[visible] for name, line in _lines(drawn).items()}
    return _columnar(columns, _of_chart(chart), len(bars))


def _lines(drawn: IndicatorLines) -> dict[str, Floats]:
    """The lines of an indicator by the name of their column: sma_20, macd_12_26_9_signal."""
    name = str(drawn.spec).replace(":", "_")
    if len(drawn.lines) == 1:
        return {name: line for line in drawn.lines.values()}
    return {f"{name}_{line}": values for line, values in drawn.lines.items()}


def _of_chart(chart: Chart) -> dict[str, Cell]:
    return {
        **_of_symbol(chart.symbol),
        "interval": chart.interval.value,
        "timezone": chart.symbol.timezone,
        "prices": "as traded" if chart.interval.stored else "adjusted",
        "source": chart.trust.source,
        "notice": chart.trust.notice,
        "simulated": chart.symbol.simulated,
    }


def _of_symbol(symbol: Symbol) -> dict[str, Cell]:
    return {
        "symbol": symbol.code,
        "name": symbol.name,
        "exchange": symbol.exchange,
        "currency": symbol.currency,
    }


def lines_table(comparison: Comparison) -> Table:
    """The lines of a comparison, one column a symbol in the unit of the mode."""
    columns: Columns = {"timestamp": stamps(comparison.ts, comparison.interval)}
    for line in comparison.lines:
        columns[f"{line.symbol.code} {_unit(comparison, line)}"] = line.values
    simulated = [line.symbol.code for line in comparison.lines if line.symbol.simulated]
    about: dict[str, Cell] = {
        "interval": comparison.interval.value,
        "prices": "adjusted",
        "simulated": ", ".join(simulated),
    }
    return _columnar(columns, about, len(comparison.ts))


def _unit(comparison: Comparison, line: CompareLine) -> str:
    if comparison.view.mode == "price":
        return line.symbol.currency or "price"
    return {"percent": "percent", "indexed": "index"}[comparison.view.mode]


def metrics_table(comparison: Comparison) -> Table:
    """The table below the lines: what each symbol did over the window."""
    pairs = zip(comparison.rows, comparison.lines, strict=True)
    rows = [_metrics(row, line, comparison) for row, line in pairs]
    return Table(tuple(rows[0]), iter([tuple(row.values()) for row in rows]), len(rows))


def _metrics(row: CompareMetrics, line: CompareLine, comparison: Comparison) -> dict[str, Cell]:
    metrics = row.metrics
    first, last = span(comparison.ts, comparison.interval)
    base = None if line.base_ts is None else _stamp(line.base_ts, comparison.interval)
    return {
        **_of_symbol(row.symbol),
        "sessions": metrics.sessions,
        "return_percent": _percent(metrics.total_return),
        "volatility_percent": _percent(metrics.volatility),
        "sharpe": metrics.sharpe,
        "max_drawdown_percent": _percent(metrics.max_drawdown),
        "correlation": row.correlation,
        "correlated_with": comparison.rows[0].symbol.code,
        "common_sessions": row.common_sessions,
        "average_volume": metrics.average_volume,
        "first_timestamp": base,
        "first_price": line.base_price,
        "window_first": first,
        "window_last": last,
        "stale": line.stale_text,
        "simulated": row.symbol.simulated,
        "basis": BASIS,
    }


def overview_table(found: list[OverviewRow]) -> Table:
    """The table of the Overview, a row a symbol."""
    rows = (tuple(value(row) for value in _OVERVIEW.values()) for row in found)
    return Table(tuple(_OVERVIEW), rows, len(found))


_OVERVIEW: dict[str, Callable[[OverviewRow], Cell]] = {
    "symbol": lambda row: row.symbol.code,
    "name": lambda row: row.symbol.name,
    "exchange": lambda row: row.symbol.exchange,
    "currency": lambda row: row.symbol.currency,
    "sector": lambda row: row.sector,
    "industry": lambda row: row.industry,
    "close": lambda row: row.close,
    "change_1d_percent": lambda row: _percent(row.change_1d),
    "change_1w_percent": lambda row: _percent(row.change_1w),
    "change_1mo_percent": lambda row: _percent(row.change_1mo),
    "change_1y_percent": lambda row: _percent(row.change_1y),
    "volume": lambda row: row.volume or None,  # a source without volumes is stored as 0
    "position_52w_percent": lambda row: _percent(row.position_52w),
    "session": lambda row: _stamp(row.session, Interval.D1),
    "newest_timestamp": lambda row: _stamp(row.newest_ts, row.interval),
    "newest_interval": lambda row: row.interval.value,
    "timezone": lambda row: row.symbol.timezone,
    "stale": lambda row: row.stale_text,
    "simulated": lambda row: row.symbol.simulated,
}


def stamps(ts: Times, interval: Interval) -> NDArray[np.str_]:
    """Bars' stamps as ISO text, all in one form: a date, or a moment of UTC."""
    moments = ts.view("M8[us]")
    if not interval.intraday:
        return np.datetime_as_string(moments, unit="D")
    unit: Literal["us", "s"] = "us" if np.any(ts % SECOND) else "s"
    return np.char.add(np.datetime_as_string(moments, unit=unit), "Z")


def span(ts: Times, interval: Interval) -> tuple[str, str]:
    """The first and the last of them; empty texts of none."""
    if not len(ts):
        return "", ""
    first, last = stamps(ts[[0, -1]], interval)
    return str(first), str(last)


def _stamp(ts: int, interval: Interval) -> str:
    return str(stamps(np.array([ts]), interval)[0])


def _percent(fraction: float) -> float:
    """A fraction as percent, without the digits that the multiplication makes up."""
    return round(100 * fraction, 10) if math.isfinite(fraction) else math.nan


def _columnar(columns: Columns, about: dict[str, Cell], count: int) -> Table:
    """Columns beside what is the same in every row; lists of numbers exist for few rows at once."""

    def rows() -> Iterator[Sequence[Cell]]:
        same = tuple(about.values())
        for start in range(0, count, PIECE_ROWS):
            parts = [column[start : start + PIECE_ROWS].tolist() for column in columns.values()]
            yield from ((*row, *same) for row in zip(*parts, strict=True))

    return Table((*columns, *about), rows(), count)
