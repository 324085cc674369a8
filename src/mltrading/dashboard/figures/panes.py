"""The panes of a price chart: which there are, how high, and the y range that fits what is seen.

static/js/chart_fit.js fits the same way after each pan and zoom; `Pane.fit` tells it how.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mltrading.dashboard.theme import Palette
from mltrading.domain.bars import Floats

Fit = Literal["price", "log", "zero", "around", "percent"]
"""How a pane's y range follows the visible bars: close to the values ("price", "log" of them,
"around" for indicators), from zero up ("zero"), or always 0 to 100 ("percent")."""

GUIDES: dict[str, tuple[float, ...]] = {
    "rsi": (30, 70),
    "stoch": (20, 80),
    "adx": (25,),
    "macd": (0,),
}
_FITS: dict[str, Fit] = {"rsi": "percent", "stoch": "percent", "adx": "zero", "atr": "zero"}
_GAP = 0.012  # of the chart's height, between panes
_ROOM_ABOVE, _ROOM_BELOW = 0.10, 0.04  # of the values' span; the legend stands above
_MOST_BESIDE = 0.4  # of the price's span: how far lines over it may widen the range


@dataclass(frozen=True, slots=True)
class Pane:
    """One pane: its plotly axis number (1 is the price), its part of the height, how it fits."""

    name: str
    number: int
    bottom: float
    top: float
    fit: Fit

    @property
    def axis(self) -> str:
        """The axis in a trace: "y", "y2", ..."""
        return "y" if self.number == 1 else f"y{self.number}"

    @property
    def layout_key(self) -> str:
        """The axis in the layout: "yaxis", "yaxis2", ..."""
        return "yaxis" if self.number == 1 else f"yaxis{self.number}"


def arrange(names: list[str], log: bool) -> dict[str, Pane]:
    """Panes from the top down for `names`, the first of which is the price."""
    heights = _heights(names)
    room = 1 - _GAP * (len(names) - 1)
    panes: dict[str, Pane] = {}
    top = 1.0
    for number, (name, height) in enumerate(zip(names, heights, strict=True), start=1):
        bottom = max(top - height * room, 0.0)
        fit: Fit = ("log" if log else "price") if number == 1 else _fit(name)
        panes[name] = Pane(name, number, round(bottom, 4), round(top, 4), fit)
        top = bottom - _GAP
    return panes


def _fit(name: str) -> Fit:
    return "zero" if name == "volume" else _FITS.get(name, "around")


def _heights(names: list[str]) -> list[float]:
    """Fractions of the height: a volume pane is lower than an indicator's; the price keeps most."""
    wanted = [0.14 if name == "volume" else 0.19 for name in names[1:]]
    most = 0.38 if len(wanted) <= 2 else 0.6
    scale = min(1.0, most / sum(wanted)) if wanted else 1.0
    below = [height * scale for height in wanted]
    return [1 - sum(below), *below]


def y_range(fit: Fit, main: Iterable[Floats], beside: Iterable[Floats] = ()) -> list[float]:
    """The y range for the values on screen, in log10 for "log"; a default where none is known.

    Values `beside` the main ones (lines over the price) widen it only so far: a band that falls
    to zero must not press the bars into a corner.
    """
    if fit == "percent":
        return [0, 100]
    values, others = _known(fit, main), _known(fit, beside)
    if not len(values):
        return [0, 1]
    low, high = float(values.min()), float(values.max())
    if fit == "zero":
        return [0, high * 1.12 or 1]
    span = high - low or abs(high) * 0.02 or 1
    if len(others):
        low = min(low, max(float(others.min()), low - span * _MOST_BESIDE))
        high = max(high, min(float(others.max()), high + span * _MOST_BESIDE))
        span = high - low or span
    return [_short(low - span * _ROOM_BELOW), _short(high + span * _ROOM_ABOVE)]


def _known(fit: Fit, columns: Iterable[Floats]) -> Floats:
    values: Floats = np.concatenate([np.empty(0), *columns])
    values = values[np.isfinite(values)]
    if fit == "log":
        values = np.log10(values[values > 0])
    return values


def _short(value: float) -> float:
    """Seven significant digits: more than a screen can show."""
    return float(f"{value:.7g}")


def percent_ticks(low: float, high: float, base: float) -> tuple[list[float], list[str]]:
    """Where a price axis says round percentages of `base`, and what it says there."""
    if not base > 0 or not high > low:
        return [], []
    first, last = (low / base - 1) * 100, (high / base - 1) * 100
    step = _round_step((last - first) / 6)
    places = max(0, -math.floor(math.log10(step)))
    steps = range(math.ceil(first / step), math.floor(last / step) + 1)
    percents = [n * step for n in steps]
    values = [_short(base * (1 + percent / 100)) for percent in percents]
    return values, [signed_percent(percent, places) for percent in percents]


def signed_percent(percent: float, places: int = 2) -> str:
    """A percentage with its sign: "+1.50%", "−3.00%", "0.00%"."""
    text = f"{abs(percent):,.{places}f}"
    sign = "" if not float(text.replace(",", "")) else "+" if percent > 0 else "−"
    return f"{sign}{text}%"


def _round_step(rough: float) -> float:
    """The step of 1, 2 or 5 times a power of ten that is not below `rough`."""
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))


def guides(panes: Iterable[Pane], palette: Palette) -> list[dict[str, Any]]:
    """Lines between panes, and the levels that traders read an indicator against."""
    shapes: list[dict[str, Any]] = []
    for pane in panes:
        if pane.number > 1:
            edge = pane.top + _GAP / 2
            shapes.append(_line("paper", edge, {"color": palette["line"], "width": 1}))
        for level in GUIDES.get(pane.name, ()):
            stroke = {"color": palette["line-strong"], "width": 1, "dash": "dot"}
            shapes.append(_line(pane.axis, level, stroke))
    return shapes


def _line(yref: str, y: float, stroke: dict[str, Any]) -> dict[str, Any]:
    across = {"xref": "paper", "x0": 0, "x1": 1}
    return {
        "type": "line",
        "yref": yref,
        "y0": y,
        "y1": y,
        "layer": "below",
        "line": stroke,
    } | across
