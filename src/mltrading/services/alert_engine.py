"""The operators' alert engine: looks every 15 seconds, one worker at a time.

With the database, state and messages change in one transaction of it. Without, the worker that led
goes on alone with what needs no database (alert_direct), and hands that in when it is back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from mltrading.domain.alerting.notices import NewId, Ruleset
from mltrading.domain.alerting.rules import DELIVERY_FAILED, FILE_WRONG
from mltrading.domain.alerting.states import Finding, Value
from mltrading.domain.alerting.turns import Book, Changes, Evaluation, Trouble, applied, turn
from mltrading.errors import DatabaseUnavailable
from mltrading.services.alert_direct import DirectAlerts
from mltrading.services.alert_sensors import Probes, Sensors, alone
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.alerts import AlertConfig, AlertStore
from mltrading.utils.clock import Clock
from mltrading.utils.message import Severity

log = logging.getLogger(__name__)

EVERY_SECONDS = 15.0
LEASE_SECONDS = 45.0
STANDBY_SECONDS = 60.0
"""So long a worker that did not lead leaves it to the one that did to tell that the database is
away; then it tells where a second telling is none."""
SOON_SECONDS = 1.0


class Role(Enum):
    UNKNOWN = "unknown"  # it has not met the database yet, so nobody else is known to lead
    LEADER = "leader"
    STANDBY = "standby"


@dataclass
class DatabaseClock:
    """The time of the database, carried on by this machine while it is away; until it was met, the
    clock of this machine."""

    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    _met: tuple[datetime, float] | None = None

    def meet(self, now: datetime) -> None:
        self._met = now, self.monotonic()

    def now(self) -> datetime:
        if self._met is None:
            return self.clock.now()
        moment, at = self._met
        return moment + timedelta(seconds=self.monotonic() - at)


class AlertEngine:
    """`look` is called by one thread, again after as many seconds as it returns."""

    def __init__(
        self,
        holder: str,
        store: AlertStore,
        direct: DirectAlerts,
        sensors: Sensors,
        config: AlertConfig,
        clock: DatabaseClock,
        new_id: NewId,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._holder = holder
        self._store = store
        self._direct = direct
        self._sensors = sensors
        self._config = config
        self._clock = clock
        self._new_id = new_id
        self._monotonic = monotonic
        self._lost_since: float | None = None
        self._worked_at = float("-inf")
        self.role = Role.UNKNOWN
        self.trouble = ""
        """Why the database is not used at present; "" while it is."""

    def look(self) -> float:
        """Evaluate every rule once; the seconds until the next time."""
        ruleset = self._config.ruleset()
        probes = self._sensors.probe()
        try:
            if probes.database is DatabaseState.OUTDATED:
                self.trouble = "the database lacks migrations"
                self._look_alone(ruleset, probes, "")
            elif probes.database.answers:
                return self._look_with_database(ruleset, probes)
            else:
                self.trouble = f"the database does not answer: {probes.database.value}"
                self._look_alone(ruleset, probes, self.trouble)
        except DatabaseUnavailable as error:
            self.trouble = str(error)
            self._look_alone(ruleset, probes, self.trouble)
        return EVERY_SECONDS

    def worked_within(self, seconds: float) -> bool:
        """Whether this worker evaluated so recently."""
        return self._monotonic() - self._worked_at <= seconds

    def _look_with_database(self, ruleset: Ruleset, probes: Probes) -> float:
        if not self._hand_in():
            return SOON_SECONDS
        now = self._store.lead(self._holder, LEASE_SECONDS)
        self._lost_since, self.trouble = None, ""
        self.role = Role.STANDBY if now is None else Role.LEADER
        if now is None:
            return EVERY_SECONDS
        self._clock.meet(now)
        evaluations = self._sensors.evaluations(ruleset.rules, probes, now)
        evaluations.append(self._file())
        after: list[Book] = []

        def decide(book: Book, moment: datetime) -> Changes:
            failing = _failing(ruleset, book.troubles)
            changes = turn(ruleset, book, [*evaluations, failing], moment, self._new_id)
            after.append(applied(book, changes))
            return changes

        changes = self._store.turn(self._holder, decide)
        if changes is None:
            self.role = Role.STANDBY
            return EVERY_SECONDS
        self._direct.remember(ruleset, after[0], changes.messages)
        self._worked_at = self._monotonic()
        return self._until(changes)

    def _hand_in(self) -> bool:
        """Whether the database knows all that happened without it."""
        spooled = self._direct.to_hand_in()
        if spooled is None:
            return True
        if self._direct.sending:
            return False
        self._store.adopt(self._direct.to_hand_in() or spooled)
        self._direct.handed_in()
        return True

    def _look_alone(self, ruleset: Ruleset, probes: Probes, down: str) -> None:
        now = self._monotonic()
        if self._lost_since is None:
            self._lost_since = now
        if self.role is Role.STANDBY:
            if now - self._lost_since < STANDBY_SECONDS:
                return
            ruleset = _where_twice_is_once(ruleset)
        if not self._direct.ours:
            return  # another worker on this machine does it
        self._direct.turn(ruleset, alone(ruleset.rules, probes, down))
        self._worked_at = self._monotonic()

    def _until(self, changes: Changes) -> float:
        if changes.look_at is None:
            return EVERY_SECONDS
        ahead = (changes.look_at - self._clock.now()).total_seconds()
        return min(EVERY_SECONDS, max(0.0, ahead))

    def _file(self) -> Evaluation:
        problem = self._config.problem()
        value = Value.TRUE if problem else Value.FALSE
        said = f"alerting.yml is not valid, the last good one holds: {problem}" if problem else ""
        return Evaluation(FILE_WRONG, {(): Finding(value, said or "alerting.yml is valid")})


def _failing(ruleset: Ruleset, troubles: tuple[Trouble, ...]) -> Evaluation:
    """Which channels do not get through. That is as grave as what they are to tell."""

    def severity(one: Trouble) -> Severity:
        critical = ruleset.destinations.get("critical", ())
        return "critical" if one.destination in critical else "warning"

    return Evaluation(
        DELIVERY_FAILED,
        {
            (("channel", one.destination.name),): Finding(Value.TRUE, one.said, severity(one))
            for one in troubles
        },
    )


def _where_twice_is_once(ruleset: Ruleset) -> Ruleset:
    """Only receivers that take a second telling of the same for none; where there is none of them,
    one other, because not to tell would be worse."""

    destinations = {}
    for severity, known in ruleset.destinations.items():
        keyed = tuple(one for one in known if one.kind == "pagerduty")
        destinations[severity] = keyed or known[:1]
    return replace(ruleset, destinations=destinations)
