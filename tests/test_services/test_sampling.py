"""What a process adds up reaches the book: once, whole, whatever happens to the database."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from mltrading.errors import DatabaseUnavailable
from mltrading.services.ports.operations import Batch, LogRecord, MachineState
from mltrading.services.presence import Present
from mltrading.services.sampling import FORGET_SECONDS, Sampler
from mltrading.utils import measures
from mltrading.utils.tally import Tally

pytestmark = pytest.mark.smoke


class Book:
    """Fails as often as it is told to."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.failing = False
        self.forgotten = 0

    def keep(self, batch: Batch) -> None:
        if self.failing:
            raise DatabaseUnavailable("no answer")
        self.batches.append(batch)

    def forget(self) -> None:
        self.forgotten += 1


class Machine:
    def read(self) -> MachineState:
        return MachineState(100, 0.5, 0.25, 0.75)

    def rss(self, processes: Sequence[int]) -> int | None:
        return None


class Buffer:
    def __init__(self, *messages: str) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        self.records = [LogRecord(now, "error", "x", message) for message in messages]

    def newest(self) -> Sequence[LogRecord]:
        return list(self.records)

    def taken(self, records: Sequence[LogRecord]) -> None:
        del self.records[: len(records)]


class Clock:
    def __init__(self) -> None:
        self.day = 1

    def now(self) -> datetime:
        return datetime(2026, 3, self.day, 12, tzinfo=UTC)


class Process:
    """A sampler with everything around it in the test's hands."""

    def __init__(self) -> None:
        self.tally, self.book, self.buffer, self.clock = Tally(), Book(), Buffer(), Clock()
        self.seconds = 0.0
        self.present = Present("secret", self.clock)
        self.sampler = Sampler(
            "web",
            "web.1",
            lambda: 7,
            self.book,
            Machine(),
            lambda: self.buffer,
            self.present,
            tally=self.tally,
            monotonic=lambda: self.seconds,
        )

    def request(self, route: str, status: int, seconds: float = 0.02) -> None:
        self.tally.add(measures.REQUESTS, route, "GET", str(status))
        if not 400 <= status < 500:
            self.tally.observe(seconds, measures.REQUEST_SECONDS, route)

    def after(self, seconds: float) -> bool:
        self.seconds += seconds
        return self.sampler.hand_over()


@pytest.fixture
def process() -> Process:
    return Process()


def test_requests_are_told_apart_by_who_makes_them_and_how_they_end(process: Process) -> None:
    for route in ("/", "/charts", "/_dash-update-component"):
        process.request(route, 200)
    process.request("/charts", 500, 12)
    process.request("/charts", 503)
    for status in (401, 404, 429, 429):
        process.request("/_dash-update-component", status)
    process.request("/health/ready", 503)
    process.request("/assets/<path:filename>", 200)
    process.request("/metrics", 200)
    process.request("/timings", 204)
    assert process.after(15)
    [batch] = process.book.batches
    sample = batch.sample
    assert (sample.kind, sample.instance, sample.process, sample.seconds) == ("web", "web.1", 7, 15)
    assert (sample.requests, sample.errors_5xx, sample.shed_503, sample.slow) == (5, 2, 1, 1)
    assert (sample.refused, sample.rate_limited) == (4, 2)
    assert (sample.health_requests, sample.static_requests) == (1, 1)
    assert sum(sample.latency) == 5
    assert sample.latency_seconds == pytest.approx(12.08)
    assert (sample.rss_bytes, sample.memory_share, sample.disk_free_share) == (100, 0.5, 0.75)


def test_callbacks_that_fail_in_a_message_count_as_failed(process: Process) -> None:
    for outcome in ("ok", "unchanged", "refused", "error", "outage", "outage"):
        process.tally.add(measures.CALLBACKS, "chart-answer.data", outcome)
    for kind in ("lost", "unreachable", "timeout", "disk_full"):
        process.tally.add(measures.DATABASE_FAILURES, kind)
    process.tally.add(measures.LOGIN_FAILURES, "password", amount=3)
    process.after(15)
    sample = process.book.batches[0].sample
    assert (sample.callbacks, sample.callback_errors) == (6, 1), "an outage is a 503 already"
    assert (sample.database_failures, sample.login_failures) == (3, 3)


