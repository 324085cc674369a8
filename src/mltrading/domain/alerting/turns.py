"""One turn of the engine: from what is known and what was found to what is known and sent next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from mltrading.domain.alerting.notices import NewId, Planner, Queued, Ruleset, Told, Waiting
from mltrading.domain.alerting.rules import RULE_BROKEN, Labels, Rule, by_name, dedup_key
from mltrading.domain.alerting.silences import Silence
from mltrading.domain.alerting.states import (
    Alert,
    Finding,
    State,
    Value,
    advance,
    moved_by,
    withdrawn,
)
from mltrading.domain.alerting.words import lasting
from mltrading.utils.message import Destination, Severity

LATE_SECONDS = 30.0
"""What a window still holds of an incident comes in so late: samples are handed over in lots."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of one rule, by labels. What is not among them any more is false."""

    rule: Rule
    findings: Mapping[Labels, Finding]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A channel that lost messages since it last took one, or has kept one waiting for long (0 s:
    none). `reason`: what the newest of them met."""

    destination: Destination
    lost: int
    waiting_seconds: float
    reason: str

    @property
    def said(self) -> str:
        waits = f"a message waits since {lasting(self.waiting_seconds)}"
        lost = f"{self.lost:,} message{'' if self.lost == 1 else 's'} lost"
        words = [*([lost] if self.lost else []), *([waits] if self.waiting_seconds else [])]
        return f"{self.destination.name}: {', '.join(words)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Book:
    """All that is known before a turn."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    silences: tuple[Silence, ...] = ()
    waiting: Waiting = frozenset()
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an alert, for the history."""

    at: datetime
    key: str
    rule: str
    labels: Labels
    severity: Severity
    what: Literal["fired", "resolved", "muted", "unmuted"]
    said: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a turn leads to: alerts that differ, who knows of what now, what is to be sent, what
    the history is to hold. `look_at`: when to look again, where that is before the next time."""

    alerts: tuple[Alert, ...] = ()
    told: tuple[Told, ...] = ()
    messages: tuple[Queued, ...] = ()
    events: tuple[Event, ...] = ()
    look_at: datetime | None = None


def turn(
    ruleset: Ruleset,
    book: Book,
    evaluations: Sequence[Evaluation],
    now: datetime,
    new_id: NewId,
) -> Changes:
    """What follows from the evaluations at `now`. Rules that are not among them stay as they are;
    alerts of rules that there are no more end."""
    known = by_name(ruleset.rules)
    alerts = _evaluated(ruleset, book.alerts, evaluations, now)
    alerts = {key: one if one.rule in known else withdrawn(one, now) for key, one in alerts.items()}
    alerts = {key: _muted(one, alerts, known, book.silences, now) for key, one in alerts.items()}
    plan = Planner(ruleset, book.waiting, now, new_id).plan(alerts, book.told)
    changed = tuple(one for key, one in alerts.items() if one != book.alerts.get(key))
    look_at = [*plan.look_at, *_ripe(alerts.values(), known)]
    return Changes(
        alerts=changed,
        told=tuple(plan.told),
        messages=tuple(plan.messages),
        events=tuple(_events(book.alerts, changed, now)),
        look_at=min((one for one in look_at if one > now), default=None),
    )


def applied(book: Book, changes: Changes) -> Book:
    """The book after a turn."""
    alerts = {**book.alerts, **{one.key: one for one in changes.alerts}}
    return replace(book, alerts=alerts, told=changes.told)


def handed_in(
    spooled: Iterable[Alert], told: Iterable[Told], now: datetime
) -> tuple[tuple[Alert, ...], tuple[Told, ...]]:
    """The alerts as they are after a time that one machine watched alone, and who knows of them. No
    moment is later than `now`, whatever that machine's clock said; what had begun to end begins to
    end again, and the time to the next telling begins anew."""
    alerts = tuple(
        replace(
            one,
            pending_since=_past(one.pending_since, now),
            evaluated_at=now,
            true_at=_past(one.true_at, now),
            false_since=None,
            fired_at=_past(one.fired_at, now),
            resolved_at=_past(one.resolved_at, now),
        )
        for one in spooled
    )
    return alerts, tuple(replace(one, at=now) for one in told)


def _past(moment: datetime | None, now: datetime) -> datetime | None:
    return None if moment is None else min(moment, now)


