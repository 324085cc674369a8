"""Asks the application over HTTP whether it is healthy, as a visitor's browser would reach it."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from mltrading.services.ports.alerts import AppState
from mltrading.utils.message import shorten
from mltrading.utils.text import one_line

TIMEOUT_SECONDS = 4.0
LONGEST_BYTES = 10_000


class HttpAppProbe:
    """Of the application at `url`. One that answers anything but 200 and "healthy" is not; a
    redirect is not followed."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._place = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/health"
        self._timeout_seconds = timeout_seconds

    def check(self) -> AppState:
        # In a thread: a server that drips its answer never meets the time limit of a socket.
        found: list[AppState] = []
        thread = threading.Thread(target=lambda: found.append(self._ask()), daemon=True)
        thread.start()
        thread.join(self._timeout_seconds)
        late = AppState(False, f"/health gave no answer within {self._timeout_seconds:g} s")
        return found[0] if found else late

    def _ask(self) -> AppState:
        try:
            with closing(self._connection()) as connection:
                connection.request("GET", self._path, headers={"User-Agent": "mltrading-worker"})
                answer = connection.getresponse()
                return judged(answer.status, answer.read(LONGEST_BYTES))
        except ssl.SSLCertVerificationError:
            return AppState(False, "/health can not be asked: its certificate can not be verified")
        except (OSError, HTTPException, ValueError) as error:
            kind = type(error).__name__
            return AppState(False, f"/health can not be asked: the connection failed ({kind})")

    def _connection(self) -> HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return HTTPSConnection(self._place, timeout=self._timeout_seconds, context=context)
        return HTTPConnection(self._place, timeout=self._timeout_seconds)


def judged(status: int, body: bytes) -> AppState:
    """What an answer of /health says."""
    try:
        told = json.loads(body)
        state, error = (told.get("status"), told.get("error")) if isinstance(told, dict) else (0, 0)
    except ValueError:
        state = error = None
    if status == 200 and state == "healthy":
        return AppState(True)
    if status == 200:
        return AppState(False, "/health answered 200, but not that it is healthy")
    code = f": {shorten(one_line(error), 60)}" if isinstance(error, str) and error else ""
    return AppState(False, f"/health answered {status}{code}")
