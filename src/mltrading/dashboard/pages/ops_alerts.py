"""The operators' alerts: what fires, who was told, what is silenced, sent and in force.

The address says which alert is to be silenced (`?silence=KEY`) and which page of the history is
shown. While somebody looks, static/js/ops.js asks anew every 15 seconds; the forms are drawn only
when the address changes, so that nothing that is being typed is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from dash import ClientsideFunction, Dash, Input, Output, ctx, dcc, html, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import Act, read_act
from mltrading.dashboard.components import data, skeleton, toast
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.markup import Node
from mltrading.dashboard.origin import current_origin
from mltrading.dashboard.pages import ops_alerts_parts as parts
from mltrading.dashboard.pages.ops_alerts_log import filter_form, history
from mltrading.dashboard.pages.ops_alerts_table import stamp
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Actor, Permission
from mltrading.domain.alerting.silences import span_seconds
from mltrading.errors import InvalidView

if TYPE_CHECKING:
    from mltrading.services import Services
    from mltrading.services.alert_desk import Desk

PATH = "/ops/alerts"
REFRESH_SECONDS = 15
PARTS = ("state", "form", "alerts", "silences", "sending", "filter", "history", "rules")


def layout(services: Services, search: str) -> Component:
    drawn = (
        html.Section(
            skeleton("page-skeleton") if name == "alerts" else None, id=f"ops-alerts-{name}"
        )
        for name in PARTS
    )
    return html.Div(
        [
            html.H1("Alerts"),
            dcc.Store(id="ops-alerts-tick"),
            dcc.Store(id="ops-alerts-act"),
            dcc.Store(id="ops-alerts-parts"),
            *drawn,
        ],
        id="ops-alerts",
        className="sheet ops ops-alerts",
        **data(acts="ops-alerts-act", refresh="ops-alerts-tick", every=str(REFRESH_SECONDS)),
    )


def register(app: Dash, services: Services) -> None:
    app.clientside_callback(
        ClientsideFunction("mlt", "alertsDrawn"), Input("ops-alerts-parts", "data")
    )

    @app.callback(
        Output("ops-alerts-parts", "data"),
        Input("address", "data"),
        Input("ops-alerts-tick", "data"),
        Input("ops-alerts-act", "data"),
    )
    @guarded(Permission.MODIFY_SETTINGS)
    def show(address: Any, tick: Any, act: Any) -> dict[str, list[Node]]:
        if not isinstance(address, dict) or address.get("path") != PATH:
            raise PreventUpdate
        actor, query = current_actor(), _query(address.get("search"))
        acted = ctx.triggered_id == "ops-alerts-act"
        if acted:
            _do(services, actor, read_act(act))
            if query.pop("silence", None):  # the form is done with: the address asks for it no more
                address = f"{PATH}?{urlencode(query)}" if query else PATH
                set_props("goto", {"data": {"href": address, "n": act["n"], "replace": True}})
        desk = services.alert_desk.look(actor, query.get("rule", ""), _page(query))
        drawn = _parts(desk, query)
        if acted:
            drawn["form"] = []
        elif ctx.triggered_id != "ops-alerts-tick":
            drawn |= _forms(desk, query)
        return {f"ops-alerts-{name}": nodes for name, nodes in drawn.items()}


def _parts(desk: Desk, query: dict[str, str]) -> dict[str, list[Node]]:
    return {
        "state": parts.state(desk),
        "alerts": parts.alerts(desk, query),
        "silences": parts.silences(desk, query),
        "sending": parts.sending(desk),
        "history": history(desk.history),
        "rules": parts.rules(desk),
    }


def _forms(desk: Desk, query: dict[str, str]) -> dict[str, list[Node]]:
    """What is typed into."""
    key = query.get("silence", "")
    form = parts.silence_form(desk.matchers(key)) if key else []
    return {"form": form, "filter": filter_form(desk.history)}


def _do(services: Services, actor: Actor, act: Act) -> None:
    if act.do == "silence":
        made = services.alert_desk.silence(
            actor,
            act.value("matchers"),
            span_seconds(act.value("span")),
            act.value("reason"),
            current_origin(),
        )
        _say(f"Nobody is told of {made.text} until {stamp(made.ends_at)} UTC")
    elif act.do == "unsilence":
        services.alert_desk.unsilence(actor, act.value("silence"), current_origin())
        _say("The silence is over: whoever is to be told is told again")
    else:
        raise InvalidView("the page asked for what it does not know; reload it")


def _say(text: str) -> None:
    set_props("toast", {"children": toast(text)})


def _query(search: Any) -> dict[str, str]:
    return dict(parse_qsl(search.lstrip("?"))) if isinstance(search, str) else {}


def _page(query: dict[str, str]) -> int:
    """The page of the history; the first where the address names none."""
    text = query.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


PAGE = Page(
    PATH,
    "Ops: Alerts",
    "Alerts · Operations",
    "ops",
    layout,
    register,
    in_nav=False,  # a section of operations, which links to it
    graphs=False,
    permission=Permission.MODIFY_SETTINGS,
)
