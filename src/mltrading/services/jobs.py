"""What the program does by itself at a time, once however many workers there are.

A job has targets (the channels it tells, say), and each is done for itself: one that fails is
tried again and keeps nobody else waiting. The claim of a worker that died ends by itself, so what
it was doing is done again: at least once, and twice only where it died in between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Protocol

from mltrading.services.ports import JobRuns
from mltrading.utils.clock import Clock
from mltrading.utils.message import Outcome
from mltrading.utils.retry import pause_seconds

LEASE_SECONDS = 300.0  # longer than any attempt takes
HOUR_SECONDS = 3600


class Job(Protocol):
    name: str

    @property
    def targets(self) -> Sequence[str]:
        """What is done each for itself."""

    def due(self, now: datetime) -> datetime | None:
        """The newest moment up to `now` at which it had to be done; None: not now."""

    def perform(self, target: str, due_at: datetime) -> Outcome:
        """One attempt."""


class JobRunner:
    """Does what is due and not done by others."""

    def __init__(self, jobs: Sequence[Job], runs: JobRuns, clock: Clock) -> None:
        self._jobs = jobs
        self._runs = runs
        self._clock = clock

    def tell_plans(self) -> None:
        """Keep when each job that has somebody to do it for is due next."""
        for job in self._jobs:
            next_at = next_moment(job, self._clock.now()) if job.targets else None
            if next_at is not None:
                self._runs.plan(job.name, next_at)

    def run_due(self) -> Iterator[tuple[str, Outcome]]:
        """Each attempt made, as it is made: what was done, and what came of it."""
        for job in self._jobs:
            due_at = job.due(self._clock.now())
            if due_at is not None:
                for target in job.targets:
                    outcome = self._attempt(job, target, due_at)
                    if outcome is not None:
                        yield f"{job.name} of {named(due_at)} to {target}", outcome

    def _attempt(self, job: Job, target: str, due_at: datetime) -> Outcome | None:
        attempt = self._runs.claim(job.name, target, due_at, LEASE_SECONDS)
        if attempt is None:
            return None
        outcome = job.perform(target, due_at)
        if outcome.state == "retry":
            pause = pause_seconds(attempt, outcome.after_seconds)
            self._runs.postpone(job.name, target, due_at, attempt, pause, outcome.reason)
        else:
            told = f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state
            self._runs.finish(job.name, target, due_at, attempt, told)
        return outcome


def next_moment(job: Job, now: datetime) -> datetime | None:
    """The whole second, UTC, at which something new of the job is due, in the next two days."""
    begun = int(now.timestamp())
    before = job.due(datetime.fromtimestamp(begun, UTC))

    def new(second: int) -> bool:
        return job.due(datetime.fromtimestamp(second, UTC)) not in (None, before)

    hours = (begun + HOUR_SECONDS * hour for hour in range(1, 50))
    after = next((second for second in hours if new(second)), None)
    if after is None:
        return None
    seconds = range(after - HOUR_SECONDS, after + 1)
    return datetime.fromtimestamp(seconds[bisect_left(seconds, True, key=new)], UTC)


def named(due_at: datetime) -> str:
    """A moment, or the day that a midnight stands for."""
    return f"{due_at:%Y-%m-%d}" if due_at.time() == time(0) else f"{due_at:%Y-%m-%d %H:%M}"
