"""Account: what is the visitor's own: sessions, password, second factor, personal data.

Every button and form is an act (dashboard/acts.py); one callback does it and draws the page anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, ctx, dcc, html, set_props
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import Act, Doing, perform, say
from mltrading.dashboard.components import data, skeleton
from mltrading.dashboard.guard.access import Access, guarded
from mltrading.dashboard.markup import Node
from mltrading.dashboard.origin import current_origin
from mltrading.dashboard.pages import account_parts as parts
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Actor
from mltrading.errors import Forbidden, InvalidPassword
from mltrading.services.identity import Identity

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/account"
FIRST = ("who", "second-factor")  # who is told that it is needed, and the way to it
SECTIONS = ("who", "sessions", "password", "second-factor", "data")


def layout(services: Services, search: str) -> Component:
    return html.Div(
        [
            html.H1("Account"),
            dcc.Store(id="account-act"),
            dcc.Store(id="account-parts"),
            dcc.Download(id="account-download"),
            *(
                html.Section(skeleton("line-skeleton"), id=f"account-{section}")
                for section in _sections(services)
            ),
        ],
        id="account",
        className="sheet",
        **data(acts="account-act"),
    )


def _sections(services: Services) -> list[str]:
    """In order; where nothing else is allowed before a second factor, that comes first."""
    needed = services.identity is not None and services.identity.needs_totp(current_actor())
    return sorted(SECTIONS, key=lambda name: name not in FIRST) if needed else list(SECTIONS)


def register(app: Dash, services: Services) -> None:
    app.clientside_callback(ClientsideFunction("mlt", "partsDrawn"), Input("account-parts", "data"))

    @app.callback(
        Output("account-parts", "data"),
        Input("address", "data"),
        Input("account-act", "data"),
    )
    @guarded(Access.SIGNED_IN)
    def show(address: Any, act: Any) -> dict[str, list[Node]]:
        if not isinstance(address, dict) or address.get("path") != PATH:
            raise PreventUpdate
        identity = _identity(services)
        changed = None
        if ctx.triggered_id == "account-act":
            changed = perform(ACTS, services, act)
        return {**_drawn(identity, current_actor()), **(changed or {})}


def _identity(services: Services) -> Identity:
    if services.identity is None:
        raise Forbidden("nobody signs in here, so there is no account")
    return services.identity


def _drawn(identity: Identity, actor: Actor) -> dict[str, list[Node]]:
    sessions = identity.sessions(actor)
    profile = identity.profile(actor)
    return {
        "account-who": parts.who(actor, profile, identity.needs_totp(actor)),
        "account-sessions": parts.sessions(sessions),
        "account-password": parts.password(profile),
        "account-second-factor": parts.second_factor(profile),
        "account-data": parts.personal_data(profile),
    }


def _end_session(services: Services, actor: Actor, act: Act) -> None:
    _identity(services).end_session(actor, act.value("session"), current_origin())
    say("That session has ended")


def _change_password(services: Services, actor: Actor, act: Act) -> None:
    old, new = act.value("old"), act.value("new")
    if new != act.value("again"):
        raise InvalidPassword("the two new passwords differ; nothing was changed")
    _identity(services).change_password(actor, old, new, current_origin())
    _leave("/login?next=/account")  # every session has ended, this one too


def _begin_totp(services: Services, actor: Actor, act: Act) -> dict[str, list[Node]]:
    return {"account-second-factor": parts.enrolment(_identity(services).begin_totp(actor))}


def _confirm_totp(services: Services, actor: Actor, act: Act) -> None:
    secret, code = act.value("secret"), act.value("code")
    identity = _identity(services)
    identity.confirm_totp(actor, secret, code, current_origin())
    if identity.needs_totp(actor):  # until now: the rest of the pages is open from here on
        _leave("/")
    say("From now on signing in asks for a code. Your other sessions have ended")


def _drop_totp(services: Services, actor: Actor, act: Act) -> None:
    _identity(services).drop_totp(actor, act.value("password"), current_origin())
    say("Signing in asks for the password alone now")


def _export(services: Services, actor: Actor, act: Act) -> None:
    found = services.privacy.export(actor, act.value("password"), current_origin())
    text = json.dumps(found, indent=2, ensure_ascii=False, default=str)
    file = {"content": text, "filename": "mltrading-my-data.json", "type": "application/json"}
    set_props("account-download", {"data": file})
    say("Your data are on their way to you")


def _leave(href: str) -> None:
    """Open an address outside of the frame."""
    set_props("goto", {"data": {"href": href, "leave": True}})


ACTS: Mapping[str, Doing[dict[str, list[Node]]]] = {
    "end-session": _end_session,
    "change-password": _change_password,
    "begin-second-factor": _begin_totp,
    "confirm-second-factor": _confirm_totp,
    "drop-second-factor": _drop_totp,
    "export": _export,
}

PAGE = Page(
    PATH,
    "Account",
    "Account",
    "account",
    layout,
    register,
    in_nav=False,
    graphs=False,
    signed_in=True,
)
