"""Ops, first section: how the deployment runs, now and over the chosen span of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.figures.ops import Limit, Line, Span, lines
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_frame import PATH, Drawn, Query, Section, page_of, span_of
from mltrading.dashboard.pages.ops_now import alerts, jobs, processes, state
from mltrading.dashboard.pages.ops_parts import figure, milliseconds, share
from mltrading.services.days import together
from mltrading.services.operations import Limits, Series, step_of
from mltrading.services.ports.operations import Window
from mltrading.utils.histogram import quantile

if TYPE_CHECKING:
    from mltrading.services import Services

CHARTS = {
    "ops-latency-chart": "Answers to people, ms",
    "ops-requests-chart": "Requests a minute",
    "ops-errors-chart": "Failed answers, %",
    "ops-pool-chart": "Connections to the database",
    "ops-machine-chart": "Machine, the worst process, %",
}
HIGH_MEMORY = 0.8
SHORTEST_SECONDS = 60.0  # of a step that is not over: less says nothing of a minute


def draw(services: Services, query: Query) -> Drawn:
    actor, asked, span = current_actor(), services.operations, span_of(query)
    series = asked.history(actor, span)
    whole, limits = together([window for _, window in series]), asked.limits(actor)
    return Drawn(
        {
            "ops-figures": [el("div", *_figures(whole, limits), class_="ops-stats")],
            "ops-state": [
                el("h2", "State"),
                *alerts(asked.alerts(actor)),
                state(asked.now(actor)),
            ],
            "ops-jobs": jobs(asked.jobs(actor)),
            "ops-processes": processes(asked.processes(actor)),
        },
        charts(series, span, services.clock.now(), limits),
    )


def _figures(whole: Window, limits: Limits) -> Iterator[Node]:
    median, p95 = quantile(whole.latency, 0.5), whole.latency_p95_seconds
    counted = whole.samples or None  # of no sample nothing is known, not that there was nothing
    yield figure("Requests", counted, f"{whole.requests:,}")
    failed = _over(100 * whole.error_rate, limits.failed_percent)
    yield figure("Failed", whole.error_rate, share(whole.error_rate), bad=failed)
    yield figure("Half within", median, milliseconds(median))
    yield figure(
        "95 of 100 within", p95, milliseconds(p95), bad=_over(1000 * p95, limits.answer_ms)
    )
    yield figure("Over 10 s", counted, f"{whole.slow:,}", bad=whole.slow > 0)
    yield figure("Turned away, 503", counted, f"{whole.shed_503:,}", bad=whole.shed_503 > 0)
    yield figure("Waits for a connection", counted, f"{whole.pool_waits:,}")
    yield figure(
        "Database lost", counted, f"{whole.database_failures:,}", bad=whole.database_failures > 0
    )
    yield figure(
        "Most memory",
        whole.memory_share,
        share(whole.memory_share),
        bad=whole.memory_share > HIGH_MEMORY,
    )


def _over(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def charts(series: Series, span: timedelta, now: datetime, limits: Limits) -> dict[str, Any]:
    """A figure for each of CHARTS."""
    palette, step = theme.palette(theme.current()), float(step_of(span))
    shown = Span(now - span, now, step)
    at = [moment for moment, _ in series]
    windows = [window for _, window in series]
    minutes = [_minutes(moment, step, now) for moment in at]

    def drawn(unit: str, *of: Line, limit: Limit | None = None) -> Any:
        return lines(at, of, shown, unit, palette, limit)

    return {
        "ops-latency-chart": drawn(
            "ms",
            Line("half", [1000 * quantile(one.latency, 0.5) for one in windows]),
            Line("95 of 100", _ms([one.latency_p95_seconds for one in windows]), "series-2", "dot"),
            limit=_limit("budget", limits.answer_ms),
        ),
        "ops-requests-chart": drawn(
            "", Line("requests", [one.requests / m for one, m in zip(windows, minutes)])
        ),
        "ops-errors-chart": drawn(
            "%",
            Line("failed", _percent([one.error_rate for one in windows]), "down"),
            limit=_limit("budget", limits.failed_percent),
        ),
        "ops-pool-chart": drawn(
            "",
            Line("most of one process", [float(one.pool_in_use) for one in windows]),
            Line(
                "waits a minute",
                [one.pool_waits / m for one, m in zip(windows, minutes)],
                "series-2",
                "dot",
            ),
            limit=_limit("its limit", limits.connections),
        ),
        "ops-machine-chart": drawn(
            "%",
            Line("memory", _percent([one.memory_share for one in windows])),
            Line("processor", _percent([one.cpu_share for one in windows]), "series-2", "dot"),
            Line(
                "free disk", _percent([one.disk_free_share for one in windows]), "series-3", "dash"
            ),
            limit=_limit("memory limit", 100 * HIGH_MEMORY),
        ),
    }


def _limit(name: str, value: float | None) -> Limit | None:
    return None if value is None else Limit(name, value)


def _minutes(began: datetime, step: float, now: datetime) -> float:
    """How many minutes of a step are over; NaN where it is hardly begun."""
    seconds = min(step, (now - began).total_seconds())
    return seconds / 60 if seconds >= SHORTEST_SECONDS else float("nan")


def _ms(seconds: Sequence[float]) -> list[float]:
    return [1000 * one for one in seconds]


def _percent(fractions: Sequence[float]) -> list[float]:
    return [100 * one for one in fractions]


PAGE = page_of(
    Section(
        PATH,
        "Now",
        draw,
        ("ops-state", "ops-jobs", "ops-processes"),
        first=("ops-figures",),
        charts=CHARTS,
    )
)
