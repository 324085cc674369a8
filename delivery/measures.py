"""The pipeline's measures from its history: pure maths, nothing is asked and nothing invented.

Targets are the project's: build time < 10 minutes, coverage > 80 %, deployments daily or more,
deployment success > 99 %, time to recovery < 30 minutes. Lead time and the wait for approval have
none: they are reported. What can not be known is None with what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from delivery.outage import Outage


@dataclass(frozen=True, slots=True)
class Build:
    """A run of the gates that ended green, from its first job's creation to the end of `check`."""

    finished: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """One time that `promote` ran for production. `waited` are the seconds its job waited for an
    approval (and a runner); `lead` the seconds of each commit it brought, from the commit to the
    end of the promotion, without that wait (None: not known)."""

    commit: str
    finished: datetime
    succeeded: bool
    waited: float
    lead: tuple[float, ...] | None = None
    outage: Outage | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """A person undid the newest release; production is healthy since."""

    finished: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What happened, in any order; `coverage` in per cent, by the end of the job that counted."""

    since: datetime | None = None
    builds: tuple[Build, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    coverage: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """`value` in `unit`, or None; `met` None: no value, or no target. `lower` is better."""

    name: str
    unit: str
    value: float | None
    note: str
    target: str = ""
    met: bool | None = None
    lower: bool = True


@dataclass(frozen=True, slots=True)
class Period:
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start < moment <= self.end

    def before(self) -> Period:
        return Period(self.start - (self.end - self.start), self.start)


def measures(history: History, period: Period) -> list[Measure]:
    """All measures of the period, in the order of the table."""
    return [
        _build_time(history, period),
        _coverage(history, period),
        _frequency(history, period),
        _success(history, period),
        _recovery(history, period),
        _lead_time(history, period),
        _approval_wait(history, period),
    ]


def _judged(
    name: str,
    unit: str,
    value: float | None,
    note: str,
    target: str,
    good: Callable[[float], bool],
    lower: bool = True,
) -> Measure:
    met = None if value is None else good(value)
    return Measure(name, unit, value, note, target, met, lower)


def _build_time(history: History, period: Period) -> Measure:
    seconds = [one.seconds for one in history.builds if period.holds(one.finished)]
    value = median(seconds) / 60 if seconds else None
    note = f"median of {_count(len(seconds), 'green run')}" if seconds else "needs a green run"
    if seconds:
        note += f", longest {max(seconds) / 60:.1f} min"
    return _judged("Build time", "min", value, note, "< 10 min", lambda found: found < 10)


def _coverage(history: History, period: Period) -> Measure:
    counted = [one for one in history.coverage if period.holds(one[0])]
    value = max(counted)[1] if counted else None
    note = "newest on main" if counted else "needs a run that counted it"
    return _judged("Coverage", "%", value, note, "> 80 %", lambda found: found > 80, lower=False)


def releases(history: History) -> list[Deployment]:
    """Deployments that changed what runs, or tried to, oldest first: repeating the commit that
    production runs already is none."""
    kept: list[Deployment] = []
    running = None
    for one in sorted(history.deployments, key=lambda each: each.finished):
        if one.succeeded and one.commit == running:
            continue
        kept.append(one)
        running = one.commit if one.succeeded else running
    return kept


def _frequency(history: History, period: Period) -> Measure:
    done = [one for one in releases(history) if one.succeeded]
    inside = [one for one in done if period.holds(one.finished)]
    name, target = "Deployment frequency", "daily or more"
    earlier = [one for one in done if one.finished <= period.end]
    if not earlier or history.since is None:
        return Measure(name, "a day", None, "needs a deployment", target, None, lower=False)
    start = max(period.start, history.since)
    days = max((period.end - start) / timedelta(days=1), 1.0)
    value = len(inside) / days
    note = f"{_count(len(inside), 'deployment')} in {days:.0f} days"
    return _judged(name, "a day", value, note, target, lambda found: found >= 1, lower=False)


def _success(history: History, period: Period) -> Measure:
    """A deployment failed when its promotion did, or when a person undid it afterwards."""
    undone = _undone(history)
    inside = [one for one in releases(history) if period.holds(one.finished)]
    failed = [one for one in inside if not one.succeeded or one in undone]
    value = 100 * (1 - len(failed) / len(inside)) if inside else None
    note = "needs a deployment"
    if inside:
        rate = 100 * len(failed) / len(inside)
        note = f"change-failure rate {rate:.1f} %: {len(failed)} of {len(inside)}"
    return _judged(
        "Deployment success", "%", value, note, "> 99 %", lambda found: found > 99, lower=False
    )


def _undone(history: History) -> list[Deployment]:
    """For each rollback the newest success before it that was not undone yet."""
    undone: list[Deployment] = []
    done = [one for one in releases(history) if one.succeeded]
    for rollback in sorted(history.rollbacks, key=lambda each: each.finished):
        before = [one for one in done if one.finished < rollback.finished and one not in undone]
        undone += before[-1:]
    return undone


def outages(history: History) -> list[Outage]:
    """Each time production failed its visitors, oldest first.

    As `promote` announced it, where nobody helped; one it could not end is over with the next
    success or rollback. A release undone by a person is an outage from the end of its promotion,
    the earliest that it may have failed.
    """
    healthy = sorted(
        [one.finished for one in history.deployments if one.succeeded]
        + [one.finished for one in history.rollbacks]
    )
    found = [one.outage for one in history.deployments if one.outage is not None]
    found += [Outage(one.finished, None) for one in _undone(history)]
    return sorted(
        (_ended(one, healthy) for one in found), key=lambda one: (one.failed_at, str(one))
    )


def _ended(outage: Outage, healthy: Iterable[datetime]) -> Outage:
    if outage.healthy_at is not None:
        return outage
    after = [moment for moment in healthy if moment > outage.failed_at]
    return Outage(outage.failed_at, after[0] if after else None)


def _recovery(history: History, period: Period) -> Measure:
    inside = [one for one in outages(history) if period.holds(one.failed_at)]
    minutes = [
        (one.healthy_at - one.failed_at).total_seconds() / 60 for one in inside if one.healthy_at
    ]
    value = median(minutes) if minutes else None
    open_ones = len(inside) - len(minutes)
    note = f"median of {_count(len(minutes), 'outage')}" if minutes else "no outage that ended"
    if open_ones:
        note += f"; {open_ones} not recovered yet"
    met = None if value is None else value < 30
    return Measure("Time to recovery", "min", value, note, "< 30 min", met and not open_ones)


def _lead_time(history: History, period: Period) -> Measure:
    done = [one for one in releases(history) if one.succeeded and period.holds(one.finished)]
    hours = [seconds / 3600 for one in done for seconds in one.lead or ()]
    value = median(hours) if hours else None
    note = f"median of {_count(len(hours), 'commit')}, without the wait for approval"
    return Measure("Lead time", "h", value, note if hours else "needs 2 deployments")


def _approval_wait(history: History, period: Period) -> Measure:
    inside = [one.waited / 60 for one in history.deployments if period.holds(one.finished)]
    value = median(inside) if inside else None
    note = f"median of {_count(len(inside), 'deployment')}, in no other number"
    return Measure("Wait for approval", "min", value, note if inside else "needs a deployment")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(slots=True)
class Trend:
    """A measure beside the same of the period before."""

    now: Measure
    before: Measure
    words: str = field(init=False)

    def __post_init__(self) -> None:
        if self.now.value is None or self.before.value is None:
            self.words = "-"
        elif abs(self.now.value - self.before.value) <= 0.005 * abs(self.before.value):
            self.words = "same"
        else:
            better = (self.now.value < self.before.value) == self.now.lower
            self.words = "better" if better else "worse"
