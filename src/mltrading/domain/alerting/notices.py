"""Who is told what: one message a rule and receiver, no sooner and no more often than promised.

People (Slack, e-mail) get the alerts of one rule together; machines (PagerDuty, webhooks) get each
alert for itself, because they open and end an incident by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from mltrading.domain.alerting.rules import DELIVERY_FAILED, Rule, dedup_key
from mltrading.domain.alerting.states import Alert, moved_by
from mltrading.domain.alerting.words import Say, What
from mltrading.utils.message import SEVERITIES, Destination, Message, Severity

GROUP_WAIT_SECONDS: Mapping[str, float] = MappingProxyType({"critical": 0.0, "warning": 30.0})
GROUP_INTERVAL_SECONDS = 300.0
REPEAT_SECONDS: Mapping[str, float] = MappingProxyType(
    {"critical": 3_600.0, "warning": 4 * 3_600.0}
)
MACHINES = ("pagerduty", "webhook")
NEVER_REPEATED = ("pagerduty",)  # an incident stays open there, and escalates by itself

NewId = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What holds now: rules, and the receivers that can be reached, by severity. `link` leads to
    where one may look."""

    environment: str
    rules: tuple[Rule, ...]
    destinations: Mapping[Severity, tuple[Destination, ...]]
    link: str | None = None

    def receivers(self, alert: Alert) -> tuple[Destination, ...]:
        """Who is to be told of it; of a channel that fails, every other one of its severity, or of
        the next that has another."""
        if alert.rule != DELIVERY_FAILED.name:
            return self.destinations.get(alert.severity, ())
        failing = alert.facts.get("channel")
        for severity in (alert.severity, *SEVERITIES):
            others = [one for one in self.destinations.get(severity, ()) if one.name != failing]
            if others:
                return tuple(others)
        return ()

    def subject(self, alert: Alert, destination: Destination) -> str:
        """The key of the messages about it."""
        if destination.kind in MACHINES:
            return alert.key
        return dedup_key(self.environment, alert.rule)


