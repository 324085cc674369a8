"""Overview: breadth of sectors and industries beside the table of all symbols.

The URL holds the view (`/?q=&sort=&order=&sector=&industry=&page=`). Clicks edit it in the
browser (static/js/overview.js), never the path; one callback answers it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import (
    aria,
    command,
    empty,
    graph,
    icon,
    patch_button,
    skeleton,
    visually_hidden,
)
from mltrading.dashboard.exports import OVERVIEW, csv_href, csv_link
from mltrading.dashboard.figures import breadth
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.pages import overview_table
from mltrading.dashboard.registry import Key, Page, on
from mltrading.domain.access import Permission, Scope
from mltrading.domain.query import MAX_TEXT
from mltrading.domain.view import OverviewQuery

if TYPE_CHECKING:
    from mltrading.services import Services
    from mltrading.services.market import Overview

PATH = "/"
COMPARISON = "comparison_mode"
SEARCH_SECONDS = 0.2  # after the last key


def layout(services: Services, search: str) -> Component:
    """The page at its final size; figures, rows and counts come with the callback."""
    return html.Div(
        [
            html.H1("Overview", className="visually-hidden"),
            html.Div(
                [_chart_panel("sector", "Sectors"), _chart_panel("industry", "Industries")],
                className="breadth",
            ),
            html.Section(
                [
                    _toolbar(),
                    html.Div(
                        html.Table(id="overview-table", className="table"),
                        className="table-wrap",
                        tabIndex="0",
                        **aria(label="All symbols, scrolls"),
                    ),
                    dcc.Store(id="overview-drawn"),
                    html.Div(id="overview-state"),
                    html.Div(id="overview-pager"),
                    *_tray(services),
                ],
                className="symbols",
                **aria(label="Symbols"),
            ),
        ],
        id="overview",
    )


def _chart_panel(kind: str, title: str) -> Component:
    """One breadth chart, with a button for every bar: one stop of the Tab key, then arrow keys."""
    return html.Section(
        [
            html.Div(
                [html.H2(title), html.Span("up · unchanged · down", className="muted")],
                className="panel-head",
            ),
            html.Div(
                [
                    skeleton("breadth-skeleton"),
                    graph(f"{kind}-chart", style={"height": 276}),
                    html.Div(
                        id=f"{kind}-keys",
                        className="breadth-keys",
                        role="toolbar",
                        **aria(label=f"{title}: arrow keys choose", orientation="vertical"),
                    ),
                ],
                className="breadth-chart",
            ),
        ],
        className=f"panel panel-{kind}",
        **aria(label=f"{title}: symbols up, unchanged and down on their newest session"),
    )


def _tray(services: Services) -> list[Component]:
    """Where static/js/basket.js shows the symbols to compare."""
    return [html.Div(id="compare-tray", role="status")] if on(COMPARISON, services) else []


def _toolbar() -> Component:
    return html.Div(
        [
            html.Label("Search the table", htmlFor="overview-search", className="visually-hidden"),
            dcc.Input(
                id="overview-search",
                type="search",
                placeholder="Filter by symbol or name",
                debounce=SEARCH_SECONDS,
                maxLength=MAX_TEXT,
                autoComplete="off",
            ),
            html.Div(id="overview-chips"),
            html.Div(id="overview-count", role="status", className="muted figure"),
            csv_link(None, "all pages of this table", id="overview-csv"),
        ],
        className="toolbar",
    )


def register(app: Dash, services: Services) -> None:
    for kind in ("sector", "industry"):
        app.clientside_callback(
            ClientsideFunction("mlt", f"{kind}Clicked"), Input(f"{kind}-chart", "clickData")
        )
    app.clientside_callback(
        ClientsideFunction("mlt", "overviewSearched"), Input("overview-search", "value")
    )
    app.clientside_callback(
        ClientsideFunction("mlt", "overviewDrawn"), Input("overview-drawn", "data")
    )

    @app.callback(
        Output("sector-chart", "figure"),
        Output("industry-chart", "figure"),
        Output("sector-chart", "style"),
        Output("industry-chart", "style"),
        Output("overview-drawn", "data"),
        Output("overview-chips", "children"),
        Output("overview-count", "children"),
        Output("overview-pager", "children"),
        Output("overview-state", "children"),
        Output("overview-csv", "href"),
        Input("address", "data"),
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def show(address: Any) -> tuple[Any, ...]:
        if not isinstance(address, dict) or address.get("path") != PATH:
            raise PreventUpdate
        query, problems = OverviewQuery.parse(str(address.get("search", "")))
        overview = services.market.overview(current_actor(), query)
        palette = theme.palette(theme.current())
        shown, comparison = overview.query, on(COMPARISON, services)
        return (
            breadth.breadth(overview.sectors, shown.sector, palette),
            breadth.breadth(overview.industries, shown.industry, palette),
            {"height": breadth.height(overview.sectors)},
            {"height": breadth.height(overview.industries)},
            {
                "overview-table": overview_table.table(overview, comparison),
                "sector-keys": overview_table.breadth_keys(
                    overview.sectors, shown.sector, "sector"
                ),
                "industry-keys": overview_table.breadth_keys(
                    overview.industries, shown.industry, "industry"
                ),
            },
            _chips(shown),
            _count(overview),
            _pager(overview),
            _state(overview, problems),
            _csv(overview),
        )


def _csv(overview: Overview) -> str | None:
    """The file of all pages of the table."""
    return csv_href(OVERVIEW, replace(overview.query, page=1)) if overview.matching else None


def _filter(kind: str, name: str | None) -> dict[str, str | None]:
    """The change of the query that a click on a bar makes; as in static/js/overview.js."""
    if kind == "sector":
        return {"sector": name, "industry": None, "page": None}
    return {"industry": name, "page": None}


def _chips(query: OverviewQuery) -> list[Component]:
    filters = (("sector", "Sector", query.sector), ("industry", "Industry", query.industry))
    return [
        patch_button(
            [f"{title}: {value}", icon("close"), visually_hidden("(clear this filter)")],
            _filter(kind, None),
            class_name="button chip",
        )
        for kind, title, value in filters
        if value
    ]


def _count(overview: Overview) -> str:
    if overview.matching == overview.stored:
        text = f"{overview.stored:,} symbols"
    else:
        text = f"{overview.matching:,} of {overview.stored:,} symbols"
    return f"{text} · {overview.stale:,} stale" if overview.stale else text


def _pager(overview: Overview) -> list[Component]:
    page, pages = overview.query.page, overview.pages
    if pages <= 1:
        return []
    previous = {"page": str(page - 1) if page > 2 else None}
    return [
        patch_button([icon("previous"), "Previous"], previous, disabled=page <= 1),
        html.Span(f"Page {page} of {pages}", className="figure"),
        patch_button(["Next", icon("next")], {"page": str(page + 1)}, disabled=page >= pages),
    ]


def _state(overview: Overview, problems: list[str]) -> list[Component]:
    """What to say below the table: nothing stored, nothing matching, or what was ignored."""
    if not overview.stored:
        return [*_notes(problems), _nothing(" ".join(overview.notes))]
    if overview.matching:
        return _notes(problems + overview.notes)
    clear = {"q": None, "sector": None, "industry": None, "page": None}
    title = " ".join(overview.notes) or "No symbol matches"
    return [*_notes(problems), empty(title, patch_button("Show all symbols", clear))]


def _notes(lines: list[str]) -> list[Component]:
    return [html.P(line, className="note") for line in lines]


def _nothing(note: str) -> Component:
    """Instead of the page: nothing is stored, or nothing is shared with this user."""
    if current_actor().scope is Scope.SHARED:
        fact, _, way_out = note.partition("; ")
        said = empty(fact, html.P(f"{way_out[:1].upper()}{way_out[1:]}"))
    else:
        said = empty("No market data yet", _IMPORT)
    return html.Div(said, className="nothing-stored")


_IMPORT = [
    html.P("Import a CSV or Parquet file of bars:"),
    html.P(command("mltrading import prices.csv --symbol AAPL --interval 1d")),
    html.P("or load the bundled public-domain sample:"),
    html.P(command("mltrading sample")),
]


PAGE = Page(
    PATH,
    "Overview",
    "Overview",
    "overview",
    layout,
    register,
    keys=(
        Key("Tab", "Through bars, filter, column heads and rows; Enter sorts or opens"),
        Key("↑ ↓", "On the bars: another sector or industry; Enter filters by it"),
        Key("Space", "On Compare: add the symbol to the comparison", COMPARISON),
    ),
    permission=Permission.VIEW_SHARED_DATA,
)
