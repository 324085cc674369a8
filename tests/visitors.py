"""Visitors of a dashboard that people sign in to: over HTTP, with their cookies and tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.callback_client import CallbackClient
from tests.identities import PASSWORD, SECRET_KEY

SIGN_IN: Mapping[str, str] = {"MLTRADING_AUTH": "on", "SECRET_KEY": SECRET_KEY}
"""The variables that turn signing in on in development."""

STRICT = "environment: development\nsecurity: {csrf_protection: true, rate_limiting: true}\n"
"""development.yml with what staging and production have on."""

CALLBACK = "/_dash-update-component"
HEADER = "X-CSRFToken"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One browser without the browser: keeps cookies, and sends the token that a page of ours
    would send."""

    def __init__(self, server: Flask, address: str = "127.0.0.1", prefix: str = "") -> None:
        self.http: FlaskClient = server.test_client()
        self.http.environ_base["REMOTE_ADDR"] = address
        self._prefix = prefix

    def get(self, path: str, **more: Any) -> TestResponse:
        answer = self.http.get(path, **more)
        answer.get_data()  # all of it, so that a file is closed
        answer.close()
        return answer

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send a form as the page at `path` would, with the token that it holds."""
        return self.http.post(path, data={**self.form(path), **fields})

    def form(self, path: str) -> dict[str, str]:
        """The hidden token of the form at `path`."""
        found = _TOKEN.search(self.get(path).get_data(as_text=True))
        return {"csrf_token": found[1]} if found else {}

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> TestResponse:
        return self.post("/login", email=f"{name}@example.com", password=password, code=code)

    def sign_out(self) -> TestResponse:
        return self.http.post("/logout", data={"csrf_token": self.token})

    @property
    def session(self) -> str | None:
        """The token of the session."""
        cookie = self.http.get_cookie(f"{self._prefix}session")
        return cookie.value if cookie else None

    @property
    def token(self) -> str:
        """What Dash reads from the cookie and sends along with each callback."""
        for page in ("/help", "/account"):  # all that some administrators may open is the second
            if self.http.get_cookie(f"{self._prefix}csrf") is None:
                self.get(page)
        cookie = self.http.get_cookie(f"{self._prefix}csrf")
        return cookie.decoded_value if cookie else ""

    def headers(self) -> dict[str, str]:
        return {HEADER: self.token} if self.token else {}

    @property
    def callbacks(self) -> CallbackClient:
        return CallbackClient(self.http, self.headers)


class LiveVisitor(requests.Session):
    """The same at a server that runs."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.trust_env = False  # no proxy between this machine and itself

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """The answer itself, wherever it leads."""
        return self.request(method, self.url + path, timeout=60, allow_redirects=False, **more)

    def sign_in(self, name: str, password: str = PASSWORD) -> requests.Response:
        found = _TOKEN.search(self.ask("GET", "/login").text)
        form = {"csrf_token": found[1]} if found else {}
        form |= {"email": f"{name}@example.com", "password": password}
        answer = self.ask("POST", "/login", data=form)
        if answer.status_code == 303:
            self.ask("GET", "/")  # which brings the token of callbacks
        return answer

    def fire(self, payload: object) -> requests.Response:
        headers = {HEADER: self.cookies.get("csrf", "")}
        return self.ask("POST", CALLBACK, json=payload, headers=headers)
