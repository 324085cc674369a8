"""What the daily digest says of the deployment's own running: performance and use, each beside the
day before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isnan

from mltrading.services.days import Days, Trend
from mltrading.services.ports.operations import Usage
from mltrading.utils.histogram import quantile

SHOWN = 5  # pages and callbacks by name


Figure = Callable[[Usage], str]


def running_lines(days: Days | None) -> list[str]:
    """One line a figure; a single one where nothing was measured, none where nobody measures."""
    if days is None:
        return []
    if not days.measured:
        return ["Performance and use: nothing was measured"]
    lines = ["Performance and use, beside the day before:"]
    lines += [f"  {_trend(one)}" for one in days.trends()]
    lines += _named("Pages most used", days.now.pages, _calls)
    slowest = sorted(days.now.callbacks, key=_p95, reverse=True)
    lines += _named("Slowest callbacks, 95 of 100", slowest, _time)
    return lines


def _trend(one: Trend) -> str:
    words = f", {one.words}" if one.words else ""
    return f"{one.name}: {_figure(one.now, one.unit)} ({_figure(one.before, one.unit)}{words})"


def _figure(value: float, unit: str) -> str:
    if isnan(value):
        return "not known"
    shown = f"{value:,.2f}" if unit == "%" else f"{value:,.0f}"
    return f"{shown} {unit}".rstrip()


def _named(title: str, usage: Sequence[Usage], figure: Figure) -> Iterator[str]:
    if usage:
        yield f"  {title}: {', '.join(f'{one.name} {figure(one)}' for one in usage[:SHOWN])}"


def _calls(one: Usage) -> str:
    return f"{one.calls:,}"


def _time(one: Usage) -> str:
    return f"{1000 * _p95(one):,.0f} ms"


def _p95(one: Usage) -> float:
    return quantile(one.latency, 0.95)
