"""/openid/begin and /openid/back: out to the provider, and back with its answer."""

from __future__ import annotations

from flask import Blueprint, Response, request

from mltrading.dashboard.auth.page import LoginPage
from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.guard.answers import onward
from mltrading.dashboard.origin import current_origin
from mltrading.errors import (
    DatabaseUnavailable,
    ProviderUnavailable,
    SignInRefused,
    TooManyAttempts,
)

BACK = "/openid/back"
NOTE = "openid"  # the cookie that holds what the answer must fit
NOTE_SECONDS = 600


def add_routes(blueprint: Blueprint, page: LoginPage) -> None:
    identity, web = page.identity, page.web

    @blueprint.get("/openid/begin")
    def begin() -> Response:
        place = local_path(request.args.get("next"))
        try:
            begun = identity.begin_openid(place, f"{request.host_url.rstrip('/')}{BACK}")
        except (ProviderUnavailable, SignInRefused) as error:
            return page.shown(error, place)
        response = onward(begun.url)
        response.set_cookie(
            web.cookie(NOTE),
            begun.sealed,
            max_age=NOTE_SECONDS,
            secure=web.exposed,
            httponly=True,
            samesite="Lax",  # the way back begins at the provider
        )
        return response

    @blueprint.get(BACK)
    def back() -> Response:
        sealed = request.cookies.get(web.cookie(NOTE), "")
        try:
            response = page.left(*identity.finish_openid(sealed, request.args, current_origin()))
        except (
            SignInRefused,
            ProviderUnavailable,
            TooManyAttempts,
            DatabaseUnavailable,
        ) as error:
            response = page.shown(error, identity.openid_place(sealed))
        response.delete_cookie(web.cookie(NOTE), secure=web.exposed, httponly=True, samesite="Lax")
        return response
