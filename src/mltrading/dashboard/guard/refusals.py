"""What the guard turned away, in the audit trail: enough to see it, and no more. Whoever is refused
can repeat it as fast as the network carries, and must not fill the trail with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock

from flask import g, request

from mltrading.dashboard.origin import current_origin
from mltrading.domain.access import Actor
from mltrading.services.attempts import network
from mltrading.services.ports.audit import ANONYMOUS, AuditEvent, AuditTrail

log = logging.getLogger(__name__)

WINDOW_SECONDS = 3600
MOST_OF_ONE = 20  # of one user, or of one address where nobody is signed in, in a window
MOST_OF_STRANGERS = 300  # of all addresses together
LONGEST_TARGET = 200


class Refusals:
    """Records refusals, of each process at most so many in an hour."""

    def __init__(self, trail: AuditTrail, now: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._now = now
        self._lock = Lock()
        self._ends = 0.0
        self._counted: dict[str, int] = {}
        self._strangers = 0

    def right(self, what: str, right: str) -> None:
        """403: the actor lacks `right` for `what`."""
        self._record("request.right", what, {"right": right})

    def forged(self, what: str, status: int) -> None:
        """A request that none of our own pages sent."""
        self._record("request.forged", what, {"reason": "token" if status == 400 else "origin"})

    def limited(self, what: str, rate: tuple[int, int]) -> None:
        """The first refusal of a window; the limiter tells it once."""
        self._record("request.limit", what, {"times": str(rate[0]), "seconds": str(rate[1])})

    def _record(self, action: str, what: str, details: dict[str, str]) -> None:
        actor = g.get("actor")
        who = actor.id if isinstance(actor, Actor) else ANONYMOUS
        if not self._room(who):
            return
        target, origin = what[:LONGEST_TARGET], current_origin()
        try:
            self._trail.record(AuditEvent(action, who, "refused", target, details, origin=origin))
        except Exception:  # it stays refused, whatever became of the record
            log.exception("not recorded: %s of %s, refused to %s", action, what, who)

    def _room(self, who: str) -> bool:
        """Whether one more fits; it is counted then."""
        stranger = who == ANONYMOUS
        key = f"{who} {network(request.remote_addr or '')}" if stranger else who
        with self._lock:
            if self._now() >= self._ends:
                self._ends, self._strangers = self._now() + WINDOW_SECONDS, 0
                self._counted.clear()
            if self._counted.get(key, 0) >= MOST_OF_ONE:
                return False
            if stranger and self._strangers >= MOST_OF_STRANGERS:
                return False
            self._counted[key] = self._counted.get(key, 0) + 1
            self._strangers += stranger
            return True
