"""What is said of a job: by its newest run, and by when it was due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mltrading.services.job_states import GRACE, JobState, job_states
from mltrading.services.ports.operations import JobPlan, JobRun, Jobs
from tests.test_services.operations_made import NOON

DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)
DONE = JobRun("digest", "slack", NOON - DAY, 1, NOON - DAY, NOON - DAY, "delivered")
BEGUN = replace(DONE, finished_at=None, outcome="", leased_until=NOON + timedelta(minutes=5))
PLAN = JobPlan("digest", NOON + DAY, NOON)


def state(run: JobRun | None, plan: JobPlan | None = PLAN) -> JobState:
    runs, plans = [run] if run else [], [plan] if plan else []
    [found] = job_states(Jobs(runs, plans, NOON))
    return found


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (DONE, "done"),
        (replace(DONE, outcome="dead: no such channel"), "given up"),
        (BEGUN, "running"),
        (replace(BEGUN, attempts=2), "trying again"),
        (replace(BEGUN, outcome="421 busy"), "trying again"),
        (replace(BEGUN, outcome="421 busy", leased_until=NOON - GRACE), "trying again"),
        (replace(BEGUN, outcome="421 busy", leased_until=NOON - GRACE - MOMENT), "overdue"),
    ],
)
def test_the_newest_run_says_how_it_stands(run: JobRun, expected: str) -> None:
    assert state(run).standing == expected


@pytest.mark.parametrize("run", [DONE, None])
def test_what_no_worker_took_up_in_time_is_overdue(run: JobRun | None) -> None:
    late = replace(PLAN, next_at=NOON - GRACE - MOMENT)
    assert state(run, late).standing == "overdue"
    assert state(run, replace(PLAN, next_at=NOON - GRACE)).standing != "overdue"


def test_what_never_ran_is_known_by_its_plan_and_the_other_way_round() -> None:
    planned = state(None)
    assert (planned.job, planned.target, planned.run, planned.standing) == (
        "digest",
        "",
        None,
        "not yet",
    )
    ran = state(DONE, None)
    assert (ran.next_at, ran.standing) == (None, "done")


def test_overdue_ones_are_told_first_then_by_name() -> None:
    runs = [replace(DONE, job=job, target=target) for job, target in (("b", "y"), ("b", "x"))]
    late = JobPlan("z", NOON - DAY, NOON)
    found = job_states(Jobs([*runs, replace(DONE, job="a")], [late], NOON))
    assert [(one.job, one.target) for one in found] == [
        ("z", ""),
        ("a", "slack"),
        ("b", "x"),
        ("b", "y"),
    ]
