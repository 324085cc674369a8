"""What was kept of the deployment's running is read back as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from mltrading.adapters.postgres.operations import PostgresDeployments, PostgresJobRuns
from mltrading.adapters.postgres.operations_book import PostgresOperationsBook
from mltrading.adapters.postgres.pipeline_metrics import PostgresPipelineMetrics
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.sample_book import PostgresSampleBook
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.bars import Interval
from mltrading.services.ports import Source
from mltrading.services.ports.operations import (
    Batch,
    LogQuery,
    LogRecord,
    PipelineMetric,
    Sample,
    Timing,
    Usage,
)
from tests.factories import make_bars, make_sessions, make_symbol_details
from tests.test_services.operations_made import counts

Sql = Callable[[str], list[tuple[object, ...]]]
SAMPLE = Sample("web", "web.1", 7, 15.0, latency=counts(0.1))
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SOON = datetime.now(UTC) + timedelta(days=2)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def book(database: Database) -> PostgresOperationsBook:
    return PostgresOperationsBook(database)


def test_usage_is_summed_over_hours_with_the_most_used_first(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    writer = PostgresSampleBook(database)
    for calls in (1, 2):
        usage = [
            Usage("page", "/charts", 2 * calls, 0, 0.0, counts()),
            Usage("page", "/", calls, 0, 0.0, counts()),
            Usage("callback", "a.data", calls, 1, 0.5, counts(0.2, 0.2)),
        ]
        writer.keep(Batch(SAMPLE, usage))
        sql("UPDATE usage_hours SET hour = hour - interval '1 hour'")
    assert [(one.name, one.calls) for one in book.usage("page", LONG_AGO, SOON)] == [
        ("/charts", 6),
        ("/", 3),
    ]
    [callback] = book.usage("callback", LONG_AGO, SOON)
    assert callback == Usage("callback", "a.data", 3, 2, 1.0, counts(*[0.2] * 4))
    assert book.usage("page", SOON, SOON) == []


def test_timings_and_users(database: Database, book: PostgresOperationsBook) -> None:
    writer = PostgresSampleBook(database)
    for name in ("somebody", "somebody", "else"):
        timing = Timing("/charts", "paint", "", 0.2, counts(0.2))
        writer.keep(Batch(SAMPLE, timings=[timing], active=[name]))
    [timing] = book.timings(LONG_AGO, SOON)
    assert (timing.page, timing.kind, sum(timing.counts)) == ("/charts", "paint", 3)
    assert timing.seconds == pytest.approx(0.6)
    [(day, users)] = book.active_users(date(2020, 1, 1), SOON.date())
    assert users == 2 and abs(day - datetime.now(UTC).date()) <= timedelta(days=1)


RECORDS = [
    LogRecord(NOW, "warning", "mltrading.pool", "slow 50% of it", "r" * 24 + "cafe0123", "u1"),
    LogRecord(NOW + timedelta(minutes=1), "error", "mltrading.x", "Broken_pipe", "s" * 32, "u2",
              "/charts", "a.data", 200, 4.5, "s" * 8, "Traceback: KeyError"),
    LogRecord(NOW + timedelta(minutes=2), "critical", "mltrading", "it ends"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (LogQuery(), [2, 1, 0]),
        (LogQuery(level="error"), [2, 1]),
        (LogQuery(level="critical"), [2]),
        (LogQuery(text="BROKEN_pipe"), [1]),
        (LogQuery(text="keyerror"), [1]),
        (LogQuery(text="50%"), [0]),
        (LogQuery(text="5_%"), []),
        (LogQuery(text="%"), [0]),
        (LogQuery(text="u2"), [1]),
        (LogQuery(text="/charts"), [1]),
        (LogQuery(text="'; DROP TABLE log_records"), []),
        (LogQuery(request_id="r" * 24 + "cafe0123"), [0]),
        (LogQuery(request_id="s" * 8), [1]),
        (LogQuery(since=NOW + timedelta(minutes=1)), [2, 1]),
        (LogQuery(until=NOW + timedelta(minutes=1)), [0]),
        (LogQuery(page=2), []),
    ],
)
def test_the_log_is_searched_by_what_a_line_says_and_what_it_is_of(
    database: Database, book: PostgresOperationsBook, query: LogQuery, found: list[int]
) -> None:
    PostgresSampleBook(database).keep(Batch(SAMPLE, log=RECORDS))
    assert book.log(query, 10) == [RECORDS[number] for number in found]


def test_pages_of_the_log_follow_one_another(
    database: Database, book: PostgresOperationsBook
) -> None:
    PostgresSampleBook(database).keep(Batch(SAMPLE, log=RECORDS))
    pages = [book.log(LogQuery(page=page), 2) for page in (1, 2, 3)]
    assert [one for page in pages for one in page] == RECORDS[::-1]


def test_the_newest_bar_and_session_of_each_source(
    database: Database, book: PostgresOperationsBook
) -> None:
    assert book.ingest() == []
    with PostgresBarWriter(database).transaction() as store:
        days = make_sessions(10, "2024-01-02")
        store.write(make_symbol_details("AAPL"), Interval.D1, days, Source("archive", "files"))
        minutes = make_bars(5, "2024-01-16T14:30")
        store.write(make_symbol_details("IBM"), Interval.M1, minutes, Source("feed"))
    found = {one.source: one for one in book.ingest()}
    assert set(found) == {"archive files", "feed"}
    assert found["archive files"].newest == int(days.ts[-1])
    assert found["archive files"].sessions == (("XNYS", int(days.ts[-1])),)
    assert found["feed"].newest == int(minutes.ts[-1])
    [(calendar, session)] = found["feed"].sessions
    assert (calendar, session) == ("XNYS", int(minutes.ts[-1]) // 86_400_000_000 * 86_400_000_000)


def test_what_is_queued_and_when_it_was_done_last(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    [queue] = book.queues()
    assert (queue.depth, queue.oldest_seconds, book.digest_sent()) == (0, 0.0, None)
    runs = PostgresJobRuns(database)
    due = datetime.now(UTC) - timedelta(hours=1)
    for target in ("a", "b"):
        assert runs.claim("daily-digest", target, due, 60) == 1
    runs.finish("daily-digest", "a", due, 1, "delivered")
    [queue] = book.queues()
    assert (queue.name, queue.depth) == ("jobs", 1)
    assert queue.oldest_seconds == pytest.approx(3600, abs=60)
    sent = book.digest_sent()
    assert sent is not None and abs((datetime.now(UTC) - sent).total_seconds()) < 60


def test_a_worker_is_seen_by_its_samples(database: Database, book: PostgresOperationsBook) -> None:
    PostgresSampleBook(database).keep(Batch(SAMPLE))
    assert book.worker_seen() is None
    PostgresSampleBook(database).keep(Batch(Sample("worker", "worker.1", 8, 15.0)))
    seen = book.worker_seen()
    assert seen is not None and 0 <= seen < 60


def test_deployments_are_told_newest_first(
    database: Database, book: PostgresOperationsBook
) -> None:
    deployments = PostgresDeployments(database)
    for release in ("v1", "v2", "v3"):
        deployments.record("production", "0.1.0", "abc", release)
    assert [one.release for one in book.deployments(2)] == ["v3", "v2"]


def test_the_newest_figures_of_the_pipeline_replace_those_before(
    database: Database, book: PostgresOperationsBook
) -> None:
    assert book.pipeline() == []
    first = PipelineMetric("Build time", 12.0, "min", "< 10 min", False, NOW)
    second = PipelineMetric("Build time", 6.2, "min", "< 10 min", True, NOW + timedelta(days=1))
    lead = PipelineMetric("Lead time", 3.0, "h", "", None, NOW)
    metrics = PostgresPipelineMetrics(database)
    metrics.keep([first, lead])
    metrics.keep([second])
    metrics.keep([first])  # late: what is newer stays
    assert book.pipeline() == [second, lead]


def test_one_name_is_told_hour_by_hour(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    writer = PostgresSampleBook(database)
    for calls in (1, 2):
        usage = [
            Usage("callback", "a.data", calls, 1, 0.5, counts(0.2)),
            Usage("callback", "b.data", 7, 0, 0.5, counts(0.2)),
        ]
        writer.keep(Batch(SAMPLE, usage))
        sql("UPDATE usage_hours SET hour = hour - interval '1 hour'")
    found = book.usage_hours("callback", "a.data", LONG_AGO, SOON)
    assert [one.calls for _, one in found] == [1, 2]
    assert found[1][0] - found[0][0] == timedelta(hours=1)
    assert found[0][1] == Usage("callback", "a.data", 1, 1, 0.5, counts(0.2))
    assert book.usage_hours("route", "a.data", LONG_AGO, SOON) == []


def test_jobs_are_told_by_their_newest_run_and_their_plan(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    runs = PostgresJobRuns(database)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (9, 1, 0):
        runs.claim("digest", "slack", today - timedelta(days=days), 60)
    runs.claim("old", "slack", today - timedelta(days=9), 60)
    runs.finish("digest", "slack", today, 1, "delivered")
    next_at = today + timedelta(days=1)
    runs.plan("digest", next_at - timedelta(hours=1))
    runs.plan("digest", next_at)
    found = book.jobs()
    [run] = found.runs
    assert (run.job, run.target, run.due_at, run.outcome) == ("digest", "slack", today, "delivered")
    assert run.finished_at is not None
    [plan] = found.plans
    assert (plan.job, plan.next_at) == ("digest", next_at)
    assert abs(found.now - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_plan_that_is_known_is_no_write(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    runs = PostgresJobRuns(database)
    runs.plan("digest", NOW)
    sql("UPDATE job_plans SET told_at = told_at - interval '4 minutes'")
    before = book.jobs().plans
    runs.plan("digest", NOW)
    assert book.jobs().plans == before
    sql("UPDATE job_plans SET told_at = told_at - interval '4 minutes'")
    runs.plan("digest", NOW)
    assert book.jobs().plans[0].told_at > before[0].told_at


def test_processes_are_those_that_told_something_of_late(
    database: Database, sql: Sql, book: PostgresOperationsBook
) -> None:
    writer = PostgresSampleBook(database)
    for process, in_use in ((7, 1), (7, 4), (8, 2)):
        writer.keep(Batch(replace(SAMPLE, process=process, pool_in_use=in_use, rss_bytes=9)))
    sql("UPDATE web_samples SET at = at - interval '10 minutes' WHERE process = 8")
    sql("UPDATE web_samples SET at = at - interval '15 seconds' WHERE pool_in_use = 1")
    [found] = book.processes(60)
    assert (found.kind, found.instance, found.process) == ("web", "web.1", 7)
    assert (found.pool_in_use, found.rss_bytes) == (4, 9)
    assert 0 <= found.age_seconds < 60


def test_alerts_are_counted_by_state(sql: Sql, book: PostgresOperationsBook) -> None:
    none = book.alerts()
    assert (none.states, none.firing, none.evaluated_seconds) == ({}, [], None)
    columns = "key, rule, labels, severity, state, said, errors, muted_by, evaluated_at"
    for key, rule, state, ago in (
        ("a", "DiskLow", "firing", 40),
        ("b", "CpuHigh", "pending", 20),
        ("c", "AppDown", "firing", 40),
    ):
        sql(
            f"INSERT INTO alerts ({columns}) VALUES ('{key}', '{rule}', '{{}}', 'critical',"
            f" '{state}', '', 0, '', now() - interval '{ago} seconds')"
        )
    found = book.alerts()
    assert (found.states, found.firing) == ({"firing": 2, "pending": 1}, ["AppDown", "DiskLow"])
    assert found.evaluated_seconds is not None and 20 <= found.evaluated_seconds < 40
