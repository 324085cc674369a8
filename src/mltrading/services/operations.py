"""What an administrator may ask of the deployment's own running; the Ops page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import isnan

from mltrading.domain.access import Actor, Permission
from mltrading.services.days import DayReader, Days, together
from mltrading.services.job_states import JobState, job_states
from mltrading.services.ports import Deployment
from mltrading.services.ports.operations import (
    AlertsShort,
    Budget,
    LogQuery,
    LogRecord,
    OperationsBook,
    PipelineMetric,
    Process,
    Samples,
    Timing,
    Usage,
    UsageKind,
    Window,
)
from mltrading.services.vitals import Vital, Vitals
from mltrading.utils.clock import Clock
from mltrading.utils.histogram import quantile
from mltrading.utils.monitoring import monitor_verbs

LOG_PAGE = 50
LONGEST_TEXT = 200
STEPS = (
    (timedelta(hours=6), 60),
    (timedelta(days=2), 900),
    (timedelta(days=8), 3600),
    (timedelta(days=32), 14_400),
)
"""How fine a span of time is shown: at most its first part, in steps of so many seconds. So no
chart has more than a few hundred points."""
DAY_SECONDS = 86_400
PRESENT_SECONDS = 60.0
"""A process that said nothing for longer is gone: each hands over its numbers every 15 seconds."""
SHOWN_DEPLOYMENTS = 50

Series = Sequence[tuple[datetime, Window]]


@dataclass(frozen=True, slots=True)
class Used:
    """Usage of a span of whole hours, most used first; users by day, without names. `days` are the
    first and the last that it touches."""

    pages: Sequence[Usage]
    services: Sequence[Usage]
    users: Sequence[tuple[date, int]]
    days: tuple[date, date]


@dataclass(frozen=True, slots=True)
class LogPage:
    """`more`: whether there is a page after this one."""

    records: Sequence[LogRecord]
    query: LogQuery
    more: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What measures should not exceed; None where nothing says so. `answer_ms` is for 95 of 100
    answers, `failed_percent` of all; `connections` of one web process to the database."""

    answer_ms: float | None = None
    failed_percent: float | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class BudgetState:
    """`value` is of the last 24 hours, None where it is not watched or nothing was measured; `met`
    then too."""

    budget: Budget
    value: float | None
    met: bool | None


