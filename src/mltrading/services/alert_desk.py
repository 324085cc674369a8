"""What the operators' page of alerts shows: whether anybody evaluates, what is true, who was told,
what is still to be sent, which rules are in force, and what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from mltrading.domain.access import Actor, Permission
from mltrading.domain.alerting.rules import OWN_RULES, Rule, by_name
from mltrading.domain.alerting.silences import Silence, matchers_of
from mltrading.domain.alerting.states import Alert, State
from mltrading.domain.alerting.turns import Event
from mltrading.services.alerts import Alerts, AlertsNow
from mltrading.services.ports.alert_desk import (
    AlertFile,
    DeadLetter,
    DeskBook,
    DeskFile,
    DeskRecord,
    Leader,
)
from mltrading.services.ports.alerts import QueueState
from mltrading.services.ports.audit import Origin
from mltrading.utils.message import SEVERITIES, Destination, Severity
from mltrading.utils.monitoring import monitor_performance

PAGE_EVENTS = 50
MOST_PAGES = 1_000
MOST_DEAD = 20
LATEST_SECONDS = 60.0
"""Evaluations that are older do not count as going on."""
LONGEST_NAME = 64


class Watch(Enum):
    """Whether what is shown is true now."""

    GOES_ON = "goes on"
    NEVER = "nothing was ever evaluated"
    ENDED = "nobody evaluates any more"
    OFF = "monitoring.alerts is off"


@dataclass(frozen=True, slots=True)
class Quiet:
    """A silence that lasts. `by`: the e-mail address of who made it, else what acted; `open`: how
    many open alerts nobody is told of because of it."""

    silence: Silence
    by: str
    open: int


@dataclass(frozen=True, slots=True)
class Outlet:
    """A channel, and what waits for it. `severities`: what it hears of, none where alerting.yml
    names it no more; `unusable`: why nothing can be sent to it."""

    destination: Destination
    severities: tuple[Severity, ...]
    queue: QueueState
    unusable: str


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule that is in force, and the gravest state of its alerts; None: never evaluated."""

    rule: Rule
    state: State | None


@dataclass(frozen=True, slots=True)
class History:
    """A page of what happened, newest first. `rule` "": of all; `rules`: those to choose from."""

    events: Sequence[Event]
    rule: str
    rules: Sequence[str]
    page: int
    more: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """All that the page shows, as of `now.at`. `told`: who knows of an open alert, by its key.
    `file` None of `rules`: it can not be read."""

    now: AlertsNow
    watch: Watch
    leader: Leader | None
    told: Mapping[str, Sequence[Destination]]
    silences: Sequence[Quiet]
    outlets: Sequence[Outlet]
    dead: Sequence[DeadLetter]
    file: AlertFile
    rules: Sequence[Ruled]
    history: History

    def in_state(self, *states: State) -> list[Alert]:
        return [one for one in self.now.alerts if one.state in states]

    def matchers(self, key: str) -> str:
        """What matches the alert of that key; "" where there is none."""
        found = [one for one in self.now.alerts if one.key == key]
        return matchers_of(found[0].facts) if found else ""

    def fires_at(self, alert: Alert) -> datetime | None:
        """When a pending alert fires if it stays true; None where its rule is not known here."""
        known = {one.rule.name: one.rule for one in self.rules}
        if alert.pending_since is None or alert.rule not in known:
            return None
        return alert.pending_since + timedelta(seconds=known[alert.rule].for_seconds)


