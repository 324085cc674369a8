"""The callbacks of the frame: which page is shown, the symbol search, coming back after an
outage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, State, html, no_update, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard import edge, forbidden, not_found, registry
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import aria, data, simulated_mark, toast
from mltrading.dashboard.frame import MAX_SEARCH
from mltrading.dashboard.guard.access import Access, guarded
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Permission
from mltrading.domain.bars import Symbol
from mltrading.errors import DatabaseUnavailable, Forbidden
from mltrading.utils.measures import page_shown

if TYPE_CHECKING:
    from mltrading.services import Services

APP_NAME = "MLTrading"
SUGGESTIONS = 8


def page_title(page: Page | None) -> str:
    """What the browser's tab says."""
    return f"{page.title if page else not_found.TITLE} · {APP_NAME}"


def register(app: Dash, services: Services, pages: tuple[Page, ...]) -> None:
    _register_clientside(app)
    _register_router(app, services, pages)
    _register_search(app, services)
    _register_retry(app, services)


def _register_clientside(app: Dash) -> None:
    """The parts that run in the browser, all of them in static/js."""
    address = Output("address", "data")
    app.clientside_callback(_function("firstAddress"), address, Input("frame", "id"))
    for name, component_id, prop in (
        ("goTo", "goto", "data"),
        ("setTitle", "title", "data"),
        ("symbolFound", "search-found", "data"),
        ("suggestionsShown", "symbol-options", "children"),
        ("startClock", "market-hours", "data"),
        ("toastShown", "toast", "children"),
        ("basketChanged", "compare-basket", "data"),
    ):
        app.clientside_callback(_function(name), Input(component_id, prop))


def _function(name: str) -> ClientsideFunction:
    return ClientsideFunction("mlt", name)


def _register_router(app: Dash, services: Services, pages: tuple[Page, ...]) -> None:
    @app.callback(
        Output("page", "children"),
        Output("page-shown", "data"),
        Output("title", "data"),
        Input("address", "data"),
        State("page-shown", "data"),
    )
    @guarded(Access.SIGNED_IN)
    def route(address: Any, shown: Any) -> tuple[Component, str, str]:
        if not isinstance(address, dict):
            raise PreventUpdate
        path, search = str(address.get("path", "")), str(address.get("search", ""))
        if shown == path:
            raise PreventUpdate  # the page answers its own address
        page = registry.find(pages, path)
        if page is None:
            return not_found.layout(path), path, page_title(None)
        if page.permission and not page.open_to(current_actor()):
            return forbidden.layout(page.permission, current_actor()), path, page_title(page)
        page_shown(path)
        return page.layout(services, search), path, page_title(page)


def _register_search(app: Dash, services: Services) -> None:
    @app.callback(
        Output("symbol-options", "children"),
        Input("search-text", "data"),
        prevent_initial_call=True,
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def suggest(search: Any) -> list[Component]:
        found = services.market.find(current_actor(), _text(search), SUGGESTIONS)
        return [_option(symbol, position) for position, symbol in enumerate(found)]

    @app.callback(
        Output("search-found", "data"),
        Input("search-enter", "data"),
        prevent_initial_call=True,
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def enter(search: Any) -> Any:
        """The exact code first, else what the list would show on top."""
        text = _text(search)
        found = services.market.find(current_actor(), text, 1)
        if not found:
            set_props("toast", {"children": toast(f"No symbol or name contains “{text}”")})
            return no_update  # PreventUpdate would drop the toast too
        return {"code": found[0].code, "n": search.get("n")}


def _text(search: Any) -> str:
    """The searched text of a request; PreventUpdate where it holds none."""
    text = search.get("text") if isinstance(search, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise PreventUpdate
    return text.strip()[:MAX_SEARCH]


def _option(symbol: Symbol, position: int) -> Component:
    parts = [
        html.Span(symbol.code, className="option-code"),
        html.Span(symbol.name, className="option-name"),
        simulated_mark() if symbol.simulated else html.Span(symbol.exchange, className="muted"),
    ]
    return html.Li(
        parts,
        id=f"symbol-option-{position}",
        role="option",
        **aria(selected="false"),
        **data(code=symbol.code),
    )


def _register_retry(app: Dash, services: Services) -> None:
    @app.callback(
        Output("outage", "disabled"),
        Output("banner", "children"),
        Output("toast", "children"),
        Output("goto", "data"),
        Input("outage", "n_intervals"),
        State("banner", "children"),
        prevent_initial_call=True,
    )
    @guarded(Access.SIGNED_IN)
    def retry(tries: Any, banner: Any) -> tuple[Any, Any, list[Component], dict[str, Any]]:
        """While the database fails (edge.py started the interval): ask, and come back."""
        if not isinstance(tries, int) or tries < 1:
            raise PreventUpdate
        try:
            services.market.find(current_actor(), "", 1)
        except DatabaseUnavailable:
            raise PreventUpdate from None  # the banner already says so
        except Forbidden:
            pass  # the guard has read the session, so the database answers
        ask = {"ask": True, "n": tries}
        saves = not services.health.database().read_only
        if saves:
            said = "takes changes" if _is_read_only(banner) else "answers"
            return True, None, toast(f"The database {said} again"), ask
        if _is_read_only(banner):
            raise PreventUpdate
        return no_update, edge.banner(edge.READ_ONLY), toast("The database answers again"), ask


def _is_read_only(banner: Any) -> bool:
    """Whether that is the banner which the page shows."""
    props = banner.get("props") if isinstance(banner, dict) else None
    return isinstance(props, dict) and props.get("children") == edge.READ_ONLY.banner
