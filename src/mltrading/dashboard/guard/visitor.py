"""Who asks: the session of the cookie, read from the database at each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, g, request

from mltrading.dashboard import registry
from mltrading.dashboard.guard.access import Access
from mltrading.dashboard.guard.answers import onward, outage, refusal, to_sign_in
from mltrading.dashboard.guard.routes import Route
from mltrading.dashboard.guard.web import Web
from mltrading.domain.access import DEVELOPER, Actor
from mltrading.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from mltrading.services.identity import Identity

ACCOUNT = "/account"  # where an administrator sets up the second factor
SIGN_IN = "your session has ended; sign in again"


def recognise_developer() -> None:
    """Where nobody signs in, everybody is the developer."""
    g.actor = DEVELOPER


class Visitors:
    """Finds the actor of a request, for the guard and for the pages of signing in."""

    def __init__(self, identity: Identity, web: Web, pages: tuple[registry.Page, ...]) -> None:
        self._identity = identity
        self._web = web
        self._pages = pages

    @property
    def token(self) -> str:
        """What the browser holds; "" where it holds nothing."""
        return request.cookies.get(self._web.session_cookie, "")

    def actor(self, *, used: bool = True) -> Actor | None:
        """Who is signed in; None where nobody is, or no longer."""
        return self._identity.actor(self.token, used=used) if self.token else None

    def recognise(self) -> Response | None:
        """Put the actor into `g`, or answer who has none: people are sent to sign in, programs
        and scripts are told 401."""
        route: Route = g.route
        if route.right is Access.PUBLIC:
            return None
        try:
            actor = self.actor(used=not route.unasked)
        except DatabaseUnavailable as error:
            return outage(error)
        if actor is None:
            return self._turn_away(route)
        g.actor = actor
        if self._identity.needs_totp(actor) and route.document and request.path != ACCOUNT:
            return onward(ACCOUNT, 302)
        return None

    def _turn_away(self, route: Route) -> Response:
        if not route.document:
            return refusal(401, SIGN_IN)
        if route.page and registry.find(self._pages, request.path) is None:
            return refusal(404, "there is no page here")  # no check of a status takes it for one
        return to_sign_in()
