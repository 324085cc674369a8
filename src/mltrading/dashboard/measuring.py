"""Measures every request and callback; gives each request the id that logs and messages tell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from dash import Dash
from flask import Flask, Response, g, request
from werkzeug.routing import Rule

from mltrading.domain.access import Actor
from mltrading.utils import measures, tracing
from mltrading.utils.context import Work, current, sane_id, working
from mltrading.utils.measures import TALLY
from mltrading.utils.monitoring import monitor_callback

HEADER = "X-Request-ID"
OTHER = "other"
"""The route of what has none, and the method of what no browser sends."""
SLOW_SECONDS = 10.0
REQUEST_SECONDS = 16.0
"""So long a request may begin to use the database. What begins at the last moment takes 7.5 s more,
where the server is frozen: every answer comes within 25 s, and platforms wait for 30."""
CATCH_ALL = ("/", "/<path:path>")  # Dash's routes for every page
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = logging.getLogger("mltrading.request")


class Measured:
    """Stands around the whole WSGI application, so that refusals and failures count too. An answer
    is counted before its first byte leaves; the time that a client takes to read it is not."""

    def __init__(self, app: WSGIApplication, begin: Callable[[], None]) -> None:
        self._app = app
        self._begin = begin

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if "SERVER_SOFTWARE" in environ:  # a server asks, not a test
            self._begin()
        until = time.monotonic() + REQUEST_SECONDS
        work = Work(sane_id(environ.get("HTTP_X_REQUEST_ID")), until=until)
        TALLY.change(1, measures.IN_FLIGHT)
        started = time.perf_counter()

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[..., Any]:
            work.status = int(status[:3])
            return start(status, [*headers, (HEADER, work.request_id)], *rest)

        with working(work), tracing.span("request", environ["REQUEST_METHOD"], **_parent(environ)):
            try:
                return self._app(environ, answer)
            finally:
                _count(environ["REQUEST_METHOD"], work, time.perf_counter() - started)


def _count(method: str, work: Work, seconds: float) -> None:
    """One request more, and a line of the log about it."""
    TALLY.change(-1, measures.IN_FLIGHT)
    route, status = work.route or OTHER, work.status or 500
    work.duration_ms = round(seconds * 1000, 2)
    method = method if method in _METHODS else OTHER
    TALLY.add(measures.REQUESTS, route, method, str(status))
    if not 400 <= status < 500:
        TALLY.observe(seconds, measures.REQUEST_SECONDS, route)
    level = logging.WARNING if status >= 500 or seconds > SLOW_SECONDS else logging.INFO
    if log.isEnabledFor(level):
        log.log(level, "%s %s %d in %.1f ms", method, route, status, seconds * 1000)


def _parent(environ: WSGIEnvironment) -> dict[str, str]:
    """The trace that the client began, if it says so."""
    given = environ.get("HTTP_TRACEPARENT")
    return {"traceparent": given} if given and tracing.tracing() else {}


def install(
    app: Dash, pages: Iterable[str], begin: Callable[[], None], seen: Callable[[str], None]
) -> None:
    """Measure what `app` does from now on; call it when all callbacks are registered. `begin` is
    called when a server asks, `seen` with the subject of whoever does."""
    server: Flask = app.server
    setattr(server, "wsgi_app", Measured(server.wsgi_app, begin))
    known = frozenset(pages)
    for output, entry in app.callback_map.items():
        if "callback" in entry:
            entry["callback"] = monitor_callback(entry["callback"], callback_name(output))

    def note_route() -> None:
        work = current()
        if work is not None:
            work.route = route_of(request.url_rule, request.path, known)

    # First of all, so that it is known of what the guards refuse too.
    server.before_request_funcs.setdefault(None, []).insert(0, note_route)

    def note_who_asks() -> None:
        work, actor = current(), g.get("actor")
        if work is not None and isinstance(actor, Actor):
            work.user = actor.id
            seen(actor.id)

    server.before_request(note_who_asks)

    @server.after_request
    def note_what_was_refused(response: Response) -> Response:
        """A guard may answer before the callback runs, and before the above."""
        work, output = current(), g.get("output")
        if work is not None:
            if not work.user:
                note_who_asks()
            if output in app.callback_map:
                work.callback = callback_name(output)
        return response


def route_of(rule: Rule | None, path: str, pages: frozenset[str]) -> str:
    """The template of what was asked for, or the path of a known page: never what only the client
    chose. "" for what has no route."""
    if rule is None:
        return ""
    return path if rule.rule in CATCH_ALL and path in pages else rule.rule


def callback_name(output: str) -> str:
    """A callback is called by its first output, which no other has: "chart-answer.data"."""
    first = output[2:-2].split("...")[0] if output.startswith("..") else output
    return first.partition("@")[0]
