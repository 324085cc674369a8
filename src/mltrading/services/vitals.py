"""How the deployment is at this moment: what /metrics, /health/full and the Ops page show of it.

Read at most every 10 seconds, whoever asks: a monitor that comes often costs nothing more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan

from mltrading.domain.calendar import Calendars
from mltrading.errors import DatabaseUnavailable
from mltrading.services.health import Health
from mltrading.services.ports import DatabaseState, Deployment
from mltrading.services.ports.operations import (
    Ingest,
    Machine,
    MachineState,
    OperationsBook,
    Queue,
)
from mltrading.utils.clock import Clock, microseconds

FRESH_SECONDS = 10.0
SECOND = 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class IngestLag:
    """`age_seconds`: since the newest bar. `lag_seconds`: since the close of the oldest session
    that should be stored and is not, 0 when none is missing; NaN where no calendar tells."""

    source: str
    newest: datetime
    age_seconds: float
    lag_seconds: float


@dataclass(frozen=True, slots=True)
class Stored:
    """What only the database tells."""

    ingest: Sequence[IngestLag] = ()
    queues: Sequence[Queue] = ()
    deployments: Sequence[Deployment] = ()
    worker_seen_seconds: float | None = None
    digest_sent: datetime | None = None


@dataclass(frozen=True, slots=True)
class Vital:
    """`stored` None: the database did not answer in time."""

    at: datetime
    database: DatabaseState
    response_seconds: float
    machine: MachineState
    stored: Stored | None


class Vitals:
    """One reader at a time; the others wait for what it finds."""

    def __init__(
        self,
        health: Health,
        book: OperationsBook,
        calendars: Calendars,
        machine: Machine,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health = health
        self._book = book
        self._calendars = calendars
        self._machine = machine
        self._clock = clock
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._kept: Vital | None = None
        self._read_at = 0.0

    def read(self) -> Vital:
        """Raises for no failure of the database."""
        with self._turn:
            now = self._monotonic()
            if self._kept is None or now - self._read_at >= FRESH_SECONDS:
                self._kept, self._read_at = self._read(), now
            return self._kept

    def _read(self) -> Vital:
        state = self._health.database()
        return Vital(
            self._clock.now(),
            state,
            self._health.response_seconds if state.answers else nan,
            self._machine.read(),
            self._stored() if state.current else None,
        )

    def _stored(self) -> Stored | None:
        try:
            return Stored(
                tuple(self._lag(one) for one in self._book.ingest()),
                tuple(self._book.queues()),
                tuple(self._book.deployments(1)),
                self._book.worker_seen(),
                self._book.digest_sent(),
            )
        except DatabaseUnavailable:
            return None

    def _lag(self, ingest: Ingest) -> IngestLag:
        now = self._clock.now()
        lags = [self._behind(*one, microseconds(now)) for one in ingest.sessions]
        known = [lag for lag in lags if lag is not None]
        newest = datetime.fromtimestamp(ingest.newest / SECOND, now.tzinfo)
        return IngestLag(
            ingest.source,
            newest,
            max(0.0, (now - newest).total_seconds()),
            max(known) if known else nan,
        )

    def _behind(self, calendar: str, session: int, now: int) -> float | None:
        """Seconds since the first session after `session` closed; 0 where none has."""
        found = self._calendars.get(calendar, now)
        if found is None or not found.covers(session, now):
            return None
        closed = found.first_completed_after(session, now)
        return 0.0 if closed is None else (now - closed) / SECOND