@monitor_verbs("operations")
class Operations:
    """Reads only. Every verb needs the right to modify settings."""

    def __init__(
        self,
        samples: Samples,
        book: OperationsBook,
        vitals: Vitals,
        budgets: Sequence[Budget],
        in_force: Sequence[tuple[str, str, str]],
        clock: Clock,
        connections: int | None = None,
    ) -> None:
        self._samples = samples
        self._book = book
        self._vitals = vitals
        self._budgets = budgets
        self._in_force = in_force
        self._clock = clock
        self._connections = connections
        self._days = DayReader(samples, book)

    def now(self, actor: Actor) -> Vital:
        """How the deployment is at this moment, at most 10 seconds old."""
        _require(actor)
        return self._vitals.read()

    def history(self, actor: Actor, span: timedelta) -> Series:
        """How it ran, in steps that suit the span: requests, latency, error rate, shares."""
        _require(actor)
        now, step = self._clock.now(), step_of(span)
        # From the begin of a step on, else the first one is a part that looks like a whole.
        since = (now - span).timestamp() // step * step
        return self._samples.series(datetime.fromtimestamp(since, now.tzinfo), now, step)

    def latency(self, actor: Actor, span: timedelta) -> Window:
        """The whole span as one: latency, error rate, how many."""
        return together([window for _, window in self.history(actor, span)])

    def error_rate(self, actor: Actor, span: timedelta) -> float:
        """The share of answers that failed, 0 to 1; NaN without any."""
        return self.latency(actor, span).error_rate

    def usage(self, actor: Actor, span: timedelta) -> Used:
        """Which pages and services were used how often, and how many users there were."""
        _require(actor)
        now = self._clock.now()
        since = _hour(now - span)
        return Used(
            self._book.usage("page", since, now),
            self._book.usage("service", since, now),
            self._book.active_users(since.date(), now.date() + timedelta(days=1)),
            (since.date(), now.date()),
        )

    def slowest(self, actor: Actor, span: timedelta) -> Sequence[Usage]:
        """Routes, callbacks and services that were used in a span of whole hours, by the time that
        95 of 100 calls did not exceed, the slowest first."""
        _require(actor)
        now = self._clock.now()
        since = _hour(now - span)
        kinds: tuple[UsageKind, ...] = ("route", "callback", "service")
        found = [one for kind in kinds for one in self._book.usage(kind, since, now)]
        timed = [one for one in found if sum(one.latency)]
        return sorted(timed, key=lambda one: quantile(one.latency, 0.95), reverse=True)

    def usage_history(
        self, actor: Actor, kind: UsageKind, name: str, span: timedelta
    ) -> Sequence[tuple[datetime, Usage]]:
        """One route, callback or service, hour by hour."""
        _require(actor)
        now = self._clock.now()
        return self._book.usage_hours(kind, name[:LONGEST_TEXT], _hour(now - span), now)

    def jobs(self, actor: Actor) -> Sequence[JobState]:
        """What the workers do at their times, overdue ones first."""
        _require(actor)
        return job_states(self._book.jobs())

    def processes(self, actor: Actor) -> Sequence[Process]:
        """Those that run."""
        _require(actor)
        return self._book.processes(PRESENT_SECONDS)

    def alerts(self, actor: Actor) -> AlertsShort:
        """How many alerts there are in which state."""
        _require(actor)
        return self._book.alerts()

    def experience(self, actor: Actor, span: timedelta) -> Sequence[Timing]:
        """What browsers measured, by page."""
        _require(actor)
        now = self._clock.now()
        return self._book.timings(now - span, now)

    def trends(self, actor: Actor) -> Days:
        """The last 24 whole hours beside the 24 before."""
        _require(actor)
        return self._days.days(self._clock.now())

    def deployments(self, actor: Actor) -> Sequence[Deployment]:
        """The newest first."""
        _require(actor)
        return self._book.deployments(SHOWN_DEPLOYMENTS)

    def log(self, actor: Actor, query: LogQuery) -> LogPage:
        """A page of recent warnings and errors of all processes, newest first."""
        _require(actor)
        query = replace(
            query,
            text=query.text.strip()[:LONGEST_TEXT],
            request_id=query.request_id.strip()[:LONGEST_TEXT],
            page=max(1, query.page),
        )
        found = self._book.log(query, LOG_PAGE)
        more = len(found) == LOG_PAGE and bool(
            self._book.log(replace(query, page=query.page + 1), LOG_PAGE)
        )
        return LogPage(found, query, more)

    def pipeline(self, actor: Actor) -> Sequence[PipelineMetric] | None:
        """What the delivery jobs measured last; None where they never told."""
        _require(actor)
        return self._book.pipeline() or None

    def features(self, actor: Actor) -> Sequence[tuple[str, str, str]]:
        """The switches in force: (setting, value, where it comes from)."""
        _require(actor)
        return self._in_force

    def limits(self, actor: Actor) -> Limits:
        """The budgets that are watched, and how many connections a process may use at once."""
        _require(actor)
        known = {one.live: one.limit for one in self._budgets}
        return Limits(known.get("request_p95"), known.get("error_share"), self._connections)

    def budgets(self, actor: Actor) -> Sequence[BudgetState]:
        """What the dashboard may take, and what it takes where that is watched."""
        _require(actor)
        live = self._live() if any(one.live for one in self._budgets) else {}
        return [_state(one, live.get(one.live)) for one in self._budgets]

    def _live(self) -> Mapping[str, float]:
        """The figures of services.ports.operations.LIVE, of the last 24 hours."""
        day = self._days.days(self._clock.now() + timedelta(hours=1)).now  # with the running hour
        figures: dict[str, Callable[[], float]] = {
            "load_p75": lambda: 1000 * day.browser("load", 0.75),
            "paint_p75": lambda: 1000 * day.browser("paint", 0.75),
            "callback_p95": lambda: 1000 * day.p95(day.callbacks),
            "request_p95": lambda: 1000 * day.window.latency_p95_seconds,
            "error_share": lambda: 100 * day.window.error_rate,
        }
        return {name: figure() for name, figure in figures.items()}


def _state(budget: Budget, value: float | None) -> BudgetState:
    if value is None or isnan(value):
        return BudgetState(budget, None, None)
    return BudgetState(budget, value, value <= budget.limit)


def step_of(span: timedelta) -> int:
    """How many seconds of it are shown as one."""
    return next((step for longest, step in STEPS if span <= longest), DAY_SECONDS)


def _hour(moment: datetime) -> datetime:
    """The full hour that it lies in: usage is summed by those."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _require(actor: Actor) -> None:
    actor.require(Permission.MODIFY_SETTINGS)
