"""Nobody else's page acts in a user's name: a token that only our pages can read, and what the
browser itself says of where a request comes from. Runs only where security.csrf_protection is on.

The token lives in Flask's signed session (HttpOnly) and, signed once more, in a cookie that Dash
and static/js/network.js read and send back as a header; forms carry it as a field.
"""

from __future__ import annotations

from flask import Flask, Response, g, request, session
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf

from mltrading.dashboard.guard.answers import refusal
from mltrading.dashboard.guard.web import Web

HEADER = "X-CSRFToken"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_SITES = ("same-origin", "none")  # "none": the user did it, in the browser's own controls


_tokens = CSRFProtect()


def configure(server: Flask) -> None:
    server.config["WTF_CSRF_CHECK_DEFAULT"] = False  # the guard checks, after it knows who asks
    server.config["WTF_CSRF_TIME_LIMIT"] = None  # a page may stay open as long as its session
    server.config["WTF_CSRF_SSL_STRICT"] = False  # it wants a Referer; Origin says the same
    server.config["WTF_CSRF_HEADERS"] = [HEADER]
    _tokens.init_app(server)


def refuse_foreign() -> Response | None:
    """403 for a request that another site's page sent, 400 for one without our token."""
    if request.method in SAFE_METHODS:
        return None
    if not from_own_page():
        return refusal(403, "this request comes from the page of another site")
    try:
        _tokens.protect()
    except CSRFError as error:
        return refusal(400, f"{error.description} Reload the page and try again")
    return None


def from_own_page() -> bool:
    """What the browser says. One too old to say anything has only the token to show."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in OWN_SITES
    origin = request.headers.get("Origin")
    return origin is None or origin == f"{request.scheme}://{request.host}"


def renew() -> None:
    """Forget the token: who signs in or out shall not be known by an earlier one."""
    session.clear()
    g.pop("csrf_token", None)


def hand_out(response: Response, web: Web) -> None:
    """Give the page that goes out its token."""
    response.set_cookie(
        web.csrf_cookie, generate_csrf(), secure=web.exposed, httponly=False, samesite="Lax"
    )
