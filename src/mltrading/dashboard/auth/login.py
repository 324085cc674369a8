"""/login and /logout."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mltrading.dashboard.auth.cookies import farewell, welcome
from mltrading.dashboard.auth.forms import field
from mltrading.dashboard.auth.page import LoginPage
from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.guard.answers import onward
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.origin import current_origin
from mltrading.errors import CodeNeeded, DatabaseUnavailable, SignInRefused, TooManyAttempts


def add_routes(blueprint: Blueprint, page: LoginPage, visitors: Visitors) -> None:
    identity, web = page.identity, page.web

    @blueprint.get("/login")
    def show() -> Response:
        place = local_path(request.args.get("next"))
        return onward(place) if _already(visitors) else page.shown()

    @blueprint.post("/login")
    def sign_in() -> Response:
        origin = current_origin()
        try:
            began = identity.sign_in(field("email"), field("password"), field("code"), origin)
            if visitors.token:
                identity.sign_out(visitors.token, origin)  # an earlier session of this browser
        except (SignInRefused, CodeNeeded, TooManyAttempts, DatabaseUnavailable) as error:
            return page.shown(error)
        return welcome(began, local_path(field("next")), web)

    @blueprint.post("/logout")
    def sign_out() -> Response:
        identity.sign_out(visitors.token, current_origin())
        return farewell("/login?said=out", web)


def _already(visitors: Visitors) -> bool:
    """Whether this browser is signed in; without a database nobody knows."""
    try:
        return visitors.actor() is not None
    except DatabaseUnavailable:
        return False
