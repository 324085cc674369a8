"""The metrics of a comparison as a table; what is not known says why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard import formats
from mltrading.dashboard.components import Children, data, missing, simulated_mark, stale_mark
from mltrading.dashboard.exports import csv_link
from mltrading.dashboard.figures.panes import signed_percent
from mltrading.domain.metrics import BASIS, NEEDED_SESSIONS
from mltrading.services.market import CompareLine, CompareMetrics, Comparison


def metrics_table(comparison: Comparison, csv: str | None = None) -> Component:
    """One row a symbol in the order of the lines (on a phone a block), and below it what the
    numbers rest on and the button that saves them from the address `csv`."""
    first = comparison.rows[0].symbol.code
    heads = [
        ("Symbol", ""),
        ("Return", "Last close over first close of the window, less 1"),
        ("Volatility", "Standard deviation of per-session returns, annualised"),
        ("Sharpe", "Mean over standard deviation of per-session returns, annualised"),
        ("Max drawdown", "Deepest fall from a peak inside the window"),
        (f"Corr. to {first}", "Correlation of returns over the sessions both have"),
        ("Avg volume", "Mean volume of a session"),
        ("Sessions", "Sessions in the window that the row rests on"),
    ]
    names = [name for name, _ in heads]
    body = [
        _row(row, line, number, names)
        for number, (row, line) in enumerate(zip(comparison.rows, comparison.lines, strict=True))
    ]
    head = [
        html.Th(name, title=about, scope="col", className="" if name == "Symbol" else "number")
        for name, about in heads
    ]
    table = html.Table(
        [html.Thead(html.Tr(head)), html.Tbody(body)], className="table stacked compare-table"
    )
    basis = html.P(f"{BASIS[0].upper()}{BASIS[1:]}.", className="muted")
    button = csv_link(csv, "this table", "CSV of table") if csv else None
    below = html.Div([basis, button], className="compare-basis")
    return html.Div([html.Div(table, className="table-wrap", tabIndex="0"), below])


def _row(row: CompareMetrics, line: CompareLine, number: int, heads: Sequence[str]) -> Component:
    metrics, symbol = row.metrics, row.symbol
    sessions = metrics.sessions
    marks = [simulated_mark()] if symbol.simulated else []
    if line.stale_text:
        marks.append(stale_mark(f"stale {line.stale_text}", "Older than the newest session"))
    name: list[Any] = [
        html.Span(className=f"swatch series-{number + 1}"),
        html.B(symbol.code),
        " ",
        html.Span(symbol.name, className="muted"),
        *marks,
    ]
    if not sessions:
        nothing = html.Td("no bars in this window", colSpan=6, className="missing")
        return html.Tr([html.Th(name, scope="row"), nothing, *_labelled([_cell("0")], heads[-1:])])
    cells = [
        _signed(metrics.total_return, "total_return", sessions),
        _number(metrics.volatility, "volatility", sessions, f"{metrics.volatility:.2%}"),
        _number(metrics.sharpe, "sharpe", sessions, _plain(metrics.sharpe)),
        _signed(metrics.max_drawdown, "max_drawdown", sessions),
        _correlation(row),
        _number(
            metrics.average_volume, "average_volume", sessions, _volume(metrics.average_volume)
        ),
        _cell(f"{sessions:,}"),
    ]
    return html.Tr([html.Th(name, scope="row"), *_labelled(cells, heads[1:])])


def _labelled(cells: Iterable[Component], heads: Sequence[str]) -> list[Component]:
    """The cells, each of which knows the head of its column."""
    return [
        html.Td(**cell.to_plotly_json()["props"], **data(label=head))
        for cell, head in zip(cells, heads, strict=True)
    ]


def _cell(children: Children, class_name: str = "", title: str = "") -> Component:
    return html.Td(children, className=f"number {class_name}".strip(), title=title)


def _number(value: float, metric: str, sessions: int, said: Children) -> Component:
    """The figure with the sessions it rests on, or why it is not known."""
    if math.isfinite(value):
        return _cell(said, title=f"rests on {sessions:,} session{'' if sessions == 1 else 's'}")
    needed = NEEDED_SESSIONS[metric]
    if sessions < needed:
        kind = "common session" if metric == "correlation" else "session"
        needs = f"needs {needed} {kind}{'' if needed == 1 else 's'}"
        return _cell(needs, "missing", f"The window has {sessions}")
    return _cell(missing("not defined: nothing moved over these sessions"))


def _signed(value: float, metric: str, sessions: int) -> Component:
    if not math.isfinite(value) or not value:
        return _number(value, metric, sessions, signed_percent(0))
    way = html.Span(signed_percent(value * 100), className="up" if value > 0 else "down")
    return _number(value, metric, sessions, way)


def _correlation(row: CompareMetrics) -> Component:
    said: list[Any] = [_plain(row.correlation)]
    if row.common_sessions != row.metrics.sessions:
        said.insert(0, html.Span(f"{row.common_sessions:,} common ", className="muted"))
    return _number(row.correlation, "correlation", row.common_sessions, said)


def _plain(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−")


def _volume(value: float) -> str:
    return formats.quantity(value) if math.isfinite(value) else ""
