"""The traces of the price chart: price, volume and indicators as plain dicts."""

from __future__ import annotations

from typing import Any

from mltrading.dashboard.figures.numbers import rounded, significant
from mltrading.dashboard.figures.panes import Pane
from mltrading.dashboard.theme import Palette
from mltrading.domain.bars import Flags, Floats
from mltrading.services.market import Chart, IndicatorLines

Figure = dict[str, Any]

SERIES = 8  # series colours in the palette


def price_traces(
    chart: Chart, palette: Palette, panes: dict[str, Pane], places: int
) -> list[Figure]:
    """Every trace of the chart, the price first; `places` are the decimals sent."""
    traces = [_price(chart, palette, places)]
    if "volume" in panes:
        traces.append(_volume(chart, palette, panes["volume"]))
    colour = 0
    for drawn in chart.indicators:
        traces += _indicator(drawn, palette, panes[drawn.pane], places, colour)
        colour += _colours(drawn)
    return traces


def _price(chart: Chart, palette: Palette, places: int) -> Figure:
    bars, kind = chart.bars, chart.view.kind
    x = list(range(len(bars)))
    quiet: Figure = {"x": x, "name": text(chart.symbol.code), "hoverinfo": "skip"}
    if kind in ("line", "area"):
        stroke = {"color": palette["accent"], "width": 1.6}
        trace: Figure = {"type": "scatter", "mode": "lines", "line": stroke} | quiet
        trace["y"] = rounded(bars.close, places)
        if kind == "area":
            trace |= {"fill": "tozeroy", "fillcolor": _faded(palette["accent"], 0.14)}
        return trace
    columns = {name: rounded(getattr(bars, name), places) for name in _OHLC}
    up, down = palette["up"], palette["down"]
    if kind == "ohlc":
        sides: Figure = {
            "increasing": {"line": {"color": up, "width": 1.3}},
            "decreasing": {"line": {"color": down, "width": 1.3}},
        }
        return {"type": "ohlc", "tickwidth": 0.35} | sides | columns | quiet
    sides = {  # a rising body is hollow, so that colour is not the only sign
        "increasing": {"line": {"color": up, "width": 1}, "fillcolor": palette["ground"]},
        "decreasing": {"line": {"color": down, "width": 1}, "fillcolor": down},
    }
    return {"type": "candlestick", "whiskerwidth": 0} | sides | columns | quiet


_OHLC = ("open", "high", "low", "close")


def _volume(chart: Chart, palette: Palette, pane: Pane) -> Figure:
    rising = chart.bars.close >= chart.bars.open
    trace = _bars("Volume", pane, significant(chart.bars.volume), rising, palette)
    return trace | {"meta": {"pane": "volume", "short": True}}


def _bars(name: str, pane: Pane, y: list[Any], rising: Flags, palette: Palette) -> Figure:
    """Bars in the colour of up or down, by name: for numbers on a colour scale plotly logs a trace
    for each bar at each redraw, which takes longer than the redraw."""
    up, down = palette["up"], palette["down"]
    marker = {
        "color": [up if rises else down for rises in rising.tolist()],
        "opacity": 0.55,
        "line": {"width": 0},
    }
    return {
        "type": "bar",
        "name": name,
        "y": y,
        "yaxis": pane.axis,
        "marker": marker,
        "hoverinfo": "skip",
    }


def _indicator(
    drawn: IndicatorLines, palette: Palette, pane: Pane, places: int, colour: int
) -> list[Figure]:
    """The lines of one indicator; only the first carries the label, the others their own names."""
    places = _places(pane, places)
    traces: list[Figure] = []
    for name, values in drawn.lines.items():
        about = {
            "pane": pane.name,
            "label": drawn.label,
            "line": _LINE_NAMES.get(name, name),
            "decimals": places,
        }
        if pane.name == "obv":
            about["short"] = True
        if name == "histogram":
            trace = _bars(name, pane, rounded(values, places), values >= 0, palette)
        else:
            trace = _line(drawn.label, pane, values, places, _series(palette, colour))
            colour += drawn.spec.name not in _ONE_COLOUR
        traces.append(trace | {"meta": about})
    return traces


_ONE_COLOUR = ("bbands",)
"""Indicators whose lines are one thing: a band."""
_LINE_NAMES = {"plus_di": "+DI", "minus_di": "−DI"}  # as traders write them


def _colours(drawn: IndicatorLines) -> int:
    """How many series colours an indicator takes."""
    lines = [name for name in drawn.lines if name != "histogram"]
    return 1 if drawn.spec.name in _ONE_COLOUR else len(lines)


def _places(pane: Pane, places: int) -> int:
    """Decimals of an indicator: those of the price where it is one or a difference of prices."""
    if pane.name in ("price", "macd", "atr"):
        return places
    return 0 if pane.name == "obv" else 2


def _line(name: str, pane: Pane, values: Floats, places: int, colour: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": text(name),
        "y": rounded(values, places),
        "yaxis": pane.axis,
        "line": {"color": colour, "width": 1.3},
        "hoverinfo": "skip",
    }


def _series(palette: Palette, number: int) -> str:
    """Colours for indicators; the first series colour is the accent, which a line chart has."""
    return palette[f"series-{(number + 1) % SERIES + 1}"]


def text(said: str) -> str:
    """Text as itself: plotly reads a subset of HTML in names and labels."""
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
