"""Charts: one symbol, its bars, indicators, and how far the data can be trusted.

The address holds the whole view. Controls edit the address (static/js/chart_tools.js), one
callback answers it, and static/js/chart.js paints the answer when no gesture is going on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from flask import has_request_context, request

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import aria, graph, skeleton
from mltrading.dashboard.exports import CHART, csv_href
from mltrading.dashboard.features import read_chart
from mltrading.dashboard.figures.candles import blank, candles
from mltrading.dashboard.figures.packing import packed
from mltrading.dashboard.figures.traces import Figure
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.pages import chart_controls as controls
from mltrading.dashboard.pages.chart_facts import header, no_bars, note, remarks, unknown
from mltrading.dashboard.registry import Key, Page
from mltrading.dashboard.sealed import sealed
from mltrading.domain.access import Permission
from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.query import is_code
from mltrading.domain.view import ChartView
from mltrading.errors import UnknownSymbol
from mltrading.services.market import Chart, Quote

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/charts"
KEYS = (
    Key("← →", "One bar back or on"),
    Key("Ctrl ← →", "Half a window back or on"),
    Key("Ctrl ↑ ↓", "Zoom in or out"),
    Key("Alt R", "Reset the zoom (or double-click the chart)"),
    Key("Alt L", "Logarithmic scale on or off", feature="advanced_charts"),
    Key("Alt P", "Percent scale on or off", feature="advanced_charts"),
    Key("/", "Indicators", feature="advanced_charts"),
)


def layout(services: Services, search: str) -> Component:
    advanced = services.features.advanced_charts
    view, _ = read_chart(search, services.features)
    return html.Div(
        [
            html.H1("Charts", className="visually-hidden"),
            dcc.Store(id="chart-answer"),
            html.Div(skeleton("chart-head-skeleton"), id="chart-head"),
            controls.toolbar(view, advanced),
            html.Div(
                [
                    skeleton("chart-skeleton"),
                    graph("price-chart", config={"scrollZoom": True}),
                    html.Div(id="chart-overlay", **aria(hidden="true")),
                    html.Div(id="chart-message"),
                    html.Div(id="chart-busy", **aria(hidden="true")),
                ],
                id="chart-frame",
                tabIndex="0",
                role="group",
                **aria(label="Price chart; arrow keys move it, Ctrl with arrow keys zooms"),
            ),
            html.Div(html.Span("Loading", className="loading"), id="chart-note", role="status"),
        ],
        id="charts",
    )


def register(app: Dash, services: Services) -> None:
    advanced = services.features.advanced_charts
    shown = controls.BASIC + (controls.ADVANCED if advanced else ())

    @app.callback(
        Output("chart-answer", "data"),
        Output("chart-head", "children"),
        Output("chart-message", "children"),
        Output("chart-note", "children"),
        *(Output(name, "children") for name in shown),
        Output("chart-csv", "href"),
        Input("address", "data"),
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def draw(address: Any) -> tuple[Any, ...]:
        view, problems = read_chart(_search(address), services.features)
        chart, refused = _chart(services, view)
        return (
            sealed({"figure": _figure(chart), "n": address.get("n")}),
            header(*_named(chart), services.features.comparison_mode, _interval(chart)),
            _in_place(chart, refused),
            sealed(note(chart, problems) if chart else remarks(problems)),
            *controls.state(view, chart, advanced),
            _csv(chart),
        )

    for name, source in (("chartAsked", "address"), ("paintChart", "chart-answer")):
        outputs = [Output("price-chart", "figure")] if name == "paintChart" else []
        function = ClientsideFunction("mlt", name)
        app.clientside_callback(function, *outputs, Input(source, "data"))


def _search(address: Any) -> str:
    """The query of an address that is this page's; PreventUpdate for any other."""
    if not isinstance(address, dict) or address.get("path") != PATH:
        raise PreventUpdate
    search = address.get("search")
    return search if isinstance(search, str) else ""


def _named(chart: Chart | None) -> tuple[Symbol | None, Quote | None]:
    return (chart.symbol, chart.quote) if chart else (None, None)


def _interval(chart: Chart | None) -> Interval:
    """What an alert begins with: the interval that somebody chose, not what fits the window."""
    chosen = chart.view.interval if chart else None
    return chosen if chart and chosen in chart.available else Interval.D1


def _figure(chart: Chart | None) -> Figure:
    palette = theme.palette(theme.current())
    return packed(candles(chart, palette)) if chart else blank(palette)


def _chart(services: Services, view: ChartView) -> tuple[Chart | None, Component | None]:
    """The chart of the view, or what to show in its place. Without a symbol in the view it is the
    last one seen in this browser, else the first."""
    for symbol in dict.fromkeys((view.symbol or _last_symbol(), view.symbol)):
        try:
            return services.market.chart(current_actor(), replace(view, symbol=symbol)), None
        except UnknownSymbol as error:
            refused = unknown(error)
    return None, refused


def _in_place(chart: Chart | None, refused: Component | None) -> Component | None:
    """What stands where the chart would be, if anything."""
    if chart and not len(chart.bars):
        return no_bars(chart.symbol.code, current_actor().scope)
    return refused


def _csv(chart: Chart | None) -> str | None:
    """The file of the bars on screen; static/js/chart_tools.js keeps it to the window that they are
    moved to."""
    return csv_href(CHART, chart.view) if chart and len(chart.bars) else None


def _last_symbol() -> str | None:
    """The symbol of the newest chart in this browser, from the cookie that chart.js keeps."""
    code = unquote(request.cookies.get("symbol", "")) if has_request_context() else ""
    return code if is_code(code) else None


PAGE = Page(
    PATH,
    "Charts",
    "Charts",
    "charts",
    layout,
    register,
    keys=KEYS,
    permission=Permission.VIEW_SHARED_DATA,
)
