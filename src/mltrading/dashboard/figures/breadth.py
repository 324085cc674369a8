"""Breadth: how many symbols of each group rose, stood and fell on their newest session."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from mltrading.dashboard.theme import Palette
from mltrading.services.market import GroupCount

ROW_PIXELS = 24
MARGIN_PIXELS = 12
FADED = 0.3
LABEL_CHARACTERS = 24

Figure = dict[str, Any]


def breadth(groups: list[GroupCount], selected: str | None, palette: Palette) -> Figure:
    """Stacked horizontal bars, the first group on top; `customdata` is the group's plain name.

    Names are text: plotly reads a subset of HTML in labels, so they are escaped.
    """
    names = [group.name for group in groups]
    opacity = [1.0 if selected in (None, name) else FADED for name in names]
    parts: list[tuple[str, str, Callable[[GroupCount], int]]] = [
        ("up", palette["up"], lambda group: group.advancing),
        ("unchanged", palette["flat"], lambda group: group.unchanged),
        ("down", palette["down"], lambda group: group.declining),
    ]
    if any(group.unknown for group in groups):
        parts.append(("change unknown", palette["line"], lambda group: group.unknown))
    return {
        "data": [
            _trace(label, colour, [count(group) for group in groups], names, opacity, palette)
            for label, colour, count in parts
        ],
        "layout": _layout(names, palette) | {"height": height(groups)},
    }


def height(groups: list[GroupCount]) -> int:
    """Pixels that the figure needs, so that every bar can be read and clicked. The graph's style
    says the same: plotly.js draws at the figure's height and resizes to its container's."""
    return ROW_PIXELS * max(len(groups), 1) + MARGIN_PIXELS


def _trace(
    label: str,
    colour: str,
    counts: list[int],
    names: list[str],
    opacity: list[float],
    palette: Palette,
) -> Figure:
    return {
        "type": "bar",
        "orientation": "h",
        "name": label,
        "x": counts,
        "y": list(range(len(counts))),
        "customdata": names,
        "text": [str(count) if count else "" for count in counts],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": _on(colour, palette), "size": 11},
        "marker": {"color": colour, "opacity": opacity, "line": {"width": 0}},
        "hovertemplate": "%{x} " + label + "<extra></extra>",
    }


def _on(colour: str, palette: Palette) -> str:
    """The colour of a count on its bar: that of unknown changes is hardly lighter than the page."""
    return palette["text" if colour == palette["line"] else "on-bar"]


def _layout(names: list[str], palette: Palette) -> Figure:
    labels = [escape(_short(name)) for name in names]
    return {
        "barmode": "stack",
        "bargap": 0.25,
        "margin": {"l": 8, "r": 12, "t": 4, "b": 8, "pad": 6},
        "showlegend": False,
        "paper_bgcolor": palette["ground"],
        "plot_bgcolor": palette["ground"],
        "font": {"family": palette["font"], "size": 11, "color": palette["text"]},
        "xaxis": {"visible": False, "fixedrange": True, "rangemode": "tozero"},
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": labels,
            "showspikes": False,  # the title of the hover label names the row
        },
        "hovermode": "y unified",  # the whole row answers, however short its bar
        "hoverlabel": {
            "bgcolor": palette["raised"],
            "bordercolor": palette["line-strong"],
            "font": {"color": palette["text"], "size": 12},
        },
        "dragmode": False,
        "uniformtext": {"minsize": 10, "mode": "hide"},
    }


def _short(name: str) -> str:
    return name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "…"