@dataclass(frozen=True, slots=True)
class Told:
    """A receiver knows of the open alert `key`. `at`: of the newest message; `opened_id`: the first
    one of the incident there."""

    key: str
    destination: Destination
    at: datetime
    opened_id: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A message for one receiver, in an incident that the message `opened_id` opened there."""

    destination: Destination
    message: Message
    opened_id: str


Waiting = frozenset[tuple[str, Destination]]
"""Keys and receivers of messages that are queued and not sent yet."""


@dataclass
class Plan:
    """What is to be sent, and who knows of what once it is queued. `look_at`: when the next message
    falls due by itself."""

    messages: list[Queued] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    look_at: list[datetime] = field(default_factory=list)


@dataclass
class _Bundle:
    """Alerts that one receiver is told of together, and which of them it knows of."""

    destination: Destination
    subject: str
    alerts: list[Alert]
    told: dict[str, Told]

    @property
    def severity(self) -> Severity:
        return "critical" if any(one.severity == "critical" for one in self.alerts) else "warning"

    @property
    def fresh(self) -> list[Alert]:
        return [one for one in self.alerts if one.key not in self.told]

    @property
    def going_on(self) -> list[Alert]:
        return [one for one in self.alerts if one.key in self.told and one.open]

    @property
    def over(self) -> list[Alert]:
        return [one for one in self.alerts if one.key in self.told and not one.open]


class Planner:
    """Decides for all receivers at one moment."""

    def __init__(self, ruleset: Ruleset, waiting: Waiting, now: datetime, new_id: NewId) -> None:
        self._ruleset = ruleset
        self._waiting = waiting
        self._now = now
        self._say = Say(ruleset.environment, ruleset.link, now, new_id)
        self._plan = Plan()

    def plan(self, alerts: Mapping[str, Alert], told: Iterable[Told]) -> Plan:
        for bundle in self._bundles(alerts, told):
            if bundle.told and not bundle.going_on:
                self._end(bundle)
            if not bundle.told:
                self._begin(bundle)
            else:
                self._go_on(bundle)
            self._plan.told.extend(bundle.told.values())
        return self._plan

    def _bundles(self, alerts: Mapping[str, Alert], told: Iterable[Told]) -> Iterator[_Bundle]:
        bundles: dict[tuple[Destination, str], _Bundle] = {}

        def bundle_of(alert: Alert, destination: Destination) -> _Bundle:
            subject = self._ruleset.subject(alert, destination)
            return bundles.setdefault((destination, subject), _Bundle(destination, subject, [], {}))

        for one in told:
            alert = alerts.get(one.key)
            if alert is not None:
                bundle = bundle_of(alert, one.destination)
                bundle.alerts.append(alert)
                bundle.told[one.key] = one
        for alert in alerts.values():
            if self._tellable(alert):
                for destination in self._ruleset.receivers(alert):
                    bundle = bundle_of(alert, destination)
                    if alert.key not in bundle.told:
                        bundle.alerts.append(alert)
        yield from bundles.values()

    def _tellable(self, alert: Alert) -> bool:
        """Whether it may be told to who does not know of it: what is not true at this moment may be
        over, and what is muted is not said."""
        return alert.open and not alert.muted_by and alert.true_at == self._now

    def _begin(self, bundle: _Bundle) -> None:
        """Tell of what is new, once the time to gather more of it is over."""
        fresh = bundle.fresh
        if not fresh:
            return
        first = min(one.fired_at for one in fresh if one.fired_at is not None)
        if self._wait(first, GROUP_WAIT_SECONDS[bundle.severity]):
            return
        message = self._say.message(What.TRIGGER, bundle.subject, bundle.severity, fresh, [])
        self._queue(bundle, message, message.id)
        self._know(bundle, fresh, message.id)

    def _go_on(self, bundle: _Bundle) -> None:
        """Tell of changes, and again of what stays, with the pauses that each needs."""
        newest = max(one.at for one in bundle.told.values())
        opened_id = next(iter(bundle.told.values())).opened_id
        fresh, going_on, over = bundle.fresh, bundle.going_on, bundle.over
        if fresh or over:
            if self._wait(newest, GROUP_INTERVAL_SECONDS):
                return
            message = self._say.message(
                What.UPDATE, bundle.subject, bundle.severity, [*going_on, *fresh], over
            )
            for one in over:
                del bundle.told[one.key]
        elif self._repeats(bundle, newest):
            message = self._say.message(What.REPEAT, bundle.subject, bundle.severity, going_on, [])
        else:
            return
        self._queue(bundle, message, opened_id)
        self._know(bundle, [*going_on, *fresh], opened_id)

    def _repeats(self, bundle: _Bundle, newest: datetime) -> bool:
        if bundle.destination.kind in NEVER_REPEATED:
            return False
        if (bundle.subject, bundle.destination) in self._waiting:
            return False  # it has not even heard the last one
        if all(one.muted_by for one in bundle.going_on):
            return False
        if newest > self._now:
            return False  # a clock was set; nobody is to be told again for that
        return not self._wait(newest, REPEAT_SECONDS[bundle.severity])

    def _end(self, bundle: _Bundle) -> None:
        """All that the receiver knew of is over: that is said at once."""
        opened_id = next(iter(bundle.told.values())).opened_id
        message = self._say.message(What.RESOLVE, bundle.subject, bundle.severity, [], bundle.over)
        self._queue(bundle, message, opened_id)
        bundle.alerts = bundle.fresh
        bundle.told = {}

    def _wait(self, since: datetime, seconds: float) -> bool:
        """Whether so much time has yet to pass. A moment to come is of a clock that was set, and no
        reason to keep anybody waiting."""
        passed = moved_by(since, self._now)
        if 0 <= passed < seconds:
            self._plan.look_at.append(since + timedelta(seconds=seconds))
            return True
        return False

    def _queue(self, bundle: _Bundle, message: Message, opened_id: str) -> None:
        self._plan.messages.append(Queued(bundle.destination, message, opened_id))

    def _know(self, bundle: _Bundle, alerts: Sequence[Alert], opened_id: str) -> None:
        for one in alerts:
            known = bundle.told.get(one.key)
            bundle.told[one.key] = (
                replace(known, at=self._now)
                if known
                else Told(one.key, bundle.destination, self._now, opened_id)
            )
