"""What the rules of alerts are judged by: two probes, and the numbers that processes hand over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mltrading.domain.alerting.judging import Measured, judge
from mltrading.domain.alerting.rules import Rule
from mltrading.domain.alerting.states import Finding, Value
from mltrading.domain.alerting.turns import Evaluation
from mltrading.services.ports import DatabaseProbe, DatabaseState
from mltrading.services.ports.alerts import AppProbe, AppState, WebSigns
from mltrading.services.ports.operations import Samples, Window

log = logging.getLogger(__name__)

DATABASE_SECONDS = 1.9
DATABASE_AGAIN_SECONDS = 2.1  # by then /health, which keeps its outcome for 2 s, knows it too
APP_AGAIN_SECONDS = 1.0
MANY_FAILURES = 5
"""So many failed uses of the database in a window are a database that fails its users."""

MEASURES: Mapping[str, Callable[[Window], float]] = {
    "error_rate": lambda window: window.error_rate,
    "response_time": lambda window: window.latency_p95_seconds,
    "memory": lambda window: window.memory_share,
    "cpu": lambda window: window.cpu_share,
    "disk_free": lambda window: window.disk_free_share,
    "database_failures": lambda window: float(window.database_failures),
}


@dataclass(frozen=True, slots=True)
class Probes:
    """What was asked directly. `app` None: nobody told its address."""

    database: DatabaseState
    app: AppState | None


class Sensors:
    """Asked by one thread at a time."""

    def __init__(
        self,
        database: DatabaseProbe,
        app: AppProbe | None,
        samples: Samples,
        signs: WebSigns,
        *,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._app = app
        self._samples = samples
        self._signs = signs
        self._sleep = sleep
        self._monotonic = monotonic
        self._answering_since: float | None = None

    def probe(self) -> Probes:
        """Ask the database and the application; each again before it is called down."""
        state = self._database.check(DATABASE_SECONDS)
        if not state.answers:
            self._sleep(DATABASE_AGAIN_SECONDS)
            state = self._database.check(DATABASE_SECONDS)
        if not state.answers:
            self._answering_since = None
        elif self._answering_since is None:
            self._answering_since = self._monotonic()
        return Probes(state, self._ask_app())

    def _ask_app(self) -> AppState | None:
        if self._app is None:
            return None
        state = self._app.check()
        if not state.healthy:
            self._sleep(APP_AGAIN_SECONDS)
            state = self._app.check()
        return state

    def evaluations(self, rules: Iterable[Rule], probes: Probes, now: datetime) -> list[Evaluation]:
        """What was found of each rule at `now`, the database's; one that can not be judged at this
        moment, but may be at the next, is left out."""
        windows = _Windows(self._samples, now)
        found = ((rule, self._judged(rule, probes, windows, now)) for rule in rules)
        return [Evaluation(rule, {(): one}) for rule, one in found if one is not None]

    def _judged(
        self, rule: Rule, probes: Probes, windows: _Windows, now: datetime
    ) -> Finding | None:
        try:
            if rule.condition.signal == "app_down":
                return self._app_down(rule, probes, now)
            window = windows.of(rule)
        except Exception as error:  # that a rule can not be judged is an alert of its own
            log.warning("the rule %s can not be judged", rule.name, exc_info=error)
            return Finding(Value.ERROR, f"its numbers can not be read ({type(error).__name__})")
        return measured_finding(rule, window)

    def _app_down(self, rule: Rule, probes: Probes, now: datetime) -> Finding | None:
        if probes.app is not None:
            return app_finding(probes.app)
        # Processes could not hand over anything while the database, or this one, was away.
        since = self._answering_since
        if since is None or self._monotonic() - since < rule.window_seconds:
            return None
        if self._signs.seen(rule.window_seconds, now):
            return Finding(Value.FALSE, "processes hand over their numbers")
        return Finding(
            Value.NODATA,
            f"no process that serves pages gave a sign of life in {rule.window_seconds:.0f} s",
        )


class _Windows:
    """Asks for each span once."""

    def __init__(self, samples: Samples, now: datetime) -> None:
        self._samples = samples
        self._now = now
        self._known: dict[float, Window] = {}

    def of(self, rule: Rule) -> Window:
        seconds = rule.window_seconds
        if seconds not in self._known:
            self._known[seconds] = self._samples.window(round(seconds), self._now)
        return self._known[seconds]


def app_finding(state: AppState) -> Finding:
    return Finding(Value.FALSE if state.healthy else Value.TRUE, state.said or "healthy")


def measured_finding(rule: Rule, window: Window) -> Finding:
    """What a window says of a rule, as far as numbers go: of the database, whether it fails those
    who use it; of the application, whether it is there at all."""
    signal = rule.condition.signal
    if signal == "app_down":
        value = Value.FALSE if window.samples else Value.NODATA
        return Finding(value, f"{window.samples:,} samples")
    if signal == "database_down":
        if window.database_failures >= MANY_FAILURES:
            said = f"it answers, but failed {window.database_failures:,} times"
            return Finding(Value.TRUE, said)
        return Finding(Value.FALSE, "it answers")
    measured = Measured(MEASURES[signal](window), window.requests, window.samples)
    return judge(rule, measured)


def alone(rules: Iterable[Rule], probes: Probes, down: str) -> list[Evaluation]:
    """What can be said without the database. `down`: why that counts as down; "": it does not."""
    found = []
    for rule in rules:
        if rule.condition.signal == "database_down":
            value = Value.TRUE if down else Value.FALSE
            found.append(Evaluation(rule, {(): Finding(value, down or "it answers")}))
        elif rule.condition.signal == "app_down" and probes.app is not None:
            found.append(Evaluation(rule, {(): app_finding(probes.app)}))
    return found
