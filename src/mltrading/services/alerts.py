"""What an administrator may ask and do about the operators' alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mltrading.domain.access import Actor, Permission
from mltrading.domain.alerting.notices import Told
from mltrading.domain.alerting.rules import Rule, by_name
from mltrading.domain.alerting.silences import (
    Silence,
    checked,
    parse_matchers,
    refuse_unknown,
)
from mltrading.domain.alerting.states import Alert, State
from mltrading.domain.alerting.turns import Event
from mltrading.errors import InvalidSilence
from mltrading.services.alert_preview import Foreseen, foresee
from mltrading.services.ports.alerts import AlertConfig, AlertStore, QueueState
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.operations import RAW_DAYS, Samples
from mltrading.utils.message import DELIVERED, Outcome
from mltrading.utils.monitoring import monitor_performance

MOST_EVENTS = 1_000
HOUR_UTC = 4
NOWHERE = Origin()
_ORDER = {
    state: number
    for number, state in enumerate(
        (State.FIRING, State.PENDING, State.ERROR, State.NODATA, State.RESOLVED, State.INACTIVE)
    )
}


@dataclass(frozen=True, slots=True)
class AlertsNow:
    """Alerts by state, firing ones first; silences that last; messages that are not sent; who was
    told of what is open, or is to be. `evaluated_at` None: nothing was ever evaluated. `over_at`:
    when a firing alert whose condition is not true any more is over, by key, if its rule is known.
    """

    at: datetime
    evaluated_at: datetime | None
    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...]
    queue: tuple[QueueState, ...]
    told: tuple[Told, ...]
    over_at: Mapping[str, datetime]


class Alerts:
    """Every verb needs the right to change settings."""

    def __init__(self, store: AlertStore, config: AlertConfig, samples: Samples) -> None:
        self._store = store
        self._config = config
        self._samples = samples

    @monitor_performance
    def current(self, actor: Actor) -> AlertsNow:
        """What is true now. Rules that were never evaluated are not among the alerts."""
        actor.require(Permission.MODIFY_SETTINGS)
        book, now = self._store.book()
        alerts = sorted(book.alerts.values(), key=lambda one: (_ORDER[one.state], one.rule))
        looked = [one.evaluated_at for one in alerts if one.evaluated_at is not None]
        newest = max(looked, default=None)
        queue = tuple(self._store.queue())
        over_at = self._over_at(alerts)
        return AlertsNow(now, newest, tuple(alerts), book.silences, queue, book.told, over_at)

    def _over_at(self, alerts: Sequence[Alert]) -> Mapping[str, datetime]:
        cleared = {one.key: one for one in alerts if one.open and one.false_since is not None}
        if not cleared or self._config.problem():
            return {}
        rules = by_name(self._config.ruleset().rules)
        return {
            key: one.false_since + timedelta(seconds=rules[one.rule].keep_seconds)
            for key, one in cleared.items()
            if one.false_since is not None and one.rule in rules
        }

    @monitor_performance
    def history(self, actor: Actor, since: datetime) -> Sequence[Event]:
        """What fired, ended, or was muted from then on, newest first; the newest 1,000."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._store.events(since, MOST_EVENTS)

    @monitor_performance
    def silences(self, actor: Actor) -> Sequence[Silence]:
        """Those that last, oldest first."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._store.book()[0].silences

    @monitor_performance
    def silence(
        self, actor: Actor, matchers: str, seconds: float, reason: str, origin: Origin = NOWHERE
    ) -> Silence:
        """From now on for so long nobody is told of what matches ("MemoryHigh",
        "rule=Error*,severity!=critical"). InvalidSilence says what is not allowed; a rule that
        there is not is not."""
        actor.require(Permission.MODIFY_SETTINGS)
        parsed, said = parse_matchers(matchers), checked(seconds, reason)
        if not self._config.problem():
            alerts = self._store.book()[0].alerts.values()  # of rules that are gone, too
            in_force = by_name(self._config.ruleset().rules)
            refuse_unknown(parsed, {*in_force, *(one.rule for one in alerts)})

        def made(silence_id: str, now: datetime) -> Silence:
            ends_at = now + timedelta(seconds=seconds)
            return Silence(silence_id, parsed, actor.id, said, now, ends_at)

        def event(one: Silence) -> AuditEvent:
            # The reason stays with the silence: it may name a person, and the trail must not.
            details = {"matchers": one.text, "ends_at": one.ends_at.isoformat()}
            return AuditEvent(
                "alerts.silence", actor.id, target=one.id, details=details, origin=origin
            )

        return self._store.add_silence(made, event)

    @monitor_performance
    def unsilence(self, actor: Actor, silence_id: str, origin: Origin = NOWHERE) -> None:
        """End a silence; InvalidSilence where none of that id lasts."""
        actor.require(Permission.MODIFY_SETTINGS)
        event = AuditEvent("alerts.unsilence", actor.id, target=silence_id[:20], origin=origin)
        if not self._store.end_silence(silence_id, event):
            raise InvalidSilence(
                f"no silence {silence_id[:20]!r} lasts; mltrading alerts list shows those that do"
            )

    @monitor_performance
    def preview(self, actor: Actor, days: float) -> Sequence[Foreseen]:
        """How often each rule of alerting.yml would have fired on the samples of the last days."""
        actor.require(Permission.MODIFY_SETTINGS)
        _, now = self._store.book()
        since = now - timedelta(days=min(days, RAW_DAYS))
        return foresee(self._config.ruleset().rules, self._samples, since, now)

    def rules(self, actor: Actor) -> Sequence[Rule]:
        """Those of alerting.yml that hold now."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._config.ruleset().rules


class AlertHistoryJob:
    """The job (services.jobs) that gives up, each day, what of alerts was kept for long enough."""

    name = "alert-history"
    targets: Sequence[str] = ("database",)

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    def due(self, now: datetime) -> datetime | None:
        """The newest such hour: what was missed is caught up with."""
        moment = now.replace(hour=HOUR_UTC, minute=0, second=0, microsecond=0)
        return moment if now >= moment else moment - timedelta(days=1)

    def perform(self, target: str, due_at: datetime) -> Outcome:
        self._store.tidy()
        return DELIVERED
