"""Turns of the alert engine on a clock that a test moves; and what they sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from mltrading.domain.alerting.notices import Queued, Ruleset
from mltrading.domain.alerting.rules import DEFAULT_RULES, Labels, Rule, dedup_key
from mltrading.domain.alerting.states import Alert, Finding, Value
from mltrading.domain.alerting.turns import Book, Evaluation, Event, applied, turn
from mltrading.utils.message import Destination, Severity

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVERY_SECONDS = 15
SLACK, MAIL, PAGER = (
    Destination("slack", "#critical"),
    Destination("email", "oncall@company.com"),
    Destination("pagerduty", "service-key"),
)
TEAM = Destination("slack", "#warning")
INFO = Destination("slack", "#info")
DESTINATIONS: Mapping[Severity, tuple[Destination, ...]] = {
    "critical": (SLACK, MAIL, PAGER),
    "warning": (TEAM,),
    "info": (INFO,),
}
Timeline = Callable[[float], Mapping[str, Value]]
"""What each rule is found to be so many seconds after the start; FALSE where it is not named."""


@dataclass
class Simulation:
    rules: Sequence[Rule] = DEFAULT_RULES
    destinations: Mapping[Severity, tuple[Destination, ...]] = field(
        default_factory=lambda: DESTINATIONS
    )
    now: datetime = START
    book: Book = Book()
    sent: list[tuple[float, Queued]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    look_at: datetime | None = None

    def __post_init__(self) -> None:
        self._ids = (f"id{number}" for number in count(1))

    @property
    def ruleset(self) -> Ruleset:
        return Ruleset("production", tuple(self.rules), self.destinations)

    @property
    def seconds(self) -> float:
        return (self.now - START).total_seconds()

    def turn(
        self, found: Mapping[str, Value] | None = None, *more: Evaluation, only: str = ""
    ) -> list[Queued]:
        """Evaluate at this moment every rule (or one); what is queued by it."""
        values = found or {}
        evaluations = [
            Evaluation(rule, {(): Finding(values.get(rule.name, Value.FALSE), f"{rule.name} said")})
            for rule in self.rules
            if not only or rule.name == only
        ]
        changes = turn(
            self.ruleset, self.book, [*evaluations, *more], self.now, lambda: next(self._ids)
        )
        self.book = applied(self.book, changes)
        self.look_at = changes.look_at
        self.sent += [(self.seconds, one) for one in changes.messages]
        self.events += changes.events
        return list(changes.messages)

    def run(self, timeline: Timeline, until: float) -> None:
        """Evaluate as the worker does: every 15 s, and when something falls due by itself."""
        following = self.now
        while self.seconds <= until:
            self.turn(timeline(self.seconds))
            if self.now >= following:
                following = self.now + timedelta(seconds=EVERY_SECONDS)
            self.now = min(following, self.look_at or following)

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def alert(self, name: str, labels: Labels = ()) -> Alert:
        return self.book.alerts[dedup_key("production", name, labels)]

    def silence_with(self, *silences: object) -> None:
        self.book = replace(self.book, silences=silences)  # type: ignore[arg-type]

    def told(self, destination: Destination | None = None) -> list[tuple[float, str]]:
        """When what was queued, in short: its title, "resolved" where it ends an incident."""
        return [
            (at, f"{'resolved ' if one.message.resolved else ''}{one.message.title}")
            for at, one in self.sent
            if destination is None or one.destination == destination
        ]


def true(*names: str) -> Timeline:
    """Always true."""
    return lambda _: dict.fromkeys(names, Value.TRUE)


def between(name: str, *spans: tuple[float, float]) -> Timeline:
    """True in the spans, their ends left out."""
    return lambda at: ({name: Value.TRUE} if any(low <= at < high for low, high in spans) else {})
