"""How old data is, counted in sessions of its exchange and said in words."""

from __future__ import annotations

from dataclasses import dataclass

from mltrading.domain.bars import DAY
from mltrading.domain.calendar import Calendar

SUSPECT_AGE = 14 * DAY
"""Without a calendar data is called stale at this age: no exchange stays shut that long."""
_COUNTED = 20


@dataclass(frozen=True, slots=True)
class Staleness:
    """`sessions` completed since the newest bar (None: calendar unknown); `text` is "" when
    fresh, else an age such as "2 sessions" or "13 y"."""

    stale: bool
    sessions: int | None
    text: str


def staleness(calendar: Calendar | None, session: int, now: int) -> Staleness:
    """The age of data whose newest session is labelled `session`, at the moment `now` (µs UTC)."""
    age = max(0, now - session)
    if calendar is None or not calendar.covers(session, now):
        stale = age > SUSPECT_AGE
        unknown = "trading days unknown"
        return Staleness(stale, None, f"{age_text(age)}, {unknown}" if stale else "")
    behind = calendar.completed_after(session, now)
    if not behind:
        return Staleness(False, 0, "")
    if behind > _COUNTED:
        return Staleness(True, behind, age_text(age))
    return Staleness(True, behind, "1 session" if behind == 1 else f"{behind} sessions")


def age_text(age: int) -> str:
    """A span in microseconds in its largest fitting unit: "3 d", "5 mo", "13 y"."""
    days = age // DAY
    if days < 60:
        return f"{days} d"
    if days < 730:
        return f"{days * 12 // 365} mo"
    return f"{days * 100 // 36525} y"
