"""The table of the Overview: its head that sorts, and one row a symbol."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from mltrading.dashboard import formats
from mltrading.dashboard.markup import Node, el, hidden, missing
from mltrading.domain.query import format_moment

if TYPE_CHECKING:
    from mltrading.domain.view import OverviewQuery
    from mltrading.services.market import GroupCount, Overview, OverviewRow

SPARK_WIDTH, SPARK_HEIGHT, SPARK_POINTS = 80, 22, 40


@dataclass(frozen=True, slots=True)
class Column:
    """`sort` is the name in the URL, None where sorting by it means nothing; `falling` columns
    sort from high to low at first."""

    title: str
    sort: str | None
    class_name: str
    cell: Callable[[OverviewRow], Node]
    falling: bool = True


def table(overview: Overview, comparison: bool) -> list[Node]:
    """Head and body as markup; `comparison` adds the Compare button."""
    rows = [_row(row, comparison) for row in overview.rows]
    return [_head(overview.query), el("tbody", *rows)]


def _head(query: OverviewQuery) -> Node:
    cells = [_head_cell(column, query) for column in COLUMNS]
    return el("thead", el("tr", *cells, el("th", hidden("Actions"), scope="col")))


def _head_cell(column: Column, query: OverviewQuery) -> Node:
    if column.sort is None:
        return el("th", column.title, class_=column.class_name, scope="col")
    chosen = query.sort == column.sort
    descending = not query.descending if chosen else column.falling
    changes = {
        "sort": None if column.sort == "symbol" else column.sort,
        "order": "desc" if descending else None,
        "page": None,
    }
    button = el(
        "button",
        column.title,
        type="button",
        class_="sort",
        id=f"sort-{column.sort}",
        data_patch=json.dumps(changes),
    )
    now = "descending" if query.descending else "ascending"
    order = now if chosen else None
    return el("th", button, class_=column.class_name, scope="col", aria_sort=order)


def _row(row: OverviewRow, comparison: bool) -> Node:
    cells = [el("td", column.cell(row), class_=column.class_name) for column in COLUMNS[1:]]
    return el("tr", _name_cell(row), *cells, _actions(row, comparison))


def _name_cell(row: OverviewRow) -> Node:
    simulated = el(
        "span",
        "Simulated",
        class_="mark mark-simulated",
        title="Generated prices, not a real market",
    )
    parts = el(
        "div",
        el("span", row.symbol.code, class_="code"),
        el("span", row.symbol.name, class_="name", title=row.symbol.name),
        simulated if row.symbol.simulated else None,
    )
    return el("th", parts, scope="row", class_="symbol")


def _actions(row: OverviewRow, comparison: bool) -> Node:
    code = row.symbol.code
    analyze = el(
        "a",
        "Analyze",
        hidden(f" {code}"),
        id=_pattern_id("analyze", code),
        href=f"/charts?symbol={quote(code, safe='')}",
        class_="button small",
    )
    compare = el(
        "button",
        "Compare",
        hidden(f" {code}"),
        id=_pattern_id("compare", code),
        type="button",
        class_="button small",
        aria_pressed="false",
        data_compare=code,
    )
    return el("td", el("div", analyze, compare if comparison else None, class_="actions"))


def _pattern_id(kind: str, code: str) -> str:
    """The id in the page as Dash writes {"type": kind, "symbol": code}."""
    parts = {"symbol": code, "type": kind}
    return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _price(row: OverviewRow) -> Node:
    return formats.price(row.close)


def _change(field: str, span: str) -> Callable[[OverviewRow], Node]:
    """The cell of a change: coloured and signed, or a dash with the reason."""

    def cell(row: OverviewRow) -> Node:
        change: float = getattr(row, field)
        if not formats.known(change):
            return missing(_base(row) or f"Needs {span} of history")
        text = formats.signed_percent(change)
        kind = formats.direction(change)
        return el("span", text, class_=kind) if kind else text

    return cell


def _base(row: OverviewRow) -> str:
    """Why a row compares nothing with what was before; "" where it does."""
    if row.broken is None:
        return ""
    return f"Adjusted prices before {format_moment(row.broken)} have another base"


def _volume(row: OverviewRow) -> Node:
    if not formats.known(row.volume) or row.volume == 0:
        return missing("No volume in the source")
    return formats.quantity(row.volume)


def _position(row: OverviewRow) -> Node:
    if not formats.known(row.position_52w):
        return missing(_base(row) or "High and low of the year are equal")
    text = formats.percent(row.position_52w)
    title = f"{text} of the way from the 52-week low to the 52-week high"
    return el("span", text, class_="position", title=title, var_at=text)


def _newest(row: OverviewRow) -> Node:
    when = formats.moment(row.newest_ts, row.interval, row.symbol.timezone)
    if not row.stale:
        return when
    counted = row.stale_sessions is not None
    title = f"Stale: the newest bar is {row.stale_text} old" if counted else row.stale_text
    text = row.stale_text if counted else "age?"
    return el("span", when, el("span", text, class_="mark mark-stale", title=title))


def _spark(row: OverviewRow) -> Node:
    """The newest daily closes as a mask: one path of whole pixels, coloured by the style sheet."""
    values = _thinned(row.spark)
    if len(values) < 2:
        return missing(_base(row) or "Needs 2 sessions")
    change = values[-1] / values[0] - 1
    label = f"{len(row.spark)} sessions, {formats.signed_percent(change)}"
    return el(
        "span",
        class_=f"spark {formats.direction(change)}".strip(),
        title=label,
        role="img",
        aria_label=label,
        var_spark=_image(_path(values)),
    )


def _image(path: str) -> str:
    return (
        "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
        f"viewBox='0 0 {SPARK_WIDTH} {SPARK_HEIGHT}'%3E%3Cpath d='{path}' fill='none' "
        "stroke='%23000' stroke-width='1.3'/%3E%3C/svg%3E\")"
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


def breadth_keys(groups: list[GroupCount], selected: str | None, kind: str) -> list[Node]:
    """A button for each bar of a breadth chart: unseen until the keyboard reaches it, and one stop
    of the Tab key for all (static/js/overview.js moves it)."""
    names = [group.name for group in groups]
    stop = names.index(selected) if selected in names else 0
    return [
        el(
            "button",
            f"{group.name}: {group.advancing} up, {group.unchanged} unchanged, "
            f"{group.declining} down",
            type="button",
            id=f"{kind}-key-{position}",
            class_="button visually-hidden",
            tabindex="0" if position == stop else "-1",
            var_place=str(position),
            aria_pressed=str(group.name == selected).lower(),
            data_group=kind,
            data_name=group.name,
        )
        for position, group in enumerate(groups)
    ]


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
