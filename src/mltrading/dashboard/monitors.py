"""What a monitor may read: /metrics for Prometheus, and /health/full.

A monitor shows METRICS_TOKEN; an administrator may look at /health/full too.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from mltrading.dashboard.exposition import CONTENT_TYPE, exposition
from mltrading.dashboard.full_health import report
from mltrading.services.health import Running
from mltrading.services.ports.operations import Machine
from mltrading.services.vitals import Vitals
from mltrading.utils.measures import TALLY

HEALTH_TYPE = "application/health+json"
UNCACHED = {"Cache-Control": "no-store"}


def install(
    server: Flask,
    vitals: Vitals,
    machine: Machine,
    running: Running,
    token: str | None,
    administrator: Callable[[], bool],
) -> None:
    """The two addresses. Without a token there is no /metrics. `administrator`: whether the session
    of the request is one's."""

    @server.get("/metrics")
    def metrics() -> Response:
        refused = _refusal(token)
        if refused is not None:
            return refused
        everyone = TALLY.everyone()
        text = exposition(
            everyone.entries, vitals.read(), running, machine.rss(everyone.living), everyone.living
        )
        return Response(text, headers={**UNCACHED, "Content-Type": CONTENT_TYPE})

    @server.get("/health/full")
    def full() -> Response:
        session = "Authorization" not in request.headers and administrator()
        refused = None if session else _refusal(token, hidden=False)
        if refused is not None:
            return refused
        body = report(vitals.read(), TALLY.everyone().entries, running)
        answer = jsonify(body)
        answer.status_code = 503 if body["status"] == "fail" else 200
        answer.headers.update({**UNCACHED, "Content-Type": HEALTH_TYPE})
        return answer


def _refusal(token: str | None, *, hidden: bool = True) -> Response | None:
    """None for a request that brings the token. `hidden`: without one the address is not there."""
    if token is None and hidden:
        return _text("Not found", 404)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not given:
        answer = _text("this needs METRICS_TOKEN as a Bearer token", 401)
        answer.headers["WWW-Authenticate"] = 'Bearer realm="mltrading"'
        return answer
    if token is None or not hmac.compare_digest(given.strip().encode(), token.encode()):
        return _text("wrong token", 403)
    return None


def _text(line: str, status: int) -> Response:
    return Response(f"{line}\n", status, mimetype="text/plain", headers=UNCACHED)
