"""The callbacks of a release that runs elsewhere, asked by the client that the other tests use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import urllib3
from flask import Flask
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tests.callback_client import CallbackClient

SECONDS = 30


class Elsewhere:
    """Stands for a Flask server: sends every request on to `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=SECONDS)

    def test_client(self) -> Client:
        return Client(self, Response)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        question = environ.get("QUERY_STRING")
        answer = self._pool.request(
            environ["REQUEST_METHOD"],
            f"{self._url}{environ['PATH_INFO']}{f'?{question}' if question else ''}",
            body=environ["wsgi.input"].read() or None,
            headers={"Content-Type": environ.get("CONTENT_TYPE", "")},
            redirect=False,
        )
        start_response(f"{answer.status} -", list(answer.headers.items()))
        return [answer.data]


def callbacks_of(url: str) -> CallbackClient:
    """Fires the callbacks of the release at `url`."""
    return CallbackClient(cast(Flask, Elsewhere(url)))
