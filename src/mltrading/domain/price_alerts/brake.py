"""How often a trader is told: not again before the cooldown is over, nor more than so often a day.

Times are those of the bars, so a worker that was away tells what it would have told in time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mltrading.domain.bars import SECOND


@dataclass(frozen=True, slots=True)
class Brake:
    """`cooldown_seconds` from the end of one bar that was told to the end of the next;
    `daily_cap` bars on one day of the exchange's clock."""

    cooldown_seconds: int = 0
    daily_cap: int = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What was told last: when that bar ended (None: nothing yet), on which day of the exchange,
    and how many were told on it."""

    at: int | None = None
    day: int = 0
    count: int = 0

    def allows(self, brake: Brake, at: int, day: int) -> bool:
        """Whether a bar that ended at `at`, on `day`, may be told."""
        if self.cools_until(brake, at) is not None:
            return False
        return not self.capped(brake, day)

    def cools_until(self, brake: Brake, at: int) -> int | None:
        """The end of the cooldown that holds at `at`; None where none does."""
        if self.at is None:
            return None
        until = self.at + brake.cooldown_seconds * SECOND
        return until if at < until else None

    def capped(self, brake: Brake, day: int) -> bool:
        return self.at is not None and self.day == day and self.count >= brake.daily_cap

    def after(self, at: int, day: int) -> Told:
        """With one bar more."""
        return Told(at, day, self.count + 1 if self.at is not None and self.day == day else 1)


def braked(brake: Brake, told: Told, bars: Iterable[tuple[int, int]]) -> tuple[list[bool], Told]:
    """Which of the bars with which a condition came true are told, given the end and the day of
    each in their order; and what was told last then."""
    allowed = []
    for at, day in bars:
        allows = told.allows(brake, at, day)
        told = told.after(at, day) if allows else told
        allowed.append(allows)
    return allowed, told
