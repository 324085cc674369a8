"""The price chart as a plotly figure: plain dicts and rounded lists, nothing else.

The x axis holds integer positions, one for each loaded bar, so that closed sessions take no room.
`layout.meta` is what static/js/chart.js needs to pan, zoom, fit and read values: see `_meta`.
"""

from __future__ import annotations

import math

import numpy as np

from mltrading.dashboard.figures import ticks
from mltrading.dashboard.figures.numbers import decimals, shown_decimals
from mltrading.dashboard.figures.panes import (
    Pane,
    arrange,
    guides,
    percent_ticks,
    signed_percent,
    y_range,
)
from mltrading.dashboard.figures.traces import Figure, price_traces
from mltrading.dashboard.theme import Palette
from mltrading.domain.bars import SECOND
from mltrading.services.market import Chart

FEWEST_BARS = 8  # closest view, as in static/js/chart.js
FEWEST_SLOTS = 24  # where all history is shorter: one bar is not one giant candle
LEFT, TOP, BOTTOM = 8, 6, 24  # margins in pixels; the right one holds the price labels


def candles(chart: Chart, palette: Palette) -> Figure:
    """The figure of `chart`: price with its overlays, volume, a pane for each other indicator."""
    if not len(chart.bars):
        return blank(palette, chart.symbol.code)
    names = ["price", *(["volume"] if chart.trust.has_volume else [])]
    names += dict.fromkeys(drawn.pane for drawn in chart.indicators if drawn.pane != "price")
    panes = arrange(names, chart.view.scale == "log")
    return {
        "data": price_traces(chart, palette, panes, decimals(chart.bars.close)),
        "layout": _layout(chart, palette, panes),
    }


def _layout(chart: Chart, palette: Palette, panes: dict[str, Pane]) -> Figure:
    window = x_window(chart)
    places = shown_decimals(float(chart.bars.close[chart.last_visible]))
    ranges = {name: _fitted(chart, pane) for name, pane in panes.items()}
    most = ticks.LABELS_UNTIL_FINER if chart.finer else ticks.MAX_LABELS
    levels = ticks.levels(chart.bars.ts, chart.interval, chart.symbol.timezone, most)
    lowest = list(panes.values())[-1]
    layout = _plain(chart, palette) | {
        "xaxis": _x_axis(chart, palette, window, levels, lowest),
        "shapes": [*guides(panes.values(), palette), *_forming(chart, palette)],
        "annotations": [*_last_price(chart, palette), *_simulated(chart, palette)],
        "margin": {"l": LEFT, "t": TOP, "b": BOTTOM, "r": _right_margin(chart, places)},
        "meta": _meta(chart, panes, levels, window),
    }
    for name, pane in panes.items():
        layout[pane.layout_key] = _y_axis(pane, palette, ranges[name], places)
    layout["yaxis"] |= _price_scale(chart, ranges["price"])
    return layout


def _plain(chart: Chart, palette: Palette) -> Figure:
    """What a chart has whatever it shows. Every answer is a view of its own (the address holds the
    zoom), so plotly keeps nothing of the chart before: uirevision changes with each."""
    return {
        "uirevision": f"{chart.view.to_query()}|{len(chart.bars)}|{chart.window_start}",
        "autosize": True,
        "showlegend": False,
        "hovermode": False,  # chart.js draws the crosshair and the legend
        "dragmode": "pan",
        "bargap": 0.25,
        "paper_bgcolor": palette["ground"],
        "plot_bgcolor": palette["ground"],
        "font": {"family": palette["font"], "size": 12, "color": palette["muted"]},
    }


def x_window(chart: Chart) -> list[float]:
    """The x range on screen: the visible bars (those before them too where they are too few), and
    room to the right of the newest."""
    first, last = chart.first_visible - 0.5, chart.last_visible + 0.5
    if not chart.more_right and chart.last_visible == len(chart.bars) - 1:
        last += max(1.0, round((last - first) * 0.02))
    fewest = FEWEST_BARS if len(chart.bars) >= FEWEST_SLOTS else FEWEST_SLOTS
    return [min(first, last - fewest), last]


def first_on_screen(chart: Chart) -> int:
    """Position of the leftmost bar that `x_window` shows."""
    return max(0, math.ceil(x_window(chart)[0]))


def _x_axis(
    chart: Chart, palette: Palette, window: list[float], levels: list[ticks.Level], lowest: Pane
) -> Figure:
    shown = ticks.choose(levels, window[0], window[1])
    return {
        "range": window,
        "anchor": lowest.axis,
        "tickmode": "array",
        "tickvals": shown.positions,
        "ticktext": shown.labels,
        "gridcolor": palette["line"],
        "griddash": "dot",
        "linecolor": palette["line"],
        "ticks": "",
        "zeroline": False,
        "rangeslider": {"visible": False},
    }


def _y_axis(pane: Pane, palette: Palette, fitted: list[float], places: int) -> Figure:
    axis = {
        "side": "right",
        "anchor": "x",
        "domain": [pane.bottom, pane.top],
        "range": fitted,
        "fixedrange": True,  # y follows the visible bars
        "gridcolor": palette["line"],
        "griddash": "dot",
        "zeroline": False,
        "nticks": 8 if pane.number == 1 else 3,
        "exponentformat": "B",  # a billion shares are 1B, where SI says 1G
    }
    if pane.number == 1:
        return axis | {"tickformat": f",.{places}f"}
    if pane.fit == "percent":
        levels = [20, 80] if pane.name == "stoch" else [30, 70]
        return axis | {"tickmode": "array", "tickvals": levels, "tickformat": "d"}
    return axis


