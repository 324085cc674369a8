"""The port JobRuns in memory, and a clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class SetClock:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


@dataclass
class Run:
    attempts: int
    leased_until: datetime
    finished: bool = False
    outcome: str = ""


class MemoryRuns:
    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self._runs: dict[tuple[str, str, datetime], Run] = {}
        self.plans: dict[str, datetime] = {}

    def claim(self, job: str, target: str, due_at: datetime, lease_seconds: float) -> int | None:
        until = self._clock.now() + timedelta(seconds=lease_seconds)
        run = self._runs.setdefault(
            (job, target, due_at), Run(0, datetime.min.replace(tzinfo=until.tzinfo))
        )
        if run.finished or run.leased_until > self._clock.now():
            return None
        run.attempts, run.leased_until = run.attempts + 1, until
        return run.attempts

    def finish(self, job: str, target: str, due_at: datetime, attempt: int, outcome: str) -> None:
        run = self._runs[job, target, due_at]
        if run.attempts == attempt and not run.finished:
            run.finished, run.outcome = True, outcome

    def postpone(
        self, job: str, target: str, due_at: datetime, attempt: int, seconds: float, reason: str
    ) -> None:
        run = self._runs[job, target, due_at]
        if run.attempts == attempt and not run.finished:
            run.leased_until = self._clock.now() + timedelta(seconds=seconds)
            run.outcome = reason

    def plan(self, job: str, next_at: datetime) -> None:
        self.plans[job] = next_at

    def outcomes(self) -> dict[str, str]:
        """What became of each target."""
        return {target: run.outcome for (_, target, _), run in self._runs.items()}
