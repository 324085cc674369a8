"""Ops: what takes how long. Routes, callbacks and services, slowest first; one of them by hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.figures.ops import Line, Span, lines
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_frame import (
    RANGES,
    Drawn,
    Query,
    Section,
    page_of,
    span_of,
)
from mltrading.dashboard.pages.ops_parts import cell, milliseconds, number, row, share, table
from mltrading.services.ports.operations import Usage, UsageKind
from mltrading.utils.histogram import quantile

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/ops/latency"
CHART = "ops-one-chart"
KINDS: dict[str, UsageKind] = {"route": "route", "callback": "callback", "service": "service"}
HOUR_SECONDS = 3600.0

Chosen = tuple[UsageKind, str]


def draw(services: Services, query: Query) -> Drawn:
    actor, span = current_actor(), span_of(query)
    slowest = services.operations.slowest(actor, span)
    chosen = _chosen(query, slowest)
    hours: Sequence[tuple[datetime, Usage]] = []
    if chosen is not None:
        hours = services.operations.usage_history(actor, *chosen, span)
    now = services.clock.now()
    whole = (now - span).replace(minute=0, second=0, microsecond=0)
    figure = lines(
        [hour for hour, _ in hours],
        [
            Line("half", [1000 * quantile(one.latency, 0.5) for _, one in hours]),
            Line(
                "95 of 100",
                [1000 * quantile(one.latency, 0.95) for _, one in hours],
                "series-2",
                "dot",
            ),
        ],
        Span(whole, now, HOUR_SECONDS),
        "ms",
        theme.palette(theme.current()),
    )
    said = f"{chosen[0]} {chosen[1]}" if chosen else "nothing was used in this time"
    return Drawn(
        {
            "ops-one-name": [el("h2", "By the hour: ", el("code", said))],
            "ops-slowest": [
                el("h2", "Slowest first"),
                el("p", "Sums of whole hours. A name shows its hours above.", class_="muted"),
                *_table(slowest, chosen, query),
            ],
        },
        {CHART: figure},
    )


def _chosen(query: Query, slowest: Sequence[Usage]) -> Chosen | None:
    """What the address names, else the slowest of all."""
    kind, name = KINDS.get(query.get("kind", "")), query.get("name", "")
    if kind and name:
        return kind, name
    return (slowest[0].kind, slowest[0].name) if slowest else None


def _table(slowest: Sequence[Usage], chosen: Chosen | None, query: Query) -> list[Node]:
    heads = (
        "Name",
        "Kind",
        ">Half within",
        ">95 of 100 within",
        ">Calls",
        ">Failed",
        ">Time in all",
    )
    rows = [_row(one, chosen == (one.kind, one.name), query) for one in slowest]
    nothing = "Not known: nothing was used in this time."
    return table("ops-slowest-table", heads, rows, nothing, stacked=True)


def _row(one: Usage, shown: bool, query: Query) -> Node:
    kept = {"range": query["range"]} if query.get("range") in RANGES else {}
    there = f"{PATH}?{urlencode({**kept, 'kind': one.kind, 'name': one.name})}"
    link = el("a", one.name, href=there, aria_current="true" if shown else None)
    half, p95 = quantile(one.latency, 0.5), quantile(one.latency, 0.95)
    failed = one.errors / one.calls if one.calls else float("nan")
    return row(
        link,
        cell(one.kind),
        number(half, milliseconds(half)),
        number(p95, milliseconds(p95)),
        number(one.calls, f"{one.calls:,}"),
        number(failed, share(failed)),
        number(one.seconds, f"{one.seconds:,.1f} s"),
    )


PAGE = page_of(
    Section(
        PATH,
        "Latency",
        draw,
        ("ops-slowest",),
        first=("ops-one-name",),
        charts={CHART: "Time that it took, ms"},
    )
)
