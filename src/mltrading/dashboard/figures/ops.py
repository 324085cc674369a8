"""How the deployment ran, as small charts over time. What was not measured is a gap, never 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from mltrading.dashboard.figures.ticks import MONTHS
from mltrading.dashboard.figures.traces import text
from mltrading.dashboard.theme import Palette

Figure = dict[str, Any]
GAP = 1.5  # steps between two points that no line joins
FEW_USERS = 5  # below it plotly would name halves of a user on the axis
DAYS_SHOWN = 8  # so many bars fill the chart; fewer are no wider


@dataclass(frozen=True, slots=True)
class Line:
    """`colour` is a token; NaN is what is not known. `dash` tells lines apart without colour."""

    name: str
    values: Sequence[float]
    colour: str = "series-1"
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Limit:
    """What the values should not exceed, in their unit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Span:
    """What is on the x axis, UTC."""

    since: datetime
    until: datetime
    step_seconds: float


def lines(
    at: Sequence[datetime],
    drawn: Sequence[Line],
    span: Span,
    unit: str,
    palette: Palette,
    limit: Limit | None = None,
) -> Figure:
    """Lines over time from zero up, their values in `unit`, below their limit where they have
    one. Where the begin of the span was not measured, it is said since when it is."""
    known = [
        moment
        for line in drawn
        for moment, value in zip(at, line.values, strict=True)
        if math.isfinite(value)
    ]
    if not known:
        return _nothing(palette)
    limits = [_limit(limit, span, unit, palette)] if limit else []
    return {
        "data": [*(_line(at, line, span.step_seconds, unit, palette) for line in drawn), *limits],
        "layout": _layout(palette)
        | {
            "xaxis": _axis(palette)
            | {"type": "date", "range": [_iso(span.since), _iso(span.until)]},
            "yaxis": _axis(palette)
            | {"rangemode": "tozero", "ticksuffix": "%" if unit == "%" else ""},
            "showlegend": len(drawn) + len(limits) > 1,
            **_unmeasured(min(known), span, palette),
        },
    }


def by_day(
    days: Sequence[tuple[date, int]], name: str, span: tuple[date, date], palette: Palette
) -> Figure:
    """A bar for each day on which there was any, among all days from the first to the last of
    `span`."""
    if not days:
        return _nothing(palette)
    shown = [span[0] + timedelta(days=n) for n in range((span[1] - span[0]).days + 1)]
    bars = {
        "type": "bar",
        "name": text(name),
        "x": [_day(day) for day, _ in days],
        "y": [count for _, count in days],
        "width": 0.6 * min(1.0, len(shown) / DAYS_SHOWN),
        "marker": {"color": palette["series-1"]},
        "hovertemplate": "%{y:,}",
    }
    ticks = {"nticks": 8, "type": "category", "tickangle": 0, "range": [-0.5, len(shown) - 0.5]}
    order = {"categoryorder": "array", "categoryarray": [_day(day) for day in shown]}
    whole = {"dtick": 1} if max(count for _, count in days) < FEW_USERS else {}
    return {
        "data": [bars],
        "layout": _layout(palette)
        | {
            "xaxis": _axis(palette) | ticks | order,
            "yaxis": _axis(palette) | {"rangemode": "tozero", "tickformat": ",d"} | whole,
            "showlegend": False,
        },
    }


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def _limit(limit: Limit, span: Span, unit: str, palette: Palette) -> Figure:
    shown = f"{limit.value:,.4g}" + (f" {unit}" if unit else "")
    return {
        "type": "scatter",
        "mode": "lines",
        "name": text(f"{limit.name}, {shown}"),
        "x": [_iso(span.since), _iso(span.until)],
        "y": [limit.value, limit.value],
        "line": {"color": palette["warning"], "dash": "dash", "width": 1},
        "hoverinfo": "skip",
    }


def _unmeasured(first: datetime, span: Span, palette: Palette) -> Figure:
    """What the layout says of the time before the first that is known."""
    share = (first - span.since) / (span.until - span.since)
    if (first - span.since).total_seconds() <= GAP * span.step_seconds:
        return {}
    day = "" if first.date() == span.until.date() else f"{_day(first.date())} "
    said = {
        "text": f"nothing measured before {day}{first:%H:%M} UTC",
        "x": _iso(first),
        "xanchor": "right" if share > 0.5 else "left",
        "xshift": -8 if share > 0.5 else 8,
        "y": 0.5,
        "yref": "paper",
        "showarrow": False,
        "bgcolor": palette["ground"],  # a limit may run behind it
        "font": {"color": palette["muted"], "size": 11},
    }
    edge = {
        "type": "line",
        "x0": _iso(first),
        "x1": _iso(first),
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": palette["line-strong"], "dash": "dot", "width": 1},
    }
    return {"annotations": [said], "shapes": [edge]}


def _line(
    at: Sequence[datetime], line: Line, step_seconds: float, unit: str, palette: Palette
) -> Figure:
    x: list[str] = []
    y: list[float | None] = []
    before: datetime | None = None
    for moment, value in zip(at, line.values, strict=True):
        if before is not None and (moment - before).total_seconds() > GAP * step_seconds:
            x.append(_iso(before + timedelta(seconds=step_seconds)))
            y.append(None)
        x.append(_iso(moment))
        y.append(round(value, 3) if math.isfinite(value) else None)
        before = moment
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "marker": {"size": _sizes(y), "opacity": 1, "line": {"width": 0}},
        "cliponaxis": False,  # the newest point lies on the edge
        "name": text(line.name),
        "x": x,
        "y": y,
        "connectgaps": False,
        "line": {"color": palette[line.colour], "dash": line.dash, "width": 1.6},
        "hovertemplate": "%{y:,.4~g}" + (f" {unit}" if unit else ""),
    }


def _sizes(values: Sequence[float | None]) -> list[int]:
    """A point between two gaps is no line, and has to be seen."""
    around = [None, *values, None]
    return [
        3 if before is not None or after is not None else 7
        for before, after in zip(around, around[2:], strict=False)
    ]


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _axis(palette: Palette) -> Figure:
    return {
        "gridcolor": palette["line"],
        "linecolor": palette["line"],
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
        "nticks": 5,
        "automargin": True,
    }


def _layout(palette: Palette) -> Figure:
    return {
        "margin": {"l": 8, "r": 10, "t": 22, "b": 8},
        "paper_bgcolor": palette["ground"],
        "plot_bgcolor": palette["ground"],
        "font": {"color": palette["muted"], "size": 11, "family": palette["font"]},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": palette["panel"],
            "bordercolor": palette["line"],
            "font": {"color": palette["text"], "size": 12},
        },
        "dragmode": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yanchor": "bottom",
            "itemclick": False,
            "itemdoubleclick": False,
        },
    }


def _nothing(palette: Palette) -> Figure:
    said = {
        "text": "not known: nothing was measured in this time",
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "showarrow": False,
        "font": {"color": palette["muted"], "size": 12},
    }
    hidden = {"visible": False, "fixedrange": True}
    return {
        "data": [],
        "layout": _layout(palette)
        | {"xaxis": hidden, "yaxis": hidden, "annotations": [said], "hovermode": False},
    }
