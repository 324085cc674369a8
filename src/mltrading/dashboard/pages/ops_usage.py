"""Ops: how a day went beside the day before, how much is used, what browsers measured, and what of
the performance budgets is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.figures.ops import by_day
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_frame import Drawn, Query, Section, page_of, span_of
from mltrading.dashboard.pages.ops_parts import (
    amount,
    cell,
    mark,
    met,
    milliseconds,
    number,
    row,
    share,
    table,
    words,
)
from mltrading.dashboard.pages.ops_words import verb_words
from mltrading.services.days import Trend
from mltrading.services.operations import BudgetState
from mltrading.services.ports.operations import Timing, Usage
from mltrading.utils.histogram import added, quantile

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/ops/usage"
CHART = "ops-users-chart"
BROWSER_SHARE = 0.75
KINDS = {"load": "Loaded", "callback": "Callbacks", "paint": "Chart painted"}


def draw(services: Services, query: Query) -> Drawn:
    actor, asked, span = current_actor(), services.operations, span_of(query)
    used = asked.usage(actor, span)
    return Drawn(
        {
            "ops-trends": _trends(asked.trends(actor).trends()),
            "ops-used": [
                el("h2", "Use"),
                *_used("ops-pages-table", "Page", used.pages, page_words),
                *_used("ops-services-table", "What was asked for", used.services, verb_words),
            ],
            "ops-experience": _experience(asked.experience(actor, span)),
            "ops-budgets": _budgets(asked.budgets(actor)),
        },
        {CHART: by_day(used.users, "users", used.days, theme.palette(theme.current()))},
    )


def _trends(trends: Sequence[Trend]) -> list[Node]:
    rows = [
        row(
            one.name,
            number(one.now, amount(one.now, one.unit)),
            number(one.before, amount(one.before, one.unit)),
            cell(mark(one.words, bad=one.words == "worse") if one.words else "—"),
        )
        for one in trends
    ]
    heads = ("The last 24 whole hours", ">Now", ">The day before", "Change")
    return [el("h2", "A day beside the day before"), *table("ops-trends-table", heads, rows, "")]


def page_words(path: str) -> str:
    """How the navigation calls a page; the path itself where there is none any more."""
    from mltrading.dashboard.pages import PAGES  # the pages import this one

    return next((one.name for one in PAGES if one.path == path), path)


def _used(id: str, head: str, used: Sequence[Usage], words_of: Callable[[str], str]) -> list[Node]:
    calls = sum(one.calls for one in used)
    rows = [
        row(
            el("span", words_of(one.name), title=one.name),
            number(one.calls, f"{one.calls:,}"),
            number(one.calls, share(one.calls / calls) if calls else ""),
        )
        for one in used
    ]
    return table(id, (head, ">Times", ">Of all"), rows, f"{head}: not known, nothing was counted.")


def _experience(timings: Sequence[Timing]) -> list[Node]:
    """By page: what three of four browsers did not exceed. Callbacks of a page count together."""
    summed: dict[tuple[str, str], tuple[int, ...]] = {}
    for one in timings:
        key = (one.page, one.kind)
        summed[key] = added(summed.get(key, ()), one.counts)
    pages = dict.fromkeys(page for page, _ in summed)
    rows = [row(el("span", page_words(page), title=page), *_timed(page, summed)) for page in pages]
    heads = ("Page", *(f">{name}" for name in KINDS.values()), ">Loads", ">Long tasks")
    nothing = "Not known: no browser has reported a load in this time."
    return [
        el("h2", "In the browser, three of four within"),
        *table("ops-experience-table", heads, rows, nothing, stacked=True),
    ]


def _timed(page: str, summed: dict[tuple[str, str], tuple[int, ...]]) -> list[Node]:
    cells = []
    for kind in KINDS:
        seconds = quantile(summed.get((page, kind), ()), BROWSER_SHARE)
        cells.append(number(seconds, milliseconds(seconds)))
    counts = (sum(summed.get((page, kind), ())) for kind in ("load", "long_task"))
    return [*cells, *(number(count, f"{count:,}") for count in counts)]


def _budgets(states: Sequence[BudgetState]) -> list[Node]:
    rows = [
        row(
            el("span", one.budget.name, title=one.budget.what),
            number(one.value, _value(one), _reason(one)),
            number(one.budget.limit, amount(one.budget.limit, one.budget.unit)),
            cell(met(one.met, _reason(one))),
            words(one.budget.what),
        )
        for one in states
    ]
    heads = ("Budget", ">Last 24 h", ">Limit", "Kept", "Of what")
    return [
        el("h2", "Performance budgets"),
        *table("ops-budgets-table", heads, rows, "", stacked=True),
        el("p", "Those that are not known here are measured by make bench.", class_="muted"),
    ]


def _value(state: BudgetState) -> str:
    known = state.value is not None and math.isfinite(state.value)
    return amount(state.value, state.budget.unit) if known and state.value is not None else ""


def _reason(state: BudgetState) -> str:
    if not state.budget.live:
        return "only make bench measures it"
    return "nothing was measured in the last 24 hours"


PAGE = page_of(
    Section(
        PATH,
        "Usage",
        draw,
        ("ops-used", "ops-experience", "ops-budgets"),
        first=("ops-trends",),
        charts={CHART: "Users a day"},
    )
)
