"""Compare: up to eight symbols as lines from a common start, and what each did over the window.

The address holds the whole view. Chips, modes and ranges are buttons that edit the address
(`data-patch`, static/js/address.js); one callback answers it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dash import (
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    ctx,
    dcc,
    html,
    no_update,
    set_props,
)
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard import theme
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import (
    BLANK_FIGURE,
    aria,
    command,
    data,
    empty,
    graph,
    icon,
    simulated_mark,
    skeleton,
    toast,
    visually_hidden,
)
from mltrading.dashboard.exports import LINES, METRICS, csv_href, csv_link
from mltrading.dashboard.figures import compare as figures
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.pages.compare_table import metrics_table
from mltrading.dashboard.registry import Page
from mltrading.dashboard.sealed import sealed
from mltrading.domain.access import Permission, Scope
from mltrading.domain.bars import Symbol
from mltrading.domain.view import MAX_COMPARED, MODES, CompareView, Range
from mltrading.errors import InvalidView, UnknownSymbol
from mltrading.services.market import Comparison

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/compare"
SUGGESTIONS = 10
MAX_SEARCH = 64
MODE_NAMES = {"percent": "Percent", "indexed": "Indexed", "price": "Price"}
DEFAULT_RANGE = Range.Y1
NOTES_SHOWN = 1  # of those on the lines, when there are more than one more


def layout(services: Services, search: str) -> Component:
    view, _ = CompareView.parse(search)
    return html.Div(
        [
            html.H1("Compare", className="visually-hidden"),
            html.Div(
                [
                    html.Div(_chips(view, {}), id="compare-symbols", className="chips"),
                    _add_box(),
                    html.Div(_modes(view), id="compare-mode", className="segments"),
                    html.Div(_ranges(view), id="compare-range", className="segments"),
                    csv_link(None, "these lines", "CSV of lines", id="compare-csv"),
                ],
                className="toolbar",
            ),
            html.Div(
                [skeleton(), graph("compare-chart")],
                id="compare-chart-box",
                className="is-loading",
            ),
            html.Div(html.Ul(id="compare-note", className="notes"), role="status"),
            html.Div(skeleton(), id="compare-metrics"),
        ],
        id="compare",
    )


def register(app: Dash, services: Services) -> None:
    @app.callback(
        Output("compare-symbols", "children"),
        Output("compare-mode", "children"),
        Output("compare-range", "children"),
        Output("compare-chart", "figure"),
        Output("compare-chart-box", "className"),
        Output("compare-note", "children"),
        Output("compare-metrics", "children"),
        Output("compare-csv", "href"),
        Input("address", "data"),
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def compare(address: Any) -> tuple[Any, ...]:
        view, problems = CompareView.parse(_search(address))
        comparison, refused = _compare(services, view)
        notes = [*problems, *refused]
        if comparison is None or not comparison.lines:
            controls = (_chips(view, {}), _modes(view), _ranges(view))
            nothing = _nothing_to_compare(current_actor().scope)
            return *controls, BLANK_FIGURE, "is-empty", _notes(notes), nothing, None
        points = len(comparison.ts)
        known = {line.symbol.code: line.symbol for line in comparison.lines}
        return (
            _chips(comparison.view, known),
            _modes(view),
            _ranges(view),
            (
                sealed(figures.figure(comparison, theme.palette(theme.current())))
                if points > 1
                else BLANK_FIGURE
            ),
            "" if points > 1 else "is-empty",
            _notes([*_basis(comparison), *notes], comparison.notes),
            metrics_table(comparison, csv_href(METRICS, comparison.view)),
            csv_href(LINES, comparison.view) if points else None,
        )

    _register_adding(app, services)
    app.clientside_callback(
        ClientsideFunction("mlt", "compareZoomed"),
        Input("compare-chart", "relayoutData"),
        State("compare-chart", "figure"),
        prevent_initial_call=True,
    )


def _register_adding(app: Dash, services: Services) -> None:
    @app.callback(
        Output("compare-found", "children"),
        Input("compare-add", "value"),
        prevent_initial_call=True,
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def suggest(typed: Any) -> list[Component]:
        found = services.market.find(current_actor(), _typed(typed), SUGGESTIONS)
        return [html.Option(value=symbol.code, label=symbol.name) for symbol in found]

    @app.callback(
        Output("goto", "data", allow_duplicate=True),
        Output("compare-add", "value"),
        Input("compare-add", "n_submit"),
        State("compare-add", "value"),
        State("address", "data"),
        prevent_initial_call=True,
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def add(submitted: Any, typed: Any, address: Any) -> tuple[Any, Any]:
        """Enter in the box: the symbol of exactly that code, else the first one found."""
        if ctx.triggered_id != "compare-add" or not isinstance(submitted, int) or submitted < 1:
            raise PreventUpdate
        view, _ = CompareView.parse(_search(address))
        found = services.market.find(current_actor(), _typed(typed), 1)
        if not found:
            return _said(f"No symbol or name contains “{_typed(typed)}”")
        if len(view.symbols) >= MAX_COMPARED:
            return _said(f"{MAX_COMPARED} symbols stay readable, not more; remove one first")
        codes = dict.fromkeys((*view.symbols, found[0].code))
        query = CompareView(tuple(codes), view.range, view.start, view.end, view.mode).to_query()
        return {"href": f"{PATH}?{query}", "n": f"compare-{submitted}"}, ""


def _said(said: str) -> tuple[Any, Any]:
    """A toast, and nothing else changes (PreventUpdate would drop the toast too)."""
    set_props("toast", {"children": toast(said)})
    return no_update, no_update


def _search(address: Any) -> str:
    """The query of an address that is this page's; PreventUpdate for any other."""
    if not isinstance(address, dict) or address.get("path") != PATH:
        raise PreventUpdate
    search = address.get("search")
    return urlsplit(search).query if isinstance(search, str) else ""


