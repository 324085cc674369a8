"""Who may do what over HTTP. Default deny: what says not who may reach it, nobody may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash
from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException

from mltrading.dashboard import registry
from mltrading.dashboard.edge import REFUSALS
from mltrading.dashboard.guard import arrival, body, csrf
from mltrading.dashboard.guard.answers import honest, outage, refusal
from mltrading.dashboard.guard.door import Door
from mltrading.dashboard.guard.headers import Headers
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.guard.web import Web
from mltrading.errors import DatabaseUnavailable, Forbidden, MLTradingError, TooManyAttempts

if TYPE_CHECKING:
    from mltrading.services.ports.audit import AuditTrail
    from mltrading.services.ports.limits import RateLimiter


def install(
    app: Dash,
    pages: tuple[registry.Page, ...],
    web: Web,
    visitors: Visitors | None,
    limiter: RateLimiter,
    trail: AuditTrail,
) -> None:
    """Put the guard before every route of `app`. `visitors` is None where nobody signs in."""
    server: Flask = app.server
    arrival.believe_proxy(server, web)
    body.configure(server)
    _keep_sessions(server, web)
    if web.csrf:
        csrf.configure(server)
    door, headers = Door(app, pages, web, visitors, limiter, trail), Headers(app, web)
    server.extensions[REFUSALS] = door.refusals
    server.before_request(door.admit)
    server.after_request(headers.add)
    server.after_request(honest)
    for kind in (HTTPException, MLTradingError):
        server.register_error_handler(kind, _explain)


def _keep_sessions(server: Flask, web: Web) -> None:
    """Flask's own signed cookie, which carries what must outlive a request before anybody is
    signed in. Who is signed in is in the database, under a cookie of its own."""
    server.session_interface = _Ageless()
    server.secret_key = web.secret or None
    server.config["SESSION_COOKIE_NAME"] = web.cookie("visit")
    server.config["SESSION_COOKIE_SECURE"] = web.exposed
    server.config["SESSION_COOKIE_HTTPONLY"] = True
    server.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    server.config["SESSION_COOKIE_PATH"] = "/"


class _Ageless(SecureCookieSessionInterface):
    """A cookie of a moment that is still to come, as after a clock was set back, is good too: Flask
    would take every page's token for forged until then. The session in the database ends in time,
    by the clock of the database."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        signing = self.get_signing_serializer(app)
        if signing is None:
            return None
        ours, known = signing.loads_unsafe(request.cookies.get(self.get_cookie_name(app), ""))
        return self.session_class(known if ours else None)


def _explain(error: Exception) -> Response:
    """One line instead of a page of HTML, with the status that the error means."""
    if isinstance(error, DatabaseUnavailable):
        return outage(error)
    if isinstance(error, TooManyAttempts):
        return refusal(429, str(error), error.seconds)
    if isinstance(error, HTTPException):
        response = refusal(error.code or 500, error.description or error.name)
        allowed = error.get_response().headers.get("Allow")
        if allowed:
            response.headers["Allow"] = allowed
        return response
    return refusal(403 if isinstance(error, Forbidden) else 400, str(error))
