"""A stand-in for signing in: it lets nobody pass to an application without a session.

It says and checks what the dashboard's own guard does, so that the smoke test meets every answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

EMAIL, PASSWORD = "smoke@example.com", "four words and a comma, at least"
LOOPBACK = ("127.0.0.1", "localhost")
TOKEN_COOKIE, TOKEN_HEADER = "_csrf_token", "X-CSRFToken"
FORM = """<!DOCTYPE html><title>Sign in</title>
<form method="post"><input type="hidden" name="csrf_token" value="{token}">
<input type="hidden" name="next" value="{next}">
<input id="login-email" name="email"><input id="login-password" name="password" type="password">
<input id="login-code" name="code"><button id="login-submit">Sign in</button></form>"""
REFUSED = "The e-mail address or the password is wrong."


class Door:
    """`sessions` are those that hold, `signed_in` counts how often somebody did; `busy` refuses
    every attempt, `missing` is left out of the session's cookie."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.sessions: set[str] = set()
        self.signed_in = 0
        self.busy = False
        self.missing = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        try:
            answer = self._answer(request)
        except HTTPException as refused:
            answer = refused.get_response(environ)  # type: ignore[assignment]
        if answer is not None:
            return answer(environ, start_response)
        inside: Iterable[bytes] = self._application(environ, start_response)
        return inside

    def _answer(self, request: Request) -> Response | None:
        """None lets the request pass."""
        path = request.path
        if path.startswith(("/health", "/assets/", "/_dash-component-suites/", "/favicon.ico")):
            return None
        if path == "/login":
            return self._login(request)
        if request.cookies.get(self._name(request)) not in self.sessions:
            if path.startswith("/_dash"):
                return Response("sign in first\n", 401, content_type="text/plain")
            return _sent_to(f"/login?next={quote(request.full_path.rstrip('?'), safe='')}")
        if request.method == "POST" and not _honest(request, request.headers.get(TOKEN_HEADER)):
            return Response("not from a page of ours\n", 400, content_type="text/plain")
        return None

    def _login(self, request: Request) -> Response:
        if request.method == "GET":
            token = secrets.token_hex(8)
            wanted = escape(request.args.get("next", "/"))
            page = Response(FORM.format(token=token, next=wanted), mimetype="text/html")
            page.set_cookie(TOKEN_COOKIE, token, samesite="Lax")
            return page
        if self.busy:
            return Response("later\n", 429, {"Retry-After": "60"}, content_type="text/plain")
        form = request.form
        if not _honest(request, form["csrf_token"]):
            return Response("not from a page of ours\n", 400, content_type="text/plain")
        if (form["email"], form["password"]) != (EMAIL, PASSWORD):
            return Response(REFUSED, 401, content_type="text/html")
        self.signed_in += 1
        session = secrets.token_hex(16)
        self.sessions.add(session)
        inside = _sent_to(form["next"])
        name = self._name(request)
        parts = ["HttpOnly", "SameSite=Lax", *(["Secure"] if name.startswith("__") else [])]
        held = "; ".join(part for part in parts if part != self.missing)
        inside.headers["Set-Cookie"] = f"{name}={session}; Path=/; {held}"
        return inside

    @staticmethod
    def _name(request: Request) -> str:
        """A site of another name than this machine's is asked over TLS that ends before us."""
        return "session" if request.host.split(":")[0] in LOOPBACK else "__Host-session"


def _sent_to(path: str) -> Response:
    return Response("", 302, {"Location": path}, content_type="text/html")


def _honest(request: Request, token: str | None) -> bool:
    """Sent by a page of this site, which alone can read the cookie."""
    own = request.headers.get("Origin", "").partition("://")[2] == request.host
    return own and bool(token) and token == request.cookies.get(TOKEN_COOKIE)