def _price_scale(chart: Chart, fitted: list[float]) -> Figure:
    if chart.view.scale == "log":
        return {"type": "log", "tickformat": ",.8~f"}  # digits as each decade needs them
    if chart.view.scale == "percent":
        values, texts = percent_ticks(fitted[0], fitted[1], base_price(chart))
        return {"tickmode": "array", "tickvals": values, "ticktext": texts}
    return {"type": "linear"}


def base_price(chart: Chart) -> float:
    """The close of the first bar on screen: 0% of the percent scale."""
    return float(chart.bars.close[first_on_screen(chart)])


def _fitted(chart: Chart, pane: Pane) -> list[float]:
    """The y range of a pane for the bars on screen."""
    rows = slice(first_on_screen(chart), chart.last_visible + 1)
    bars = chart.bars[rows]
    drawn = [d.lines for d in chart.indicators if d.pane == pane.name]
    lines = [line[rows] for group in drawn for line in group.values()]
    if pane.name == "volume":
        return y_range(pane.fit, [bars.volume])
    if pane.name != "price":
        return y_range(pane.fit, lines)
    lined = chart.view.kind in ("line", "area")
    return y_range(pane.fit, [bars.close] if lined else [bars.low, bars.high], lines)


def _last_price(chart: Chart, palette: Palette) -> list[Figure]:
    """The newest close on the price axis; absent when newer bars than the loaded ones exist."""
    if chart.more_right:
        return []
    bars = chart.bars
    close = float(bars.close[-1])
    rising = close >= (bars.close[-2] if len(bars) > 1 else bars.open[-1])
    text = f"{close:,.{shown_decimals(close)}f}"
    if chart.view.scale == "percent":
        text = signed_percent((close / base_price(chart) - 1) * 100)
    label = {
        "name": "last",
        "xref": "paper",
        "x": 1,
        "xanchor": "left",
        "y": float(np.log10(close)) if chart.view.scale == "log" else close,
        "text": text,
        "showarrow": False,
        "bgcolor": palette["up-text" if rising else "down-text"],
        "font": {"color": palette["ground"], "size": 12},
        "borderpad": 2,
    }
    return [label]


def _simulated(chart: Chart, palette: Palette) -> list[Figure]:
    """Across the chart itself, so that no screenshot of it passes for a market."""
    if not chart.symbol.simulated:
        return []
    mark = {
        "name": "simulated",
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.62,
        "text": "SIMULATED",
        "textangle": -24,
        "showarrow": False,
        "opacity": 0.16,
        "font": {"size": 64, "color": palette["muted"]},
    }
    return [mark]


def _forming(chart: Chart, palette: Palette) -> list[Figure]:
    """A band behind the newest bar while its source may still change it."""
    if chart.more_right or chart.bars.is_final[-1]:
        return []
    last = len(chart.bars) - 1
    band = {"type": "rect", "x0": last - 0.5, "x1": last + 0.5, "yref": "paper", "y0": 0, "y1": 1}
    fill = {"fillcolor": palette["accent"], "opacity": 0.16, "line": {"width": 0}}
    return [band | fill | {"layer": "below"}]


def _right_margin(chart: Chart, places: int) -> int:
    """Pixels for the longest label of the price axis."""
    longest = len(f"{float(np.nanmax(chart.bars.high)):,.{places}f}")
    if chart.view.scale == "percent":
        longest = max(longest, 8)
    return 14 + 7 * max(longest, len("999.9M"))


def _meta(
    chart: Chart,
    panes: dict[str, Pane],
    levels: list[ticks.Level],
    window: list[float],
) -> Figure:
    """What chart.js works with: stamps (epoch seconds) of the positions, the length of a bar
    (seconds), how far x may move where no more bars exist, tick levels from coarse to fine, how
    each pane fits, what else could be loaded, and which bar has no change over the one before
    (`apart`), as its prices have another base."""
    return {
        "symbol": chart.symbol.code,
        "tz": chart.symbol.timezone,
        "interval": chart.interval.value,
        "intraday": chart.interval.intraday,
        "seconds": chart.interval.length // SECOND,
        "ts": (chart.bars.ts // SECOND).tolist(),
        "bounds": [min(window[0], -1), max(window[1], len(chart.bars) + 0.5)],
        "ticks": [level.as_dict() for level in levels],
        "panes": [
            {"name": p.name, "axis": p.layout_key, "fit": p.fit, "top": p.top, "bottom": p.bottom}
            for p in panes.values()
        ],
        "scale": chart.view.scale,
        "more_left": chart.more_left,
        "more_right": chart.more_right,
        "finer": chart.finer,
        "forming": not (chart.more_right or bool(chart.bars.is_final[-1])),
        "apart": _apart(chart),
    }


def _apart(chart: Chart) -> int | None:
    """Position of the first bar after a change of base, or of the week or month that holds it."""
    broken, ts = chart.trust.broken, chart.bars.ts
    if broken is None:
        return None
    if chart.interval.intraday:
        return int(np.searchsorted(ts, broken))
    return int(np.searchsorted(ts, broken, side="right")) - 1


def blank(palette: Palette, symbol: str = "") -> Figure:
    """No chart, where the page itself says why."""
    hidden = {"visible": False, "fixedrange": True}
    layout = {
        "uirevision": f"blank {symbol}",
        "paper_bgcolor": palette["ground"],
        "plot_bgcolor": palette["ground"],
        "dragmode": False,
        "xaxis": hidden,
        "yaxis": hidden,
        "annotations": [],
        "margin": {"l": LEFT, "t": TOP, "b": BOTTOM, "r": LEFT},
        "meta": {"symbol": symbol, "ts": []},
    }
    return {"data": [], "layout": layout}
