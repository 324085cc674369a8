"""The health service beside a probe that does what a test tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from mltrading.services.health import FRESH_SECONDS, Health
from mltrading.services.ports import DatabaseState
from tests.waiting import wait_until

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOON


class Probe:
    """Answers `state`, once it may; counts how often and how many at once it was asked."""

    def __init__(self, state: DatabaseState = DatabaseState.OK) -> None:
        self.state = state
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = self.inside = self.most_inside = 0

    def check(self, timeout_seconds: float) -> DatabaseState:
        self.asked += 1
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        self.may_answer.wait(10)
        self.inside -= 1
        return self.state


class Time:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def make_health(probe: Probe, time: Callable[[], float], deadline_seconds: float = 5) -> Health:
    return Health(probe, FixedClock(), time, deadline_seconds)


def test_healthy_report_names_every_check() -> None:
    report = make_health(Probe(), Time()).report()
    assert report.healthy
    assert report.error is None
    assert report.timestamp == NOON
    assert report.checks == {"database": "ok", "external_apis": "not_configured"}


@pytest.mark.parametrize(
    "state", [DatabaseState.UNREACHABLE, DatabaseState.TIMEOUT, DatabaseState.ERROR]
)
def test_a_database_that_does_not_answer_is_unhealthy_and_not_ready(state: DatabaseState) -> None:
    health = make_health(Probe(state), Time())
    assert health.report().error == state.value
    assert health.report().checks["database"] == state.value
    assert health.ready().error == state.value


def test_missing_migrations_leave_it_healthy_but_not_ready() -> None:
    health = make_health(Probe(DatabaseState.OUTDATED), Time())
    assert health.report().healthy
    assert health.ready().error == "database_schema_outdated"


def test_a_schema_too_new_leaves_it_healthy_but_not_ready() -> None:
    health = make_health(Probe(DatabaseState.CONTRACTED), Time())
    assert health.report().healthy
    assert health.ready().error == "database_schema_too_new"


def test_an_outcome_serves_everyone_while_it_is_fresh() -> None:
    probe, time = Probe(), Time()
    health = make_health(probe, time)
    health.report()
    probe.state = DatabaseState.UNREACHABLE
    time.seconds += FRESH_SECONDS - 0.001
    assert health.report().healthy
    assert probe.asked == 1
    time.seconds += 0.001
    assert not health.report().healthy
    assert probe.asked == 2


def test_many_at_once_cause_one_check() -> None:
    probe = Probe()
    probe.may_answer.clear()
    health = make_health(probe, Time())
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(health.report) for _ in range(8)]
        wait_until(lambda: probe.asked, "the check begins")
        probe.may_answer.set()
        assert all(asked.result().healthy for asked in asking)
    assert (probe.asked, probe.most_inside) == (1, 1)


def test_a_check_that_hangs_costs_the_deadline_and_no_second_check() -> None:
    probe = Probe()
    probe.may_answer.clear()
    health = make_health(probe, Time(), deadline_seconds=0.05)
    assert health.report().error == "database_timeout"
    assert health.report().error == "database_timeout"
    assert probe.asked == 1
    probe.may_answer.set()
    wait_until(lambda: health.report().healthy, "the hung check ends and its outcome counts")
    assert probe.most_inside == 1


def test_a_probe_that_breaks_its_word_is_an_error_in_the_log_and_no_hang(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Probe):
        def check(self, timeout_seconds: float) -> DatabaseState:
            raise RuntimeError("planted")

    assert make_health(Broken(), Time()).report().error == "database_error"
    assert "planted" in caplog.text