def _typed(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise PreventUpdate
    return value.strip()[:MAX_SEARCH]


def _compare(services: Services, view: CompareView) -> tuple[Comparison | None, list[str]]:
    """The comparison, or None and why there is none."""
    if not view.symbols:
        return None, []
    try:
        return services.market.compare(current_actor(), view), []
    except (UnknownSymbol, InvalidView) as error:
        said = str(error)
        return None, [said[:1].upper() + said[1:]]


def _chips(view: CompareView, known: dict[str, Symbol]) -> list[Component]:
    """A chip for each symbol: its line's look, its code, a button that removes it."""
    return [
        _chip(code, number, known.get(code), [c for c in view.symbols if c != code])
        for number, code in enumerate(view.symbols)
    ]


def _chip(code: str, number: int, symbol: Symbol | None, others: list[str]) -> Component:
    remove = html.Button(
        [icon("close"), visually_hidden(f"Remove {code}")],
        type="button",
        className="chip-remove",
        title=f"Remove {code}",
        **data(patch=_patch(symbols=",".join(others) or None)),
    )
    mark = [simulated_mark()] if symbol and symbol.simulated else []
    look = html.Span(className=f"swatch series-{number + 1}", **aria(hidden="true"))
    name = symbol.name if symbol else ""
    return html.Span([look, html.B(code), *mark, remove], className="chip", title=name)


def _add_box() -> Component:
    return html.Label(
        [
            visually_hidden("Add a symbol by code or name"),
            dcc.Input(
                id="compare-add",
                type="text",
                placeholder="Add symbol, Enter",
                list="compare-found",
                autoComplete="off",
                maxLength=MAX_SEARCH,
                value="",
            ),
            html.Datalist(id="compare-found"),
        ],
        className="compare-add",
    )


def _modes(view: CompareView) -> list[Component]:
    return [_segment(MODE_NAMES[mode], view.mode == mode, mode=mode) for mode in MODES]


def _ranges(view: CompareView) -> list[Component]:
    custom = view.start is not None or view.end is not None
    shown = None if custom else view.range or DEFAULT_RANGE
    return [
        _segment(range.value, shown is range, range=range.value, start=None, end=None)
        for range in Range
    ]


def _segment(name: str, pressed: bool, **changes: str | None) -> Component:
    return html.Button(
        name,
        type="button",
        className="segment",
        **aria(pressed=str(pressed).lower()),
        **data(patch=_patch(**changes)),
    )


def _patch(**changes: str | None) -> str:
    return json.dumps(changes)


def _basis(comparison: Comparison) -> list[str]:
    """What is drawn, from when to when, and what counts as the start."""
    labels = figures.point_labels(comparison)
    if not labels:
        return []
    start = {
        "percent": "0% is each line's first visible bar",
        "indexed": "100 is each line's first visible bar",
        "price": "prices in each symbol's own currency",
    }[comparison.view.mode]
    if len(labels) == 1:
        only = f"{comparison.interval.value}, 1 point · {labels[0]} · adjusted"
        return [only, "One point makes no line; choose a longer range."]
    drawn = f"{comparison.interval.value}, {len(labels)} points"
    return [f"{drawn} · {labels[0]} to {labels[-1]} · adjusted · {start}"]


def _notes(lines: list[str], further: Sequence[str] = ()) -> list[Component]:
    """`lines`, then as many of the `further` ones as stay calm; the rest unfolds."""
    shown = NOTES_SHOWN if len(further) > NOTES_SHOWN + 1 else len(further)
    items: list[Component] = [html.Li(line) for line in (*lines, *further[:shown])]
    if folded := [html.Li(line) for line in further[shown:]]:
        unfold = html.Summary(f"{len(folded)} more notes")
        items.append(html.Li(html.Details([unfold, html.Ul(folded)]), className="folded"))
    return items


def _nothing_to_compare(scope: Scope) -> Component:
    load: list[Any] = ["Load some with ", command("mltrading import FILE")]
    if scope is Scope.SHARED:
        load = ["Ask an administrator to share some with you."]
    return empty(
        "Nothing to compare yet",
        [
            html.P(
                "Type a symbol or a name into “Add symbol” above and press Enter; two to eight."
            ),
            html.P(
                [
                    "Or press Compare on two rows of the ",
                    html.A("Overview", href="/"),
                    ". No symbols at all? ",
                    *load,
                ]
            ),
        ],
    )


PAGE = Page(
    PATH,
    "Compare",
    "Compare",
    "compare",
    layout,
    register,
    feature="comparison_mode",
    permission=Permission.VIEW_SHARED_DATA,
)
