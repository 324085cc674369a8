"""The frame that every page hangs in: rail, top bar, toasts, help, and the router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard import not_found, registry
from mltrading.dashboard.components import icon, visually_hidden
from mltrading.dashboard.registry import Key, Page

if TYPE_CHECKING:
    from mltrading.services import Services

APP_NAME = "MLTrading"

KEYS = (
    Key("Ctrl K", "Find a symbol (or just type its letters)"),
    Key("↑ ↓ Enter", "Choose among the symbols found; Enter takes the exact code first"),
    Key("Alt Shift T", "Dark or light theme"),
    Key("?", "This help"),
    Key("Esc", "Close what is open"),
)


def layout(pages: tuple[Page, ...]) -> Component:
    """The whole document at start; the router fills `page`."""
    return html.Div(
        [
            html.A("Skip to content", href="#page", className="skip-link"),
            *_stores(),
            _rail(pages),
            _top_bar(pages),
            html.Div(id="banner", role="alert"),
            html.Main(id="page", tabIndex="-1"),
            html.Div(id="toast", role="status", **{"aria-live": "polite"}),
            _help_dialog(pages),
        ],
        id="frame",
    )


def _stores() -> list[Component]:
    return [
        dcc.Store(id="address"),
        dcc.Store(id="goto"),
        dcc.Store(id="title"),
        dcc.Store(id="page-shown"),
        dcc.Store(id="compare-basket", storage_type="session"),
    ]


def _rail(pages: tuple[Page, ...]) -> Component:
    links = [
        html.A(
            [icon(page.icon), html.Span(page.name, className="rail-label")],
            href=page.path,
            className="nav-link rail-link",
            title=page.name,
        )
        for page in pages
        if page.in_nav
    ]
    return html.Nav(links, id="nav", **{"aria-label": "Pages"})


def _top_bar(pages: tuple[Page, ...]) -> Component:
    links = [
        html.A(page.name, href=page.path, className="nav-link top-link")
        for page in pages
        if page.in_nav
    ]
    return html.Header(
        [
            _symbol_search(),
            html.Div(links, className="top-links"),
            html.Div(id="clock"),
            html.Button(
                [icon("theme"), visually_hidden("Dark or light theme")],
                id="theme-toggle",
                type="button",
                className="icon-button",
                title="Dark or light theme (Alt Shift T)",
            ),
            html.Button(
                [icon("help"), visually_hidden("Keyboard help")],
                id="help-open",
                type="button",
                className="icon-button",
                title="Keyboard help (?)",
            ),
        ],
        id="top-bar",
    )


def _symbol_search() -> Component:
    return html.Div(
        [
            icon("search"),
            dcc.Input(
                id="symbol-search",
                type="text",
                placeholder="Symbol or name",
                autoComplete="off",
                spellCheck=False,
                maxLength=64,
                debounce=True,
            ),
            html.Kbd("Ctrl K", className="search-key"),
        ],
        className="symbol-search",
    )


def _help_dialog(pages: tuple[Page, ...]) -> Component:
    groups = [("Everywhere", KEYS), *((page.name, page.keys) for page in pages if page.keys)]
    return html.Dialog(
        [
            html.Div(
                [
                    html.H2("Keyboard", id="help-title"),
                    html.Button(
                        [icon("close"), visually_hidden("Close")],
                        type="button",
                        className="icon-button dialog-close",
                    ),
                ],
                className="dialog-head",
            ),
            *(key_table(name, keys) for name, keys in groups),
        ],
        id="help-dialog",
        **{"aria-labelledby": "help-title"},
    )


def key_table(name: str, keys: tuple[Key, ...]) -> Component:
    """The keys of one part of the program, as a table with its name as caption."""
    rows = [html.Tr([html.Th(html.Kbd(key.press)), html.Td(key.does)]) for key in keys]
    return html.Table([html.Caption(name), html.Tbody(rows)], className="keys")


def page_title(page: Page | None) -> str:
    """What the browser's tab says."""
    return f"{page.title if page else not_found.TITLE} · {APP_NAME}"


def register(app: Dash, services: Services, pages: tuple[Page, ...]) -> None:
    """Add the callbacks of the frame: the address, the router, navigation, titles."""
    for name, output, source in (
        ("firstAddress", Output("address", "data"), Input("frame", "id")),
        ("goTo", None, Input("goto", "data")),
        ("setTitle", None, Input("title", "data")),
    ):
        arguments = [output, source] if output else [source]
        app.clientside_callback(ClientsideFunction("mlt", name), *arguments)

    @app.callback(
        Output("page", "children"),
        Output("page-shown", "data"),
        Output("title", "data"),
        Input("address", "data"),
        State("page-shown", "data"),
    )
    def route(address: Any, shown: Any) -> tuple[Component, str, str]:
        if not isinstance(address, dict):
            raise PreventUpdate
        path, search = str(address.get("path", "")), str(address.get("search", ""))
        page = registry.find(pages, path)
        if page is None:
            return not_found.layout(path), path, page_title(None)
        if shown == path:
            raise PreventUpdate  # the page answers its own address
        return page.layout(services, search), path, page_title(page)
