"""What every answer tells the browser to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from dash import Dash
from flask import Response, g, request

from mltrading.dashboard.guard.access import Access
from mltrading.dashboard.guard.routes import Route
from mltrading.dashboard.guard.web import Web

HSTS = "max-age=63072000; includeSubDomains"
# Figures and sparklines are drawn as data: images; Dash and plotly.js write their own styles into
# the page. Nothing runs that is not a file of ours, or one of the scripts with those hashes.
# (default-src stays 'self' for Firefox, which asks it before it fetches plotly.js ahead of need.)
POLICY = (
    "default-src 'self'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none';"
    " frame-src 'none'; worker-src 'none'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
# The pages of signing in are plain HTML, and answers of other kinds are no pages at all.
PLAIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
ALWAYS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(),"
        " magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Headers:
    """For Flask's `after_request`."""

    def __init__(self, app: Dash, web: Web) -> None:
        self._app = app
        self._web = web

    def add(self, response: Response) -> Response:
        route: Route | None = g.get("route")
        response.headers.update(ALWAYS)
        page = route is not None and route.page and response.mimetype == "text/html"
        response.headers["Content-Security-Policy"] = self._policy if page else PLAIN_POLICY
        if self._web.exposed and request.is_secure:
            response.headers["Strict-Transport-Security"] = HSTS
        if self._web.sign_in and not _for_everybody(route):
            response.headers["Cache-Control"] = "no-store"
        return response

    @cached_property
    def _policy(self) -> str:
        """Made with the first answer: by then every inline script is known."""
        hashes = "".join(f" {one}" for one in self._app.csp_hashes())
        return POLICY.format(hashes=hashes)


def _for_everybody(route: Route | None) -> bool:
    """Whether an answer is the same for whoever asks, so that it may be kept."""
    return route is not None and route.right is Access.PUBLIC and not route.document
