"""The guard itself: every request passes these checks in this order, or is answered here.

arrival (host; HTTPS, or this machine alone) - size - depth - session (401) - other sites' pages
(400, 403) - right (403) - rate (429) - shape (400). A check that is switched off is not in the
list, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dash import Dash
from flask import Response, g, request

from mltrading.dashboard import payload, registry
from mltrading.dashboard.guard import arrival, body, csrf
from mltrading.dashboard.guard.access import Right, right_of
from mltrading.dashboard.guard.answers import is_callback, refusal
from mltrading.dashboard.guard.limits import Limits
from mltrading.dashboard.guard.refusals import Refusals
from mltrading.dashboard.guard.routes import ROUTES, Route
from mltrading.dashboard.guard.visitor import Visitors, recognise_developer
from mltrading.dashboard.guard.web import Web
from mltrading.domain.access import Actor, Permission

if TYPE_CHECKING:
    from mltrading.services.ports.audit import AuditTrail
    from mltrading.services.ports.limits import RateLimiter

Check = Callable[[], Response | None]
NO_CALLBACK = "no callback has that output"


class Door:
    """Lets in or answers each request of `app`."""

    def __init__(
        self,
        app: Dash,
        pages: tuple[registry.Page, ...],
        web: Web,
        visitors: Visitors | None,
        limiter: RateLimiter,
        trail: AuditTrail,
    ) -> None:
        self._callbacks: Mapping[str, Mapping[str, Any]] = app.callback_map
        self._pages = pages
        self.refusals = Refusals(trail)
        self._limits = Limits(limiter, *web.limits, self.refusals) if web.limits else None
        self._before = [arrival.refuse_malformed, *_arrival(web), body.refuse_oversized]
        self._checks = [
            body.refuse_unreadable,
            visitors.recognise if visitors else recognise_developer,
            *([self._refuse_forged] if web.csrf else []),
            self._refuse_without_right,
            *([self._refuse_frequent] if self._limits else []),
            self._refuse_misshapen,
        ]

    def admit(self) -> Response | None:
        """The answer to whom it may not let in; None to go on. For Flask's `before_request`."""
        rule = request.url_rule
        g.route = ROUTES.get(rule.rule) if rule else None
        answer = _first(self._before)
        if answer is not None or request.routing_exception is not None:
            return answer  # no such route, or not by this method: Flask says so
        if g.route is None:
            return refusal(403, "nobody said who may reach this")
        return _first(self._checks)

    def _refuse_forged(self) -> Response | None:
        answer = csrf.refuse_foreign()
        if answer is not None:
            self.refusals.forged(_named(), answer.status_code)
        return answer

    def _refuse_without_right(self) -> Response | None:
        route: Route = g.route
        right: Right = route.right
        if is_callback():
            g.body, g.output, fault = _read()
            callback = self._callbacks.get(g.output, {}).get("callback")
            known = right_of(callback)
            if fault or known is None:
                return fault or refusal(400, NO_CALLBACK)
            right = known
        if not isinstance(right, Permission):
            return None
        actor: Actor = g.actor
        if actor.may(right):
            return None
        self.refusals.right(_named(), right.value)
        return refusal(403, actor.refusal(right))

    def _refuse_frequent(self) -> Response | None:
        route: Route = g.route
        counted = is_callback() or route.limited
        return self._limits.refuse(_named()) if self._limits and counted else None

    def _refuse_misshapen(self) -> Response | None:
        if not is_callback():
            return None
        wrong = payload.fault(g.body, self._callbacks)
        return refusal(400, wrong) if wrong else None


def _arrival(web: Web) -> list[Check]:
    """Exposed: by HTTPS. Where nobody signs in: from this machine."""
    checks: list[Check] = [arrival.refuse_plain] if web.exposed else []
    return checks if web.sign_in else [*checks, arrival.refuse_strangers]


def _first(checks: Sequence[Check]) -> Response | None:
    """The answer of the first check that has one."""
    for check in checks:
        answer = check()
        if answer is not None:
            return answer
    return None


def _read() -> tuple[Any, str, Response | None]:
    """The request of a callback and its output, or what is wrong with it."""
    if not request.is_json:
        return None, "", refusal(415, "a callback is asked in JSON")
    try:
        read = request.get_json(silent=True)
    except RecursionError:  # in an encoding that hides its brackets from the check of the depth
        return None, "", refusal(400, "the request is nested too deep")
    output = read.get("output") if isinstance(read, dict) else None
    if not isinstance(output, str):
        return None, "", refusal(400, NO_CALLBACK)
    return read, output, None


def _named() -> str:
    """What is asked for, as limits and the audit trail know it: never what a visitor made up."""
    output: str = g.get("output", "")
    return output or (request.url_rule.rule if request.url_rule else "")