def _evaluated(
    ruleset: Ruleset,
    before: Mapping[str, Alert],
    evaluations: Sequence[Evaluation],
    now: datetime,
) -> dict[str, Alert]:
    alerts = dict(before)
    untried = {one.name for one in ruleset.rules} - {one.rule.name for one in evaluations}
    for one in evaluations:
        _evaluate(ruleset.environment, alerts, one, now)
    _evaluate(ruleset.environment, alerts, _broken(alerts.values(), untried), now)
    return alerts


def _evaluate(
    environment: str, alerts: dict[str, Alert], evaluation: Evaluation, now: datetime
) -> None:
    rule = evaluation.rule
    met = set()
    for labels, finding in evaluation.findings.items():
        key = dedup_key(environment, rule.name, labels)
        met.add(key)
        alert = alerts.get(key) or Alert(key, rule.name, labels, rule.severity)
        if rule.own and finding.value is Value.FALSE and key not in alerts:
            continue  # the engine's own alerts are remembered once there was one
        alerts[key] = advance(alert, rule, finding, now)
    for key, alert in alerts.items():
        if alert.rule == rule.name and key not in met:
            alerts[key] = advance(
                alert, rule, Finding(Value.FALSE, alert.said, alert.severity), now
            )


def _broken(alerts: Iterable[Alert], untried: Set[str]) -> Evaluation:
    """That a rule can not be evaluated is an alert of its own. Of the untried, nothing is known
    that was not known before."""
    findings: dict[Labels, Finding] = {}
    for alert in alerts:
        if alert.rule == RULE_BROKEN.name:
            if alert.open and dict(alert.labels).get("rule") in untried:
                findings.setdefault(alert.labels, Finding(Value.NODATA, alert.said))
        elif alert.broken:
            said = f"{alert.rule} can not be evaluated: {alert.said}"
            findings[(("rule", alert.rule),)] = Finding(Value.TRUE, said)
    return Evaluation(RULE_BROKEN, findings)


def _muted(
    alert: Alert,
    alerts: Mapping[str, Alert],
    known: Mapping[str, Rule],
    silences: Iterable[Silence],
    now: datetime,
) -> Alert:
    if not alert.open:
        return alert
    return replace(alert, muted_by=_muter(alert, alerts.values(), known, silences, now))


def _muter(
    alert: Alert,
    alerts: Iterable[Alert],
    known: Mapping[str, Rule],
    silences: Iterable[Silence],
    now: datetime,
) -> str:
    """Why nobody is told of it; "" where nothing is against it."""
    rule = known[alert.rule]
    for other in alerts:
        if other.rule in known and known[other.rule].silences(rule) and _lasts(other, rule, now):
            return other.rule
    for silence in silences:
        if silence.mutes(alert.facts, now):
            return f"silence {silence.id}"
    return ""


def _lasts(source: Alert, rule: Rule, now: datetime) -> bool:
    """Whether it fires, or did so recently that the rule's window still holds what it caused."""
    if source.open:
        return True
    if source.fired_at is None or source.true_at is None or source.true_at < source.fired_at:
        return False
    return 0 <= moved_by(source.true_at, now) <= rule.window_seconds + LATE_SECONDS


def _ripe(alerts: Iterable[Alert], known: Mapping[str, Rule]) -> Iterable[datetime]:
    """When what is pending will have been so for long enough."""
    for one in alerts:
        if one.state is State.PENDING and one.pending_since is not None and one.rule in known:
            yield one.pending_since + timedelta(seconds=known[one.rule].for_seconds)


def _events(
    before: Mapping[str, Alert], changed: Iterable[Alert], now: datetime
) -> Iterable[Event]:
    for one in changed:
        old = before.get(one.key)
        was_open = old is not None and old.open
        muted_before = old.muted_by if old is not None and was_open else ""

        def event(
            what: Literal["fired", "resolved", "muted", "unmuted"], said: str, one: Alert = one
        ) -> Event:
            return Event(now, one.key, one.rule, one.labels, one.severity, what, said)

        if one.open and not was_open:
            yield event("fired", one.said)
        if one.open and one.muted_by and one.muted_by != muted_before:
            yield event("muted", one.muted_by)
        if one.open and muted_before and not one.muted_by:
            yield event("unmuted", muted_before)
        if was_open and not one.open:
            yield event("resolved", one.said)
