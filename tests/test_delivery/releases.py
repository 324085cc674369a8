"""A release to be checked: the real application over a small database, and ways to break it.

`Release` sits before the application like a router and changes answers on their way, so that a
test can break exactly one thing of an otherwise real program.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

COMMIT = "5eedf00d" * 5
VISITOR = "203.0.113.9"
FILES = ("/assets/", "/_dash-component-suites/")


@dataclass(frozen=True)
class Sent:
    """An answer of the application on its way out."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()  # headers Set-Cookie

    def json(self) -> Any:
        return json.loads(self.body)


Fault = Callable[[str, Sent], Sent]
"""What is done to the answer for a path."""


def said(sent: Sent, body: object, status: int | None = None, kind: str | None = None) -> Sent:
    """The same answer with another body: text, bytes or JSON."""
    raw = body if isinstance(body, bytes) else None
    if raw is None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {**sent.headers, "Content-Type": kind or sent.headers["Content-Type"]}
    headers.pop("Content-Encoding", None)
    return replace(sent, status=status or sent.status, headers=headers, body=raw)


def headed(sent: Sent, **headers: str | None) -> Sent:
    """The same answer with other headers (`cache_control`); None takes one away."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    kept = {name: value for name, value in sent.headers.items() if name not in named}
    return replace(sent, headers={**kept, **{n: v for n, v in named.items() if v is not None}})


class Release:
    """The application as it is deployed from COMMIT, with at most one fault. Whoever asks for a
    site of a name asked the router in front, by HTTPS."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.commit: str | None = COMMIT
        self.fault: Fault | None = None
        self.hosts: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.hosts.add(environ["HTTP_HOST"])
        if not environ["HTTP_HOST"].startswith("127.0.0.1"):
            environ |= {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": VISITOR}
        if not path.startswith(FILES):  # a fault looks into what is no file, so it comes plain
            environ.pop("HTTP_ACCEPT_ENCODING", None)
        body, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        cookies = tuple(headers.getlist("Set-Cookie"))
        headers.remove("Set-Cookie")
        sent = Sent(int(status.split()[0]), dict(headers), b"".join(body), cookies)
        if path == "/health/live":
            sent = said(sent, {**sent.json(), "commit": self.commit})
        if self.fault is not None:
            sent = self.fault(path, sent)
        headed_out = {**sent.headers, "Content-Length": str(len(sent.body))}
        lines = [("Set-Cookie", line) for line in sent.cookies]
        start_response(f"{sent.status} X", [*headed_out.items(), *lines])
        return [sent.body]


class _Quiet(WSGIRequestHandler):
    def log_request(self, *words: Any) -> None:
        """The test speaks, not the server."""


@contextmanager
def listening(application: Any, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """The address of a WSGI application that is served in this process until the block ends; over
    TLS where the files of a certificate and its key are given."""
    secured = None
    if certificate is not None:
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(*certificate)
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=_Quiet, ssl_context=secured
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="release")
    thread.start()
    try:
        yield f"{'https' if secured else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
