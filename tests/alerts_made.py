"""Alerts, messages and a world of fakes for the tests of the engine's services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from mltrading.domain.alerting.notices import Queued, Ruleset, Told
from mltrading.domain.alerting.rules import DEFAULT_RULES, Rule, dedup_key
from mltrading.domain.alerting.states import Alert, State
from mltrading.utils.message import Destination, Message, Severity

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SLACK = Destination("slack", "#critical")
MAIL = Destination("email", "oncall@company.com")
PAGER = Destination("pagerduty", "service-key")
TEAM = Destination("slack", "#warning")
DESTINATIONS: Mapping[Severity, tuple[Destination, ...]] = {
    "critical": (SLACK, MAIL, PAGER),
    "warning": (TEAM,),
    "info": (TEAM,),
}
KINDS = {"slack", "email", "pagerduty", "webhook"}
_ids = count(1)


def make_ruleset(rules: Sequence[Rule] = DEFAULT_RULES) -> Ruleset:
    return Ruleset("production", tuple(rules), DESTINATIONS)


def make_alert(rule: str = "ErrorRateHigh", **fields: object) -> Alert:
    known: dict[str, object] = {
        "key": dedup_key("production", rule),
        "rule": rule,
        "labels": (),
        "severity": "critical",
        **fields,
    }
    return Alert(**known)  # type: ignore[arg-type]


def firing(rule: str = "ErrorRateHigh", at: datetime = NOON, **fields: object) -> Alert:
    moments = dict.fromkeys(("pending_since", "evaluated_at", "true_at", "fired_at"), at)
    known = {"state": State.FIRING, "said": f"{rule} said", **moments, **fields}
    return make_alert(rule, **known)


def queued(
    to: Destination = SLACK, key: str = "key", *, opens: str = "", resolved: bool = False
) -> Queued:
    """A message with an id of its own; `opens`: of the incident that it belongs to."""
    message_id = f"message{next(_ids)}"
    message = Message("critical", f"title of {message_id}", "text", key, None, resolved, message_id)
    return Queued(to, message, opens or message_id)


def told(alert: Alert, to: Destination = SLACK, opened_id: str = "first") -> Told:
    return Told(alert.key, to, NOON, opened_id)


@dataclass
class Hands:
    """A clock and a pause that tests move by hand."""

    moment: datetime = NOON
    at: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.go(seconds)

    def go(self, seconds: float) -> None:
        self.at += seconds
        self.moment += timedelta(seconds=seconds)


def new_ids(prefix: str = "id") -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers)}"
