"""The Compare chart: up to eight lines, told apart by colour, by dash and by a label at their end.

The x axis has one category a point, so closed sessions take no room and the hover says the date.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltrading.dashboard.figures.numbers import decimals, rounded
from mltrading.dashboard.figures.panes import y_range
from mltrading.dashboard.figures.ticks import MONTHS, Level, choose, levels
from mltrading.dashboard.figures.traces import text
from mltrading.dashboard.theme import Palette
from mltrading.domain.bars import SECOND, Floats, Times
from mltrading.domain.zones import utc_offsets
from mltrading.services.market import CompareLine, Comparison

_DASHED, _DOTTED, _MIXED = "9px,2px", "2px,2px", "9px,2px,2px,2px"
DASHES = ("solid", "solid", _DASHED, _DASHED, _DOTTED, _DOTTED, _MIXED, _MIXED)
"""Dash of each of the eight lines, with gaps too short to hide a move; two lines of one dash
differ clearly in grey as well."""

_BASES = {"percent": 0.0, "indexed": 100.0}
_SUFFIXES = {"percent": "%"}
_LABEL_LENGTH = 9  # characters of a symbol that fit beside the plot
_LABEL_HEIGHT = 0.05  # of the plot's height


def figure(comparison: Comparison, palette: Palette) -> dict[str, Any]:
    """The chart as a plain dict. `layout.meta.ts` are the epoch seconds of the points."""
    labels = point_labels(comparison)
    mode = comparison.view.mode
    shown = [line.values for line in comparison.lines]
    low, high = y_range("price", shown)
    places = 2 if mode != "price" else max((decimals(values) for values in shown), default=2)
    return {
        "data": [
            _line(line, number, labels, places, mode, palette)
            for number, line in enumerate(comparison.lines)
        ],
        "layout": {
            "margin": {"l": 58, "r": 86, "t": 10, "b": 28},
            "paper_bgcolor": palette["ground"],
            "plot_bgcolor": palette["ground"],
            "font": {"color": palette["muted"], "size": 11, "family": palette["font"]},
            "showlegend": False,
            "hovermode": "x unified",
            "hoverlabel": {
                "bgcolor": palette["panel"],
                "bordercolor": palette["line"],
                "font": {"color": palette["text"], "size": 12},
            },
            "dragmode": "zoom",
            "xaxis": _x_axis(comparison, labels, palette),
            "yaxis": _axis(palette)
            | {
                "range": [low, high],
                "fixedrange": True,
                "ticksuffix": _SUFFIXES.get(mode, ""),
                "hoverformat": f",.{places}f",
            },
            "shapes": _base_line(mode, palette),
            "annotations": _end_labels(comparison.lines, low, high, palette),
            "meta": {"ts": (comparison.ts // SECOND).tolist()},
            "uirevision": comparison.view.to_query(),
        },
    }


def colour(number: int, palette: Palette) -> str:
    """The colour of the line at that place (from 0)."""
    return palette[f"series-{number % len(DASHES) + 1}"]


def _line(
    line: CompareLine, number: int, labels: list[str], places: int, mode: str, palette: Palette
) -> dict[str, Any]:
    sign = "+" if mode == "percent" else ""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": text(line.symbol.code),
        "x": labels,
        "y": rounded(line.values, places),
        "connectgaps": True,  # a holiday of one exchange is no hole in its price
        "line": {"color": colour(number, palette), "dash": DASHES[number], "width": 1.6},
        "hovertemplate": f"%{{y:{sign},.{places}f}}{_SUFFIXES.get(mode, '')}",
    }


def _x_axis(comparison: Comparison, labels: list[str], palette: Palette) -> dict[str, Any]:
    count = len(labels)
    ticks = choose(levels(comparison.ts, comparison.interval, comparison.timezone), 0, count)
    return _axis(palette) | {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": labels,
        "range": [-0.5, max(count - 0.5, 0.5)],
        "tickmode": "array",
        "tickvals": [labels[position] for position in ticks.positions],
        "ticktext": _month_said(ticks, labels),
        "tickangle": 0,
    }


def _month_said(ticks: Level, labels: list[str]) -> list[str]:
    """The tick labels; where the first is a day alone, it says the month too."""
    if not ticks.labels:
        return []
    first, *others = ticks.labels
    if first.isdecimal() and len(first) <= 2:
        first = f"{first} {MONTHS[int(labels[ticks.positions[0]][5:7]) - 1]}"
    return [first, *others]


def _axis(palette: Palette) -> dict[str, Any]:
    return {
        "gridcolor": palette["line"],
        "linecolor": palette["line"],
        "zeroline": False,
        "ticks": "",
    }


def point_labels(comparison: Comparison) -> list[str]:
    """One name for each point: its date, or its date and time on the first symbol's exchange.

    Where that clock was set back two points would share a name; then all are told in UTC.
    """
    ts = comparison.ts
    if not comparison.interval.intraday:
        return [str(day) for day in ts.astype("datetime64[us]").astype("datetime64[D]")]
    local = _minutes(ts + utc_offsets(ts, comparison.timezone))
    return local if len(set(local)) == len(local) else [f"{name} UTC" for name in _minutes(ts)]


def _minutes(ts: Times) -> list[str]:
    moments = np.datetime_as_string(ts.astype("datetime64[us]"), unit="m")
    return [str(moment).replace("T", " ") for moment in moments]


def _base_line(mode: str, palette: Palette) -> list[dict[str, Any]]:
    if mode not in _BASES:
        return []
    base = _BASES[mode]
    stroke = {"color": palette["line-strong"], "width": 1, "dash": "dot"}
    across = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "layer": "below", "line": stroke}
    return [across | {"yref": "y", "y0": base, "y1": base}]


def _end_labels(
    lines: list[CompareLine], low: float, high: float, palette: Palette
) -> list[dict[str, Any]]:
    """The symbol at the end of each line, moved apart where lines end close together."""
    ends = {n: _last(line.values) for n, line in enumerate(lines)}
    heights = {n: (end - low) / (high - low) for n, end in ends.items() if end is not None}
    placed = apart(list(heights.values()), _LABEL_HEIGHT)
    return [
        {
            "xref": "paper",
            "x": 1,
            "xanchor": "left",
            "xshift": 6,
            "yref": "paper",
            "y": round(height, 4),
            "yanchor": "middle",
            "showarrow": False,
            "text": text(_shortened(lines[number].symbol.code)),
            "font": {"color": colour(number, palette), "size": 12},
        }
        for number, height in zip(heights, placed, strict=True)
    ]


def apart(heights: list[float], distance: float) -> list[float]:
    """The same heights, at least `distance` from each other, none below 0 or above 1 where they
    fit, their order kept."""
    order = sorted(range(len(heights)), key=lambda n: heights[n])
    placed = list(heights)
    floor = 0.0
    for n in order:
        placed[n] = floor = max(placed[n], floor)
        floor += distance
    ceiling = 1.0
    for n in reversed(order):
        placed[n] = ceiling = min(placed[n], ceiling)
        ceiling -= distance
    return placed


def _last(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else None


def _shortened(code: str) -> str:
    return code if len(code) <= _LABEL_LENGTH else code[: _LABEL_LENGTH - 1] + "…"
