"""The callbacks of a release that runs elsewhere, asked by the client that the other tests use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import urllib3
from flask import Flask
from werkzeug.test import Client
from werkzeug.wrappers import Response

from delivery.smoke_login import Account, callback_headers, closed, sign_in
from delivery.smoke_visit import Visit
from delivery.visit import Visitor
from tests.callback_client import CallbackClient

SECONDS = 30


class Elsewhere:
    """Stands for a Flask server: sends every request on to `url`, with `headers` of a visitor."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._pool = urllib3.PoolManager(retries=False, timeout=SECONDS)

    def test_client(self) -> Client:
        return Client(self, Response)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        question = environ.get("QUERY_STRING")
        answer = self._pool.request(
            environ["REQUEST_METHOD"],
            f"{self._url}{environ['PATH_INFO']}{f'?{question}' if question else ''}",
            body=environ["wsgi.input"].read() or None,
            headers={"Content-Type": environ.get("CONTENT_TYPE", ""), **self._headers},
            redirect=False,
        )
        start_response(f"{answer.status} -", list(answer.headers.items()))
        return [answer.data]


def entered(url: str, account: Account | None) -> Visit:
    """A visit to the release by somebody who signed in, where one has to: what is behind the door
    is open to its cookies, and its page is read."""
    visit = Visit(Visitor(url), None, account)
    closed(visit)
    sign_in(visit)
    visit.page = visit.visitor.get("/").text
    return visit


def callbacks_of(visit: Visit) -> CallbackClient:
    """Fires the callbacks of the release as the page of that visit does."""
    cookies = "; ".join(f"{name}={one.value}" for name, one in visit.visitor.cookies.items())
    told = {"Origin": visit.visitor.url, "Referer": f"{visit.visitor.url}/"}
    told["Sec-Fetch-Site"] = "same-origin"
    headers = {**told, **callback_headers(visit), **({"Cookie": cookies} if cookies else {})}
    return CallbackClient(cast(Flask, Elsewhere(visit.visitor.url, headers)))
