"""Alerts: what a trader wants to be told of, and what was told.

The address begins the form (`/alerts?symbol=AAPL&interval=1d`, `?kind=moves`, `?edit=7`). Every
button and form is an act (dashboard/acts.py); one callback does it and draws the parts anew. The
form is drawn with its address alone, so that nothing typed into it is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import Act, read_act
from mltrading.dashboard.components import aria, data, patch_button, skeleton, toast
from mltrading.dashboard.formats import price
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages import price_alert_parts as parts
from mltrading.dashboard.pages.price_alert_form import (
    FIRST,
    KINDS,
    Filled,
    edited,
    form,
    from_query,
    from_wish,
    read_form,
)
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Actor, Permission
from mltrading.errors import InvalidView, UnknownSymbol

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/alerts"
Parts = dict[str, list[Node]]


def layout(services: Services, search: str) -> Component:
    return html.Div(
        [
            html.H1("Alerts"),
            dcc.Store(id="alerts-act"),
            dcc.Store(id="alerts-parts"),
            dcc.Store(id="alerts-form-of"),
            dcc.Store(id="alerts-unread"),
            html.Section(
                [
                    html.Div(id="alerts-head"),
                    html.Div(
                        id="alerts-kinds",
                        className="segments",
                        role="group",
                        **aria(label="What is to happen"),
                    ),
                    html.Div(skeleton("line-skeleton"), id="alerts-form"),
                    html.Div(id="alerts-preview", role="status"),
                ],
                **aria(label="An alert"),
            ),
            html.Section(skeleton("page-skeleton"), id="alerts-list"),
            html.Section(skeleton("page-skeleton"), id="alerts-notices"),
        ],
        id="alerts",
        className="sheet",
        **data(acts="alerts-act"),
    )


def register(app: Dash, services: Services) -> None:
    for function, store in (("partsDrawn", "alerts-parts"), ("noticesRead", "alerts-unread")):
        app.clientside_callback(ClientsideFunction("mlt", function), Input(store, "data"))

    @app.callback(
        Output("alerts-parts", "data"),
        Output("alerts-kinds", "children"),
        Output("alerts-form-of", "data"),
        Output("alerts-unread", "data"),
        Input("address", "data"),
        Input("alerts-act", "data"),
        State("alerts-form-of", "data"),
    )
    @guarded(Permission.VIEW_SHARED_DATA)
    def show(address: Any, act: Any, form_of: Any) -> tuple[Parts, list[Component], str, int]:
        if not isinstance(address, dict) or address.get("path") != PATH:
            raise PreventUpdate
        search = address.get("search")
        search = search if isinstance(search, str) else ""
        actor, query = current_actor(), dict(parse_qsl(search.lstrip("?")))
        changed: Parts = {}
        if ctx.triggered_id == "alerts-act":
            changed = _perform(services, actor, read_act(act))
        filled = _filled(services, actor, query)
        if form_of != search:
            mail = services.price_alerts.mails_to(actor)
            priced = replace(filled, price=_price(services, actor, filled.value("symbol")))
            anew: Parts = {"alerts-head": _head(filled), "alerts-form": form(priced, mail)}
            changed = {**anew, "alerts-preview": [], **changed}
        unread = services.price_alerts.unread(actor)
        return {**_drawn(services, actor, unread), **changed}, _kinds(filled), search, unread


def _drawn(services: Services, actor: Actor, unread: int) -> Parts:
    asked = services.price_alerts
    return {
        "alerts-list": parts.alerts(asked.all(actor), asked.looked(actor)),
        "alerts-notices": parts.notices(asked.notices(actor), unread),
    }


def _filled(services: Services, actor: Actor, query: Mapping[str, str]) -> Filled:
    """The form as the address begins it; a new one where it names no alert of the actor's."""
    number = query.get("edit", "")
    if number.isascii() and number.isdigit():
        for one in services.price_alerts.all(actor):
            alert = one.shown.alert
            if str(alert.id) == number:
                return from_wish(alert.id, alert.symbol.code, alert.wish)
    return from_query(query)


def _price(services: Services, actor: Actor, code: str) -> str:
    """Where the levels of a symbol are, in words; "" where nothing is known of it."""
    try:
        quote = services.price_alerts.quote(actor, code) if code else None
    except UnknownSymbol:
        return ""
    return "" if quote is None else f"last close {price(quote.close)}"


def _head(filled: Filled) -> list[Node]:
    if not filled.edit:
        return [el("h2", "New alert")]
    away = el("a", "Make a new one instead", href=PATH)
    return [el("div", el("h2", "Change an alert"), away, class_="notices-head")]


def _kinds(filled: Filled) -> list[Component]:
    """What is alerted; of an alert that is changed, that stays."""
    if filled.edit:
        return []
    return [
        patch_button(
            words,
            {"kind": None if kind == FIRST else kind},
            class_name="segment",
            **aria(pressed=str(kind == filled.kind).lower()),
        )
        for kind, words in KINDS.items()
    ]


def _perform(services: Services, actor: Actor, act: Act) -> Parts:
    if act.do not in ACTS:
        raise InvalidView("the page asked for what it does not know; reload it and try again")
    return ACTS[act.do](services, actor, act) or {}


def _preview(services: Services, actor: Actor, act: Act) -> Parts:
    code, wish = read_form(act)
    found = services.price_alerts.preview(actor, code, wish)
    set_props("toast", {"children": []})  # what was wrong with the form before is not any more
    return {"alerts-preview": parts.preview(found)}


def _add(services: Services, actor: Actor, act: Act) -> Parts:
    code, wish = read_form(act)
    symbol = services.price_alerts.add(actor, code, wish)
    _said(f"You will be told when it is so: {symbol.code}, {wish.condition.words}")
    return {"alerts-preview": []}


def _change(services: Services, actor: Actor, act: Act) -> None:
    code, wish = read_form(act)
    symbol = services.price_alerts.change(actor, edited(act), code, wish)
    _said(f"Changed: {symbol.code}, {wish.condition.words}")
    set_props("goto", {"data": {"href": PATH}})


def _switch(services: Services, actor: Actor, act: Act) -> None:
    services.price_alerts.switch(actor, edited(act), act.value("on") == "yes")


def _delete(services: Services, actor: Actor, act: Act) -> None:
    services.price_alerts.remove(actor, edited(act))
    _said("The alert is deleted; what it told stays below")


def _read(services: Services, actor: Actor, act: Act) -> None:
    services.price_alerts.mark_read(actor, edited(act))


def _said(text: str) -> None:
    set_props("toast", {"children": toast(text)})


Doing = Callable[["Services", Actor, Act], "Parts | None"]
ACTS: Mapping[str, Doing] = {
    "preview": _preview,
    "add": _add,
    "change": _change,
    "switch": _switch,
    "delete": _delete,
    "read": _read,
}

PAGE = Page(
    PATH,
    "Alerts",
    "Alerts",
    "alerts",
    layout,
    register,
    graphs=False,
    permission=Permission.VIEW_SHARED_DATA,
)
