"""What a release shows to those who did not sign in, and signing in to it as its users do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from delivery.smoke_visit import STARTING, Visit, Wrong, answered, of_type, short
from delivery.visit import Cookies, Reply

VARIABLES = ("SMOKE_EMAIL", "SMOKE_PASSWORD")
FORM = ("login-email", "login-password", "login-submit")
HIDDEN = ("/_dash-layout", "/_dash-dependencies")
CALLBACKS = "/_dash-update-component"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MOVED = (302, 303)
NO_ACCOUNT = (
    "not both: users sign in there, so a smoke test needs an account of the role analyst or viewer"
    " (docs/delivery.md, First set-up)"
)


@dataclass(slots=True)
class Account:
    """Whom smoke tests sign in as. The session it has got is used for all rounds, and for the next
    smoke test of the same process; a new one is made where it is refused."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    cookies: Cookies = field(default_factory=dict, repr=False)


def account_of(environment: Mapping[str, str]) -> Account | None:
    """The account that the environment names, None where it does not name all of it."""
    email, password = (environment.get(name, "").strip() for name in VARIABLES)
    return Account(email, password) if email and password else None


def closed(visit: Visit) -> str:
    """Nobody sees anything before signing in; an open release is one on this machine alone."""
    reply = visit.visitor.get("/")
    visit.open = reply.status == 200
    if visit.open:
        alone = urlsplit(visit.visitor.url).hostname in LOOPBACK
        if visit.account is not None or not alone:
            raise Wrong("/ to lead to /login", "the page itself, for everybody")
        return "nobody signs in there (development on this machine)"
    _leads(reply, "/login", "whoever did not sign in")
    shown = [visit.visitor.get(path) for path in HIDDEN]
    shown.append(visit.visitor.post(CALLBACKS, {"output": "page.children", "inputs": []}))
    for one in shown:
        if one.status != 401:
            what = f"401 from {one.path} for whoever did not sign in"
            raise Wrong(what, f"{one.status}: {short(one.text)}", starting=one.status in STARTING)
    return f"/ leads to /login; {len(shown)} addresses behind it answer 401"


def sign_in(visit: Visit) -> str:
    """The form is there, and the account's session is the visitor's from here on."""
    if visit.open:
        return "not needed"
    token = _form(visit)
    if visit.account is None:
        raise Wrong(f"{' and '.join(VARIABLES)} to be set", NO_ACCOUNT)
    if visit.account.cookies:
        before, visit.visitor.cookies = visit.visitor.cookies, dict(visit.account.cookies)
        if visit.visitor.get("/").status == 200:
            return "the session of the round before"
        visit.visitor.cookies = before
    _submit(visit, visit.account, token)
    visit.account.cookies = dict(visit.visitor.cookies)
    return "signed in by the form"


def callback_headers(visit: Visit) -> dict[str, str]:
    """What the page's script sends beside a callback: the token of a cookie, as a header."""
    found = re.search(r'<script id="_dash-config"[^>]*>(.*?)</script>', visit.page, re.DOTALL)
    config: dict[str, Any] = json.loads(found[1]) if found else {}
    cookie = visit.visitor.cookies.get(config.get("csrf_token_name", ""))
    return {config["csrf_header_name"]: cookie.value} if cookie else {}


def _form(visit: Visit) -> str:
    """The token that the form carries, "" where it carries none."""
    reply = answered(visit.visitor.get("/login"))
    of_type(reply, ("text/html",))
    missing = [name for name in FORM if f'id="{name}"' not in reply.text]
    if missing:
        raise Wrong(f'id="{missing[0]}" in /login', short(reply.text))
    for tag in re.findall(r"<input\b[^>]*>", reply.text):
        if 'name="csrf_token"' in tag:
            value = re.search(r'\svalue="([^"]*)"', tag)
            return html.unescape(value[1]) if value else ""
    return ""


def _submit(visit: Visit, account: Account, token: str) -> None:
    fields = {"email": account.email, "password": account.password, "code": "", "next": "/"}
    reply = visit.visitor.submit("/login", {**fields, "csrf_token": token})
    if reply.status == 429:
        again = reply.headers.get("retry-after")
        raise Wrong("to be signed in", f"429: too often; again in {again} s")
    if reply.status not in MOVED:
        known = (
            f"{reply.status}; is the account of {VARIABLES[0]} there, with that password, active"
        )
        found = f"{known} and without a second factor?"
        raise Wrong("to be signed in", found, starting=reply.status in STARTING)
    _leads(reply, "/", "whoever signed in")
    _session(visit)


def _leads(reply: Reply, path: str, who: str) -> None:
    """The answer sends to that path of the same site."""
    target = urlsplit(reply.headers.get("location", ""))
    if reply.status not in MOVED or target.path != path:
        said = reply.headers.get("location") or short(reply.text)
        found = f"{reply.status}: {said}"
        what = f"{reply.path} to lead {who} to {path}"
        raise Wrong(what, found, starting=reply.status in STARTING)


def _session(visit: Visit) -> None:
    """The session's cookie can be read by no script, and leaves no encrypted site."""
    encrypted = visit.visitor.url.startswith("https:")
    name = "__Host-session" if encrypted else "session"
    cookie = visit.visitor.cookies.get(name)
    if cookie is None:
        raise Wrong(f"a cookie {name} after signing in", str(sorted(visit.visitor.cookies)))
    wanted = {"HttpOnly": cookie["httponly"], "Secure": cookie["secure"] or not encrypted}
    wanted["SameSite=Lax"] = cookie["samesite"].lower() in ("lax", "strict")
    missing = [part for part, there in wanted.items() if not there]
    if missing:
        raise Wrong(f"{missing[0]} of the cookie {name}", "a cookie without it")
