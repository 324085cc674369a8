"""How often a user may fire one callback, and an address may ask what needs no session, counted
over all workers. Runs only where security.rate_limiting is on."""

from __future__ import annotations

import hashlib

from flask import Response, g, request

from mltrading.dashboard.guard.answers import outage, refusal
from mltrading.dashboard.guard.refusals import Refusals
from mltrading.domain.access import Actor
from mltrading.errors import DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from mltrading.services.attempts import network, soon
from mltrading.services.ports.limits import RateLimiter
from mltrading.utils.measures import rate_limited

Rate = tuple[int, int]  # how often in how many seconds


class Limits:
    """`by_user` is for each user and each callback, `by_address` for each address and route."""

    def __init__(
        self, limiter: RateLimiter, by_user: Rate, by_address: Rate, refusals: Refusals
    ) -> None:
        self._limiter = limiter
        self._by_user = by_user
        self._by_address = by_address
        self._refusals = refusals

    def refuse(self, what: str) -> Response | None:
        """429 where this visitor asked too often for `what` (the output of a callback, a route)."""
        actor = g.get("actor")
        known = isinstance(actor, Actor)
        rate = self._by_user if known else self._by_address
        who = f"user:{actor.id}" if known else f"visitor:{network(request.remote_addr or '')}"
        try:
            taken = self._limiter.take(f"{who}:{_short(what)}", *rate)
        except (DatabaseReadOnly, DatabaseFull):
            return None  # nobody can be counted; all that anybody can do is look
        except DatabaseUnavailable as error:
            return outage(error)
        if taken.allowed:
            return None
        rate_limited("user" if known else "address")
        if taken.first_refusal:
            self._refusals.limited(what, rate)
        wait = taken.again_after_seconds
        return refusal(429, f"too many requests; try again {soon(wait)}", wait)


def _short(what: str) -> str:
    """Outputs are long, and keys are kept."""
    return hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:32]