def test_nothing_is_told_twice(process: Process) -> None:
    process.request("/", 200)
    process.after(15)
    process.after(15)
    process.request("/", 200)
    process.after(10)
    assert [batch.sample.requests for batch in process.book.batches] == [1, 0, 1]
    assert [batch.sample.seconds for batch in process.book.batches] == [15, 15, 10]


def test_while_the_database_is_away_it_goes_on_adding_up(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.buffer.records += Buffer("one").records
    process.present.seen("subject-1")
    process.book.failing = True
    for _ in range(100):
        process.request("/", 200)
        assert not process.after(15)
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    process.book.failing = False
    process.buffer.records += Buffer("two").records
    assert process.after(15)
    [batch] = process.book.batches
    assert (batch.sample.requests, batch.sample.seconds) == (100, 101 * 15)
    assert [record.message for record in batch.log] == ["one", "two"]
    assert len(batch.active) == 1
    assert process.buffer.records == []


def test_usage_is_by_name(process: Process) -> None:
    process.tally.add(measures.PAGE_VIEWS, "/charts", amount=3)
    for outcome, seconds in (("ok", 0.1), ("error", 0.3)):
        process.tally.add(measures.CALLBACKS, "chart-answer.data", outcome)
        process.tally.observe(seconds, measures.CALLBACK_SECONDS, "chart-answer.data")
        process.tally.add(measures.SERVICE_CALLS, "market.chart", outcome)
    process.request("/charts", 200)
    process.request("/health", 200)
    process.after(15)
    usage = {(one.kind, one.name): one for one in process.book.batches[0].usage}
    assert set(usage) == {
        ("page", "/charts"),
        ("callback", "chart-answer.data"),
        ("service", "market.chart"),
        ("route", "/charts"),
    }
    callback = usage["callback", "chart-answer.data"]
    assert (callback.calls, callback.errors, sum(callback.latency)) == (2, 1, 2)
    assert callback.seconds == pytest.approx(0.4)
    assert usage["page", "/charts"].calls == 3


def test_the_most_connections_at_once_are_of_the_time_since_the_last_sample(
    process: Process,
) -> None:
    for in_use in (1, 4, 2):
        process.tally.peak(in_use, measures.POOL_PEAK)
    process.tally.change(2, measures.POOL_IN_USE)
    process.after(15)
    process.after(15)
    assert [batch.sample.pool_in_use for batch in process.book.batches] == [4, 2]


def test_what_is_old_is_given_up_once_an_hour(process: Process) -> None:
    process.after(15)
    process.after(15)
    assert process.book.forgotten == 1
    process.after(FORGET_SECONDS)
    assert process.book.forgotten == 2


def test_a_user_is_told_once_a_day_under_a_name_of_that_day(process: Process) -> None:
    for _ in range(3):
        process.present.seen("subject-1")
        process.present.seen("subject-2")
        process.after(15)
    process.clock.day = 2
    process.present.seen("subject-1")
    process.after(15)
    process.present.seen("subject-1")
    process.after(15)
    active = [list(batch.active) for batch in process.book.batches]
    assert [len(names) for names in active] == [2, 0, 0, 1, 0]
    assert not set(active[0]) & set(active[3])
    assert "subject" not in str(active)
    other = Present("another secret", process.clock)
    other.seen("subject-1")
    assert list(other.names()) != active[3]


def test_the_thread_begins_where_it_is_told_to_and_does_not_cross_a_fork() -> None:
    script = """
import os, threading
from tests.test_services.test_sampling import Process
process = Process()
assert threading.active_count() == 1
process.sampler.start()
assert [t.name for t in threading.enumerate()][1:] == ["sampler"]
if os.fork() == 0:
    assert threading.active_count() == 1
    process.sampler.start()
    assert threading.active_count() == 2
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "7\n", done.stderr
