"""How the jobs of the workers stand: done, being done, tried again, or overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mltrading.services.ports.operations import JobRun, Jobs

GRACE = timedelta(minutes=5)
"""A worker looks every 30 seconds, and one that starts has to load first."""

Standing = Literal["done", "given up", "running", "trying again", "overdue", "not yet"]


@dataclass(frozen=True, slots=True)
class JobState:
    """A job for one target ("" where it never ran). `run` is its newest; `next_at` None: no worker
    ever told."""

    job: str
    target: str
    standing: Standing
    run: JobRun | None
    next_at: datetime | None


def job_states(jobs: Jobs) -> Sequence[JobState]:
    """Overdue ones first, then by name."""
    planned = {plan.job: plan.next_at for plan in jobs.plans}
    ran = {run.job for run in jobs.runs}
    found = [_state(run.job, run, planned.get(run.job), jobs.now) for run in jobs.runs]
    found += [_state(job, None, at, jobs.now) for job, at in planned.items() if job not in ran]
    return sorted(found, key=lambda one: (one.standing != "overdue", one.job, one.target))


def _state(job: str, run: JobRun | None, next_at: datetime | None, now: datetime) -> JobState:
    target = run.target if run else ""
    return JobState(job, target, _standing(run, next_at, now), run, next_at)


def _standing(run: JobRun | None, next_at: datetime | None, now: datetime) -> Standing:
    if next_at is not None and next_at + GRACE < now:
        return "overdue"
    if run is None:
        return "not yet"
    if run.finished_at is None:
        if run.leased_until + GRACE < now:
            return "overdue"  # it may be tried, and nobody does
        return "trying again" if run.outcome or run.attempts > 1 else "running"
    return "given up" if run.outcome.startswith("dead") else "done"
