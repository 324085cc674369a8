"""The cookie of a session: given at signing in, taken back at signing out."""

from __future__ import annotations

from flask import Response

from mltrading.dashboard.guard import csrf
from mltrading.dashboard.guard.answers import onward
from mltrading.dashboard.guard.web import Web
from mltrading.services.identity import SignedIn

# What a user of this browser looked at is not the next one's business. The theme stays; documents
# are never kept (no-store), so the cache holds nothing of anybody.
_TRACES = ("symbol",)


def welcome(signed_in: SignedIn, place: str, web: Web) -> Response:
    """On to `place`, with a session. Script can not read its cookie; it ends with the browser."""
    csrf.renew()
    response = onward(place)
    response.set_cookie(
        web.session_cookie,
        signed_in.token,
        secure=web.exposed,
        httponly=True,
        samesite="Lax",
    )
    return response


def farewell(place: str, web: Web) -> Response:
    """On to `place`, with nothing left of the session in the browser."""
    csrf.renew()
    response = onward(place)
    for name in (web.session_cookie, web.csrf_cookie):
        response.delete_cookie(name, secure=web.exposed, samesite="Lax")
    for name in _TRACES:
        response.delete_cookie(name)
    response.headers["Clear-Site-Data"] = '"storage"'
    return response
