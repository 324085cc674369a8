"""How people are told: one line, and the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import Enum

from mltrading.domain.alerting.states import Alert, moved_by
from mltrading.utils.message import Message, Severity, shorten

SHOWN = 20  # alerts of one message by name
LONGEST_LINE = 300
RUNBOOK = "docs/runbook.md"


class What(Enum):
    TRIGGER = "trigger"
    UPDATE = "update"
    REPEAT = "repeat"
    RESOLVE = "resolve"


class Say:
    """Writes messages of one moment, each with an id of its own."""

    def __init__(
        self, environment: str, link: str | None, now: datetime, new_id: Callable[[], str]
    ) -> None:
        self._environment = environment
        self._link = link
        self._now = now
        self._new_id = new_id

    def message(
        self,
        what: What,
        key: str,
        severity: Severity,
        firing: Sequence[Alert],
        over: Sequence[Alert],
    ) -> Message:
        """Of alerts of one rule: those that fire, and those that do not any more."""
        message_id = self._new_id()
        name = (*firing, *over)[0].rule
        lines = [*self._lines(firing, over)]
        if what is not What.RESOLVE:
            lines.append(f"What to do: {RUNBOOK}#{anchor(name)}")
        lines.append(f"Message {message_id}")
        return Message(
            severity,
            f"{self._environment} {name}{self._title(what, firing, over)}",
            "\n".join(lines),
            key,
            self._link,
            what is What.RESOLVE,
            message_id,
        )

    def _title(self, what: What, firing: Sequence[Alert], over: Sequence[Alert]) -> str:
        if what is What.RESOLVE:
            longest = max(moved_by(one.fired_at, one.true_at or self._now) for one in over)
            return f": over after {lasting(longest)}"
        still = " goes on" if what is What.REPEAT else ""
        if what is What.UPDATE:
            return f": {len(firing)} go on, {len(over)} over"
        if len(firing) == 1:
            return f"{still}: {firing[0].said}"
        return f"{still}: {len(firing)} alerts"

    def _lines(self, firing: Sequence[Alert], over: Sequence[Alert]) -> list[str]:
        lines = [
            f"{named(one)}since {moment(one.pending_since or one.fired_at)}: {one.said}"
            for one in firing
        ]
        lines += [f"{named(one)}over: {one.said}" for one in over]
        more = len(lines) - SHOWN
        shown = [shorten(line, LONGEST_LINE) for line in lines[:SHOWN]]
        return [*shown, f"and {more} more"] if more > 0 else shown


def named(alert: Alert) -> str:
    """What tells it from others of its rule; nothing where there is only one."""
    return "".join(f"{label} {value}, " for label, value in alert.labels)


def moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown moment"


def clearing(alert: Alert, over_at: datetime | None) -> str:
    """That an alert still fires though its condition is not true any more, and until when; ""
    where it is true."""
    if not alert.open or alert.false_since is None:
        return ""
    since = f"condition cleared at {alert.false_since.astimezone(UTC):%H:%M:%S}"
    if over_at is None:
        return f"{since} UTC, over if it stays so"
    return f"{since}, over at {over_at.astimezone(UTC):%H:%M:%S} UTC if it stays so"


def lasting(seconds: float) -> str:
    """A span of time as people say it."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(0, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def anchor(rule: str) -> str:
    """The heading of the runbook that says what to do."""
    return rule.lower()
