"""/login and /logout."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mltrading.dashboard.auth.cookies import farewell
from mltrading.dashboard.auth.forms import field
from mltrading.dashboard.auth.page import LoginPage
from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.guard.answers import onward
from mltrading.dashboard.origin import current_origin
from mltrading.errors import CodeNeeded, DatabaseUnavailable, SignInRefused, TooManyAttempts


def add_routes(blueprint: Blueprint, page: LoginPage) -> None:
    identity, visitors = page.identity, page.visitors

    @blueprint.get("/login")
    def show() -> Response:
        try:
            if visitors.actor() is not None:
                return onward(local_path(request.args.get("next")))
        except DatabaseUnavailable as error:
            return page.begun(error)
        return page.begun(page.outage())

    @blueprint.post("/login")
    def sign_in() -> Response:
        typed = field("email"), field("password"), field("code")
        try:
            return page.left(identity.sign_in(*typed, current_origin()), field("next"))
        except (SignInRefused, CodeNeeded, TooManyAttempts, DatabaseUnavailable) as error:
            return page.shown(error)

    @blueprint.post("/logout")
    def sign_out() -> Response:
        identity.sign_out(visitors.token, current_origin())
        return farewell("/login?said=out", page.web)
