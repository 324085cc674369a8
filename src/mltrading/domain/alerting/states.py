"""What an alert is, and what it is after one more evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from mltrading.domain.alerting.rules import Labels, Rule
from mltrading.utils.message import Severity

LONGEST_GAP_SECONDS = 300.0
"""What nobody evaluated for longer than this has not been true, or false, all the time."""
BROKEN_AFTER = 3  # errors in a row


class State(Enum):
    INACTIVE = "inactive"
    PENDING = "pending"  # true, not for long enough yet
    FIRING = "firing"
    RESOLVED = "resolved"  # not true any more, and not again since
    NODATA = "nodata"
    ERROR = "error"


class Value(Enum):
    TRUE = "true"
    FALSE = "false"
    NODATA = "nodata"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one evaluation found, and how to say so in one line. `severity` None: the rule's."""

    value: Value
    said: str = ""
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule with its labels. Moments are those of evaluations.

    `evaluated_at`: the newest evaluation without an error; `true_at`: the newest that found it
    true; `false_since`: while firing, the first of an unbroken row that found it false; `fired_at`
    and `resolved_at`: of the newest incident. `errors`: in a row, up to now. `muted_by`: why nobody
    is told of the open incident.
    """

    key: str
    rule: str
    labels: Labels
    severity: Severity
    state: State = State.INACTIVE
    said: str = ""
    pending_since: datetime | None = None
    evaluated_at: datetime | None = None
    true_at: datetime | None = None
    false_since: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    errors: int = 0
    muted_by: str = ""

    @property
    def open(self) -> bool:
        """Whether its incident goes on."""
        return self.state is State.FIRING

    @property
    def broken(self) -> bool:
        return self.errors >= BROKEN_AFTER

    @property
    def facts(self) -> dict[str, str]:
        """What a silence may match."""
        return {**dict(self.labels), "rule": self.rule, "severity": self.severity}


def advance(alert: Alert, rule: Rule, finding: Finding, now: datetime) -> Alert:
    """The alert after an evaluation of its rule at `now`."""
    if finding.value is Value.ERROR:
        return _failed(alert, finding)
    known = replace(
        _continued(alert, now),
        severity=finding.severity or rule.severity,
        said=finding.said,
        evaluated_at=now,
        errors=0,
    )
    value = finding.value
    if value is Value.NODATA and rule.no_data_fires:
        value = Value.TRUE
    if value is Value.TRUE:
        return _true(known, rule, now)
    return _false(known, rule, now) if value is Value.FALSE else _unknown(known)


def withdrawn(alert: Alert, now: datetime) -> Alert:
    """The alert of a rule that there is no more: an open incident ends."""
    if alert.open:
        return replace(
            _ended(alert, now), said="its rule was taken out of alerting.yml", evaluated_at=now
        )
    if alert.state is State.RESOLVED:
        return alert
    return replace(alert, state=State.INACTIVE, pending_since=None, errors=0)


def moved_by(moment: datetime | None, now: datetime) -> float:
    """Seconds from a moment to now; infinite where there was none."""
    return float("inf") if moment is None else (now - moment).total_seconds()


def _continued(alert: Alert, now: datetime) -> Alert:
    """The alert without what a gap, or a clock that was set, leaves unproved."""
    if abs(moved_by(alert.evaluated_at, now)) > LONGEST_GAP_SECONDS:
        return replace(alert, pending_since=None, false_since=None)
    return alert


def _true(alert: Alert, rule: Rule, now: datetime) -> Alert:
    if alert.open:
        return replace(alert, true_at=now, false_since=None)
    since = now
    if alert.state is State.PENDING and alert.pending_since is not None:
        since = min(alert.pending_since, now)
    if now - since < timedelta(seconds=rule.for_seconds):
        return replace(alert, state=State.PENDING, pending_since=since, true_at=now)
    return replace(
        alert,
        state=State.FIRING,
        pending_since=since,
        true_at=now,
        false_since=None,
        fired_at=now,
        resolved_at=None,
        muted_by="",
    )


def _false(alert: Alert, rule: Rule, now: datetime) -> Alert:
    if not alert.open:
        state = State.RESOLVED if alert.state is State.RESOLVED else State.INACTIVE
        return replace(alert, state=state, pending_since=None)
    since = min(alert.false_since or now, now)
    if now - since >= timedelta(seconds=rule.keep_seconds):
        return _ended(alert, now)
    return replace(alert, false_since=since)


def _ended(alert: Alert, now: datetime) -> Alert:
    return replace(
        alert,
        state=State.RESOLVED,
        pending_since=None,
        false_since=None,
        resolved_at=now,
        muted_by="",
        errors=0,
    )


def _unknown(alert: Alert) -> Alert:
    """Without data an open incident goes on, and nothing that was pending is proved."""
    if alert.open:
        return replace(alert, false_since=None)
    return replace(alert, state=State.NODATA, pending_since=None)


def _failed(alert: Alert, finding: Finding) -> Alert:
    """An error is a gap: what was pending waits for the next evaluation, up to the third error."""
    erred = replace(alert, said=finding.said, errors=alert.errors + 1)
    if alert.open:
        return replace(erred, false_since=None)
    if alert.state is State.PENDING and not erred.broken:
        return erred
    return replace(erred, state=State.ERROR, pending_since=None)
