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


@dataclass(frozen=True, slots=True)
class Line:
    """`colour` is a token; NaN is what is not known. `dash` tells lines apart without colour."""

    name: str
    values: Sequence[float]
    colour: str = "series-1"
    dash: str = "solid"


@dataclass(frozen=True, slots=True)
class Span:
    """What is on the x axis, UTC."""

    since: datetime
    until: datetime
    step_seconds: float


def lines(
    at: Sequence[datetime], drawn: Sequence[Line], span: Span, unit: str, palette: Palette
) -> Figure:
    """Lines over time from zero up, their values in `unit`."""
    if not any(math.isfinite(value) for line in drawn for value in line.values):
        return _nothing(palette)
    return {
        "data": [_line(at, line, span.step_seconds, unit, palette) for line in drawn],
        "layout": _layout(palette)
        | {
            "xaxis": _axis(palette)
            | {"type": "date", "range": [_iso(span.since), _iso(span.until)]},
            "yaxis": _axis(palette)
            | {"rangemode": "tozero", "ticksuffix": "%" if unit == "%" else ""},
            "showlegend": len(drawn) > 1,
        },
    }


def by_day(days: Sequence[tuple[date, int]], name: str, palette: Palette) -> Figure:
    """A bar for each day on which there was any."""
    if not days:
        return _nothing(palette)
    bars = {
        "type": "bar",
        "name": text(name),
        "x": [f"{day.day} {MONTHS[day.month - 1]}" for day, _ in days],
        "y": [count for _, count in days],
        "marker": {"color": palette["series-1"]},
        "hovertemplate": "%{y:,}",
    }
    ticks = {"nticks": 8, "type": "category", "tickangle": 0}
    return {
        "data": [bars],
        "layout": _layout(palette)
        | {
            "xaxis": _axis(palette) | ticks,
            "yaxis": _axis(palette) | {"rangemode": "tozero", "tickformat": ",d"},
            "showlegend": False,
            "bargap": 0.4,
        },
    }


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
        # A point between two gaps is no line, and has to be seen.
        "mode": "lines+markers",
        "marker": {"size": 3},
        "name": text(line.name),
        "x": x,
        "y": y,
        "connectgaps": False,
        "line": {"color": palette[line.colour], "dash": line.dash, "width": 1.6},
        "hovertemplate": "%{y:,.4~g}" + (f" {unit}" if unit else ""),
    }


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
