"""How often rules would have fired on what was recorded, by the state machine that fires them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mltrading.domain.alerting.rules import Rule, dedup_key
from mltrading.domain.alerting.states import LONGEST_GAP_SECONDS, Alert, advance
from mltrading.services.alert_sensors import measured_finding
from mltrading.services.ports.operations import Samples, Window


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Of one rule. `evaluations` of a recorded span, from its first sample on; incidents that would
    have begun in it, the newest of them at `newest_at`; for how long one would have been open, in
    all and at most. An incident that goes on counts up to the end of the span."""

    rule: Rule
    evaluations: int
    incidents: int
    open_seconds: float
    longest_seconds: float
    newest_at: datetime | None


def foresee(
    rules: Iterable[Rule], samples: Samples, since: datetime, until: datetime
) -> list[Foreseen]:
    """Each rule for itself, evaluated once a window (at most 5 minutes), not every 15 seconds, and
    without what mutes it."""
    return [_foreseen(rule, samples, since, until) for rule in rules]


def _foreseen(rule: Rule, samples: Samples, since: datetime, until: datetime) -> Foreseen:
    step = round(min(rule.window_seconds, LONGEST_GAP_SECONDS))
    alert = Alert(dedup_key("preview", rule.name), rule.name, (), rule.severity)
    evaluations, incidents, spans = 0, 0, []
    newest_at = None
    for at, window in _windows(samples, since, until, step):
        before, alert = alert, advance(alert, rule, measured_finding(rule, window), at)
        evaluations += 1
        if alert.open and not before.open:
            incidents, newest_at = incidents + 1, at
        if before.open and not alert.open:
            spans.append((at - (alert.fired_at or at)).total_seconds())
    if alert.open and alert.fired_at is not None:
        spans.append((until - alert.fired_at).total_seconds())
    return Foreseen(rule, evaluations, incidents, sum(spans), max(spans, default=0.0), newest_at)


def _windows(
    samples: Samples, since: datetime, until: datetime, step: int
) -> Iterator[tuple[datetime, Window]]:
    """Every whole step from the first sample on, by its end; without samples it is empty."""
    known = {at.astimezone(UTC): window for at, window in samples.series(since, until, step)}
    if not known:
        return
    at, length = min(known), timedelta(seconds=step)
    while at + length <= until:
        yield at + length, known.get(at, Window())
        at += length
