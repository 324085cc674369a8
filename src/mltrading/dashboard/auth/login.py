"""/login and /logout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request

from mltrading.dashboard.auth.cookies import farewell, welcome
from mltrading.dashboard.auth.forms import field, form_token
from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.guard.answers import OUTAGE, onward, retry_after
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.origin import current_origin
from mltrading.errors import CodeNeeded, DatabaseUnavailable, SignInRefused, TooManyAttempts

if TYPE_CHECKING:
    from mltrading.services.identity import Identity

NOTICES = {
    "out": "You are signed out.",
    "set": "The password is set. Sign in with it.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a form came back with."""

    status: int
    error: str
    code_needed: bool = False
    again_after_seconds: float | None = None


def add_routes(
    blueprint: Blueprint, identity: Identity, web: Web, visitors: Visitors, openid: str | None
) -> None:
    """`openid` is the name of the provider that users may come from, where there is one."""

    def page(said: Said | None = None) -> Response:
        body = render_template(
            "login.html",
            error=said.error if said else "",
            notice="" if said else NOTICES.get(request.args.get("said", ""), ""),
            code_needed=bool(said and said.code_needed),
            email=field("email") if said else "",
            next=local_path(request.values.get("next")),
            openid=openid,
            csrf=form_token(web),
        )
        response = Response(body, said.status if said else 200)
        return retry_after(response, said.again_after_seconds) if said else response

    @blueprint.get("/login")
    def show() -> Response:
        place = local_path(request.args.get("next"))
        return onward(place) if _already(visitors) else page()

    @blueprint.post("/login")
    def sign_in() -> Response:
        origin = current_origin()
        try:
            began = identity.sign_in(field("email"), field("password"), field("code"), origin)
        except (SignInRefused, CodeNeeded, TooManyAttempts, DatabaseUnavailable) as error:
            return page(_explained(error))
        if visitors.token:
            identity.sign_out(visitors.token, origin)  # an earlier session of this browser
        return welcome(began, local_path(field("next")), web)

    @blueprint.post("/logout")
    def sign_out() -> Response:
        identity.sign_out(visitors.token, current_origin())
        return farewell("/login?said=out", web)


def _explained(error: Exception) -> Said:
    text = str(error)
    said = text[:1].upper() + text[1:]
    if isinstance(error, TooManyAttempts):
        return Said(429, said, again_after_seconds=error.seconds)
    if isinstance(error, DatabaseUnavailable):
        return Said(503, OUTAGE[:1].upper() + OUTAGE[1:])
    return Said(401, said, code_needed=isinstance(error, CodeNeeded))


def _already(visitors: Visitors) -> bool:
    """Whether this browser is signed in; without a database nobody knows."""
    try:
        return visitors.actor() is not None
    except DatabaseUnavailable:
        return False
