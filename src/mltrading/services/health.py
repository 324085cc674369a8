"""Whether this deployment is well, for load balancers and people on call.

An answer never takes longer than the deadline, however the database fails, and never holds
more than a code: messages of the database name hosts and users.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mltrading.services.ports import DatabaseProbe, DatabaseState
from mltrading.utils.clock import Clock

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 1.9  # the probe alone; /health as a whole is promised within 2 s
FRESH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """`checks` maps what was checked to its code; `error` is None when healthy."""

    timestamp: datetime
    checks: dict[str, str]
    error: str | None

    @property
    def healthy(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True)
class Running:
    """What answers: the program's version, its commit, and the platform's name of the release;
    None where nobody told."""

    version: str
    commit: str | None
    release: str | None


class Health:
    """One check at a time, whoever asks: its outcome serves everyone for `FRESH_SECONDS`."""

    def __init__(
        self,
        probe: DatabaseProbe,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._probe = probe
        self._clock = clock
        self._monotonic = monotonic
        self._deadline_seconds = deadline_seconds
        self._changed = threading.Condition()
        self._running = False
        self._state = DatabaseState.TIMEOUT
        self._checked_at = float("-inf")
        self._lasted = float("nan")

    @property
    def response_seconds(self) -> float:
        """How long the newest check took; NaN before the first."""
        return self._lasted

    def report(self) -> HealthReport:
        """Healthy means that the own database answers. There are no external APIs yet, so none
        can be down; trouble upstream would not make this deployment unhealthy either."""
        state = self.database()
        return HealthReport(
            timestamp=self._clock.now(),
            checks={
                "database": "ok" if state.answers and not state.read_only else state.value,
                "external_apis": "not_configured",
            },
            error=None if state.answers else state.value,
        )

    def ready(self) -> HealthReport:
        """Ready means healthy, with the schema that this program needs. Where the database takes no
        changes pages are shown all the same, so that is ready too."""
        state = self.database()
        return HealthReport(
            timestamp=self._clock.now(),
            checks={"database": state.value},
            error=None if state.current else state.value,
        )

    def database(self) -> DatabaseState:
        """The newest outcome, waiting for a check where it is older than `FRESH_SECONDS`."""
        asked_at = self._monotonic()
        with self._changed:
            if asked_at - self._checked_at < FRESH_SECONDS:
                return self._state
            if not self._running:
                self._running = True
                threading.Thread(target=self._check, name="health", daemon=True).start()
            done = self._changed.wait_for(
                lambda: self._checked_at >= asked_at or not self._running, self._deadline_seconds
            )
            return self._state if done else DatabaseState.TIMEOUT

    def _check(self) -> None:
        started = self._monotonic()
        try:
            state = self._probe.check(self._deadline_seconds)
        except Exception:  # a broken probe must not leave those who ask waiting
            log.exception("the health check itself failed")
            state = DatabaseState.ERROR
        with self._changed:
            self._state, self._running = state, False
            self._checked_at = self._monotonic()
            self._lasted = self._checked_at - started
            self._changed.notify_all()
