"""Administration: who may do what, which symbols viewers see, what is switched on, what was done.

The address says which part is shown (`/admin?tab=audit&text=...`). Every button and form is an act
(dashboard/acts.py); one callback does it and draws the part anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from dash import ClientsideFunction, Dash, Input, Output, ctx, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard.acts import Doing, perform
from mltrading.dashboard.components import aria, data, patch_button, skeleton
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.markup import Node
from mltrading.dashboard.pages import (
    admin_audit,
    admin_features,
    admin_symbols,
    admin_users,
)
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Permission

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/admin"
TABS: Mapping[str, str] = {
    "users": "Users",
    "symbols": "Shared symbols",
    "features": "In force",
    "audit": "Audit trail",
}
FIRST = "users"

Drawing = Callable[["Services", dict[str, str]], list[Node]]
DRAWN: Mapping[str, Drawing] = {
    "users": admin_users.drawn,
    "symbols": admin_symbols.drawn,
    "features": admin_features.drawn,
    "audit": admin_audit.drawn,
}
ACTS: Mapping[str, Doing[list[Node]]] = {
    **admin_users.ACTS,
    **admin_symbols.ACTS,
    **admin_audit.ACTS,
}


def layout(services: Services, search: str) -> Component:
    return html.Div(
        [
            html.H1("Administration"),
            dcc.Store(id="admin-act"),
            dcc.Store(id="admin-parts"),
            html.Div(
                _tabs(_query(search)), id="admin-tabs", className="sheet-tabs", role="tablist"
            ),
            html.Div(id="admin-once", role="status"),
            html.Section(skeleton("page-skeleton"), id="admin-part", role="tabpanel"),
        ],
        id="admin",
        className="sheet",
        **data(acts="admin-act"),
    )


def register(app: Dash, services: Services) -> None:
    app.clientside_callback(ClientsideFunction("mlt", "partsDrawn"), Input("admin-parts", "data"))

    @app.callback(
        Output("admin-tabs", "children"),
        Output("admin-parts", "data"),
        Input("address", "data"),
        Input("admin-act", "data"),
    )
    @guarded(Permission.MODIFY_SETTINGS)
    def show(address: Any, act: Any) -> tuple[list[Component], dict[str, list[Node]]]:
        if not isinstance(address, dict) or address.get("path") != PATH:
            raise PreventUpdate
        query = _query(address.get("search"))
        once: list[Node] = []
        if ctx.triggered_id == "admin-act":
            once = perform(ACTS, services, act) or []
        parts = {"admin-once": once, "admin-part": DRAWN[_tab(query)](services, query)}
        return _tabs(query), parts


def _query(search: Any) -> dict[str, str]:
    return dict(parse_qsl(search.lstrip("?"))) if isinstance(search, str) else {}


def _tab(query: dict[str, str]) -> str:
    tab = query.get("tab", FIRST)
    return tab if tab in TABS else FIRST


def _tabs(query: dict[str, str]) -> list[Component]:
    shown = _tab(query)
    leave_out = {name: None for name in query}
    return [
        patch_button(
            title,
            {**leave_out, "tab": None if name == FIRST else name},
            class_name="sheet-tab",
            role="tab",
            **aria(selected=str(name == shown).lower(), controls="admin-part"),
        )
        for name, title in TABS.items()
    ]


PAGE = Page(
    PATH,
    "Admin",
    "Administration",
    "admin",
    layout,
    register,
    graphs=False,
    permission=Permission.MODIFY_SETTINGS,
)