class AlertDesk:
    """Every verb needs the right to change settings. `switched_on`: monitoring.alerts."""

    def __init__(
        self, alerts: Alerts, book: DeskBook, file: DeskFile, *, switched_on: bool
    ) -> None:
        self._alerts = alerts
        self._book = book
        self._file = file
        self._switched_on = switched_on

    @monitor_performance
    def look(self, actor: Actor, rule: str = "", page: int = 1) -> Desk:
        """Everything at this moment; of the history, a page (from 1) of one rule or of all."""
        actor.require(Permission.MODIFY_SETTINGS)
        now, record, file = self._alerts.current(actor), self._record(), self._file.read()
        return Desk(
            now=now,
            watch=self._watch(now, record.leader),
            leader=record.leader,
            told=_told(now),
            silences=[_quiet(one, now.alerts, record.authors) for one in now.silences],
            outlets=_outlets(file, now.queue),
            dead=record.dead,
            file=file,
            rules=_ruled(file.rules or (), now),
            history=self._history(_named(rule), min(max(page, 1), MOST_PAGES), record, file),
        )

    @monitor_performance
    def silence(
        self, actor: Actor, matchers: str, seconds: float, reason: str, origin: Origin
    ) -> Silence:
        """As Alerts.silence."""
        return self._alerts.silence(actor, matchers, seconds, reason, origin)

    @monitor_performance
    def unsilence(self, actor: Actor, silence_id: str, origin: Origin) -> None:
        """As Alerts.unsilence."""
        self._alerts.unsilence(actor, silence_id, origin)

    def _record(self) -> DeskRecord:
        return self._book.record(MOST_DEAD)

    def _watch(self, now: AlertsNow, leader: Leader | None) -> Watch:
        if not self._switched_on:
            return Watch.OFF
        if now.evaluated_at is None:
            return Watch.NEVER
        leads = leader is not None and leader.until >= now.at
        recent = (now.at - now.evaluated_at).total_seconds() <= LATEST_SECONDS
        # An evaluation that failed is one that somebody tried: it is shown as what it is.
        tries = recent or any(one.errors for one in now.alerts)
        return Watch.GOES_ON if leads and tries else Watch.ENDED

    def _history(self, rule: str, page: int, record: DeskRecord, file: AlertFile) -> History:
        found = self._book.history(rule, PAGE_EVENTS + 1, (page - 1) * PAGE_EVENTS)
        known = {one.name for one in file.rules or ()} | set(record.rules)
        more = len(found) > PAGE_EVENTS and page < MOST_PAGES
        return History(found[:PAGE_EVENTS], rule, sorted(known), page, more)


def _named(rule: str) -> str:
    """A name that could be asked for; "" for what could not (no column holds a NUL)."""
    return rule[:LONGEST_NAME] if rule.isprintable() else ""


def _told(now: AlertsNow) -> dict[str, list[Destination]]:
    known: dict[str, list[Destination]] = {}
    for one in now.told:
        known.setdefault(one.key, []).append(one.destination)
    return {key: sorted(found) for key, found in known.items()}


def _quiet(silence: Silence, alerts: Iterable[Alert], authors: Mapping[str, str]) -> Quiet:
    muted = sum(one.open and one.muted_by == f"silence {silence.id}" for one in alerts)
    return Quiet(silence, authors.get(silence.author, silence.author), muted)


def _outlets(file: AlertFile, queue: Iterable[QueueState]) -> list[Outlet]:
    """The channels of the file, in its order, and those that something still waits for."""
    hears: dict[Destination, list[Severity]] = {}
    for severity in SEVERITIES:
        for destination in file.channels.get(severity, ()):
            hears.setdefault(destination, []).append(severity)
    waits = {one.destination: one for one in queue}
    return [
        Outlet(
            one,
            tuple(hears.get(one, ())),
            waits.get(one) or QueueState(one, 0, 0.0, 0, ""),
            file.unusable.get(one, ""),
        )
        for one in (*hears, *(one for one in waits if one not in hears))
    ]


_GRAVEST = (
    State.FIRING,
    State.ERROR,
    State.PENDING,
    State.NODATA,
    State.RESOLVED,
    State.INACTIVE,
)


def _ruled(rules: Iterable[Rule], now: AlertsNow) -> list[Ruled]:
    """Those of the file, and what the engine tells of itself."""
    found = []
    own = {one.name for one in OWN_RULES}
    for rule in by_name(rules).values():
        states = [one.state for one in now.alerts if one.rule == rule.name]
        gravest = min(states, key=_GRAVEST.index) if states else None
        if gravest is None and rule.name in own and now.evaluated_at is not None:
            gravest = State.INACTIVE  # it is remembered once there was one
        found.append(Ruled(rule, gravest))
    return sorted(found, key=lambda one: one.rule.name in own)
