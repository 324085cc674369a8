"""Who does what is due: claims, second attempts, and workers that die."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from mltrading.services.jobs import LEASE_SECONDS, JobRunner, next_moment
from mltrading.utils.message import DELIVERED, Outcome
from tests.test_services.job_runs import MemoryRuns, SetClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = Outcome("retry", "busy")


class Told:
    """A job due at noon; answers what it is told."""

    name = "told"

    def __init__(self, *outcomes: Outcome | Exception, targets: tuple[str, ...] = ("a",)) -> None:
        self.targets = targets
        self.outcomes = list(outcomes)
        self.done: list[tuple[str, datetime]] = []

    def due(self, now: datetime) -> datetime | None:
        return NOON if now >= NOON else None

    def perform(self, target: str, due_at: datetime) -> Outcome:
        self.done.append((target, due_at))
        one = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(one, Exception):
            raise one
        return one


class Workers:
    """Any number of workers beside one table and one clock."""

    def __init__(self, job: Told) -> None:
        self.clock = SetClock(NOON)
        self.runs = MemoryRuns(self.clock)
        self.job = job

    def look(self) -> list[tuple[str, Outcome]]:
        return list(JobRunner([self.job], self.runs, self.clock).run_due())


def test_nothing_is_done_before_it_is_due() -> None:
    workers = Workers(Told(DELIVERED))
    workers.clock.moment = NOON - timedelta(microseconds=1)
    assert workers.look() == []
    assert workers.job.done == []


def test_what_is_done_is_not_done_again_by_any_worker() -> None:
    workers = Workers(Told(DELIVERED))
    assert workers.look() == [("told of 2026-03-02 12:00 to a", DELIVERED)]
    workers.clock.moment += timedelta(hours=11)
    assert workers.look() == []
    assert workers.job.done == [("a", NOON)]


def test_what_failed_is_done_again_after_a_pause_that_grows() -> None:
    workers = Workers(Told(LATER, LATER, DELIVERED))
    assert [outcome for _, outcome in workers.look()] == [LATER]
    assert workers.look() == []
    workers.clock.moment += timedelta(seconds=2)
    assert [outcome for _, outcome in workers.look()] == [LATER]
    workers.clock.moment += timedelta(seconds=2)
    assert workers.look() == []
    workers.clock.moment += timedelta(seconds=2)
    assert [outcome for _, outcome in workers.look()] == [DELIVERED]


def test_the_pause_is_as_long_as_the_receiver_asks() -> None:
    workers = Workers(Told(Outcome("retry", "busy", after_seconds=600.0), DELIVERED))
    workers.look()
    workers.clock.moment += timedelta(seconds=599)
    assert workers.look() == []
    workers.clock.moment += timedelta(seconds=1)
    assert len(workers.look()) == 1


def test_what_is_in_vain_is_recorded_and_left() -> None:
    workers = Workers(Told(Outcome("dead", "no such channel")))
    workers.look()
    workers.clock.moment += timedelta(hours=11)
    assert workers.look() == []
    assert workers.runs.outcomes() == {"a": "dead: no such channel"}


def test_one_target_that_fails_keeps_no_other_waiting() -> None:
    workers = Workers(Told(LATER, DELIVERED, targets=("a", "b")))
    assert [outcome for _, outcome in workers.look()] == [LATER, DELIVERED]
    workers.clock.moment += timedelta(seconds=2)
    assert workers.look() == [("told of 2026-03-02 12:00 to a", DELIVERED)]
    assert [target for target, _ in workers.job.done] == ["a", "b", "a"]


def test_the_claim_of_a_worker_that_died_is_taken_over_when_it_ends() -> None:
    workers = Workers(Told(RuntimeError("killed"), DELIVERED))
    died: Iterator[object] = JobRunner([workers.job], workers.runs, workers.clock).run_due()
    try:
        next(died)
    except RuntimeError:
        pass
    assert workers.look() == []
    workers.clock.moment += timedelta(seconds=LEASE_SECONDS)
    assert [outcome for _, outcome in workers.look()] == [DELIVERED]


def test_one_who_comes_back_late_changes_nothing() -> None:
    workers = Workers(Told(DELIVERED))
    first = workers.runs.claim("told", "a", NOON, LEASE_SECONDS)
    workers.clock.moment += timedelta(seconds=LEASE_SECONDS)
    workers.look()
    assert first == 1
    workers.runs.postpone("told", "a", NOON, first, 0, "late")
    workers.runs.finish("told", "a", NOON, first, "late")
    assert workers.look() == []
    assert workers.runs.outcomes() == {"a": "delivered"}


# -- when it is due next --------------------------------------------------------------------------


class Daily(Told):
    """Due each day at a time of New York, under the name of the day; not for longer than 16 h."""

    def due(self, now: datetime) -> datetime | None:
        local = now.astimezone(ZoneInfo("America/New_York"))
        for day in (local.date(), local.date() - timedelta(days=1)):
            at = datetime.combine(day, time(8), local.tzinfo)
            if at <= now:
                named = datetime.combine(day, time(0), UTC)
                return named if now - at < timedelta(hours=16) else None
        return None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-04T12:59:59.5", "2026-03-04T13:00"),
        ("2026-03-04T13:00", "2026-03-05T13:00"),
        ("2026-03-05T06:30", "2026-03-05T13:00"),  # the last one was given up meanwhile
        ("2026-03-07T13:00", "2026-03-08T12:00"),  # a day of 23 hours
        ("2026-10-31T12:00", "2026-11-01T13:00"),  # one of 25
    ],
)
def test_the_next_moment_is_found_whatever_the_clocks_do(now: str, expected: str) -> None:
    found = next_moment(Daily(DELIVERED), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_what_is_never_due_again_has_no_next_moment() -> None:
    assert next_moment(Told(DELIVERED), NOON) is None


def test_plans_are_kept_of_jobs_that_somebody_is_told_of() -> None:
    clock = SetClock(NOON)
    for targets, expected in (((), {}), (("a",), {"told": NOON + timedelta(hours=1)})):
        runs = MemoryRuns(clock)
        job = Daily(DELIVERED, targets=targets)
        JobRunner([job], runs, clock).tell_plans()
        assert runs.plans == expected
