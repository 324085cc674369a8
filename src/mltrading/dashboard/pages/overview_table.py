"""The table of the Overview: its head that sorts, and one row a symbol."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard import formats
from mltrading.dashboard.components import (
    Children,
    aria,
    data,
    missing,
    patch_button,
    simulated_mark,
    stale_mark,
    visually_hidden,
)
from mltrading.dashboard.components import skeleton as skeleton_block

if TYPE_CHECKING:
    from mltrading.domain.view import OverviewQuery
    from mltrading.services.market import Overview, OverviewRow

SPARK_WIDTH, SPARK_HEIGHT, SPARK_POINTS = 80, 22, 40


@dataclass(frozen=True, slots=True)
class Column:
    """`sort` is the name in the URL, None where sorting by it means nothing; `falling` columns
    sort from high to low at first."""

    title: str
    sort: str | None
    class_name: str
    cell: Callable[[OverviewRow], Children]
    falling: bool = True


def table(overview: Overview, comparison: bool) -> list[Component]:
    """Head and rows; `comparison` adds the Compare button."""
    rows = [_row(row, comparison) for row in overview.rows]
    return [_head(overview.query), html.Tbody(rows)]


def skeleton(rows: int) -> list[Component]:
    """The table before its first answer, with rows of the final height."""
    blank = html.Td(skeleton_block("row-skeleton"), colSpan=len(COLUMNS) + 1)
    titles = [html.Th(column.title, className=column.class_name) for column in COLUMNS]
    head = html.Thead(html.Tr([*titles, html.Th(visually_hidden("Actions"))]))
    return [head, html.Tbody([html.Tr(blank) for _ in range(rows)])]


def _head(query: OverviewQuery) -> Component:
    cells = [_head_cell(column, query) for column in COLUMNS]
    return html.Thead(html.Tr([*cells, html.Th(visually_hidden("Actions"), scope="col")]))


def _head_cell(column: Column, query: OverviewQuery) -> Component:
    if column.sort is None:
        return html.Th(column.title, className=column.class_name, scope="col")
    chosen = query.sort == column.sort
    descending = not query.descending if chosen else column.falling
    button = patch_button(
        column.title,
        {
            "sort": None if column.sort == "symbol" else column.sort,
            "order": "desc" if descending else None,
            "page": None,
        },
        class_name="sort",
    )
    now = "descending" if query.descending else "ascending"
    order = aria(sort=now) if chosen else {}
    return html.Th(button, className=column.class_name, scope="col", **order)


def _row(row: OverviewRow, comparison: bool) -> Component:
    cells = [html.Td(column.cell(row), className=column.class_name) for column in COLUMNS[1:]]
    return html.Tr([_name_cell(row), *cells, _actions(row, comparison)])


def _name_cell(row: OverviewRow) -> Component:
    parts = [
        html.Span(row.symbol.code, className="code"),
        html.Span(row.symbol.name, className="name", title=row.symbol.name),
    ]
    if row.symbol.simulated:
        parts.append(simulated_mark())
    return html.Th(html.Div(parts), scope="row", className="symbol")


def _actions(row: OverviewRow, comparison: bool) -> Component:
    code = row.symbol.code
    parts: list[Component] = [
        html.A(
            ["Analyze", visually_hidden(code)],
            id={"type": "analyze", "symbol": code},
            href=f"/charts?symbol={quote(code, safe='')}",
            className="button small",
        )
    ]
    if comparison:
        parts.append(
            html.Button(
                ["Compare", visually_hidden(code)],
                id={"type": "compare", "symbol": code},
                type="button",
                className="button small",
                **aria(pressed="false"),
                **data(compare=code),
            )
        )
    return html.Td(html.Div(parts, className="actions"), className="actions-cell")


def _price(row: OverviewRow) -> Children:
    return formats.price(row.close)


def _change(field: str, span: str) -> Callable[[OverviewRow], Children]:
    """The cell of a change: coloured and signed, or a dash with the reason."""

    def cell(row: OverviewRow) -> Children:
        change: float = getattr(row, field)
        if not formats.known(change):
            return missing(f"Needs {span} of history")
        text = formats.signed_percent(change)
        kind = formats.direction(change)
        return html.Span(text, className=kind) if kind else text

    return cell


def _volume(row: OverviewRow) -> Children:
    if not formats.known(row.volume) or row.volume == 0:
        return missing("No volume in the source")
    return formats.quantity(row.volume)


def _position(row: OverviewRow) -> Children:
    if not formats.known(row.position_52w):
        return missing("High and low of the year are equal")
    text = formats.percent(row.position_52w)
    return html.Span(
        text,
        className="position",
        style={"--at": text},
        title=f"{text} of the way from the 52-week low to the 52-week high",
    )


def _newest(row: OverviewRow) -> Children:
    when = formats.moment(row.newest_ts, row.interval, row.symbol.timezone)
    if not row.stale:
        return when
    why = f"No bar for {row.stale_text}" if row.stale_sessions is not None else row.stale_text
    return [when, stale_mark(row.stale_text if row.stale_sessions is not None else "age?", why)]


def _spark(row: OverviewRow) -> Children:
    """The newest daily closes as a mask: one path of whole pixels, coloured by the style sheet."""
    values = _thinned(row.spark)
    if len(values) < 2:
        return missing("Needs 2 sessions")
    change = values[-1] / values[0] - 1
    label = f"{len(row.spark)} sessions, {formats.signed_percent(change)}"
    path = _path(values)
    image = (
        f"url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
        f"viewBox='0 0 {SPARK_WIDTH} {SPARK_HEIGHT}'%3E%3Cpath d='{path}' fill='none' "
        f"stroke='%23000' stroke-width='1.3'/%3E%3C/svg%3E\")"
    )
    return html.Span(
        className=f"spark {formats.direction(change)}",
        style={"--spark": image},
        title=label,
        role="img",
        **aria(label=label),
    )


def _thinned(spark: tuple[float, ...]) -> list[float]:
    """At most SPARK_POINTS of the known values, the first and the last among them."""
    values = [value for value in spark if math.isfinite(value)]
    if len(values) <= SPARK_POINTS:
        return values
    step = (len(values) - 1) / (SPARK_POINTS - 1)
    return [values[round(i * step)] for i in range(SPARK_POINTS)]


def _path(values: list[float]) -> str:
    """An SVG path through `values`, in relative whole steps: about four characters a point."""
    low, high = min(values), max(values)
    scale = (SPARK_HEIGHT - 4) / (high - low) if high > low else 0.0
    xs = [round(1 + i * (SPARK_WIDTH - 2) / (len(values) - 1)) for i in range(len(values))]
    ys = [round(SPARK_HEIGHT - 2 - (value - low) * scale) for value in values]
    steps = [
        f"{xs[i] - xs[i - 1]}{'' if ys[i] < ys[i - 1] else ' '}{ys[i] - ys[i - 1]}"
        for i in range(1, len(values))
    ]
    return f"M{xs[0]} {ys[0]}l{' '.join(steps)}"


COLUMNS = (
    Column("Symbol", "symbol", "symbol", lambda row: row.symbol.code, falling=False),
    Column("60 sessions", None, "spark-cell", _spark),
    Column("Last", "close", "number", _price),
    Column("1 day", "change_1d", "number", _change("change_1d", "2 sessions")),
    Column("1 week", "change_1w", "number", _change("change_1w", "a week")),
    Column("1 month", "change_1mo", "number", _change("change_1mo", "a month")),
    Column("1 year", "change_1y", "number", _change("change_1y", "a year")),
    Column("Volume", "volume", "number", _volume),
    Column("52 weeks", "position_52w", "number", _position),
    Column("Newest bar", "newest", "newest", _newest),
)
