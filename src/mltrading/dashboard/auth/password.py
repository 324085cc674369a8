"""/password/<link>: set a password by a link that works once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template

from mltrading.dashboard.auth.cookies import farewell
from mltrading.dashboard.auth.forms import field, form_token
from mltrading.dashboard.guard.answers import refusal
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.origin import current_origin
from mltrading.errors import InvalidPassword, UnknownLink
from mltrading.services.credentials import LONGEST_PASSWORD, SHORTEST_PASSWORD

if TYPE_CHECKING:
    from mltrading.services.identity import Identity

GONE = "This link was used, or is too old. An administrator can give you another."
DIFFERENT = "The two passwords are not the same."


def add_routes(blueprint: Blueprint, identity: Identity, web: Web) -> None:
    def page(link: str, error: str = "") -> Response:
        email = identity.link_holder(link)
        if email is None:
            return refusal(410, GONE)
        body = render_template(
            "password.html",
            error=error,
            email=email,
            shortest=SHORTEST_PASSWORD,
            longest=LONGEST_PASSWORD,
            csrf=form_token(web),
        )
        return Response(body, 400 if error else 200)

    @blueprint.get("/password/<link>")
    def choose(link: str) -> Response:
        return page(link)

    @blueprint.post("/password/<link>")
    def change(link: str) -> Response:
        if field("password") != field("again"):
            return page(link, DIFFERENT)
        try:
            identity.set_password(link, field("password"), current_origin())
        except InvalidPassword as error:
            text = str(error)
            return page(link, f"{text[:1].upper()}{text[1:]}.")
        except UnknownLink:
            return refusal(410, GONE)
        return farewell("/login?said=set", web)
