"""What processes hand over is what is read back, over any span, summed right."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.sample_book import PostgresSampleBook
from mltrading.adapters.postgres.samples import PostgresSamples
from mltrading.services.ports.operations import (
    Batch,
    LogRecord,
    Sample,
    Timing,
    Usage,
    Window,
)
from mltrading.utils.histogram import BUCKETS, bucket

Sql = Callable[[str], list[tuple[object, ...]]]


def latency(*seconds: float) -> tuple[int, ...]:
    counts = [0] * BUCKETS
    for one in seconds:
        counts[bucket(one)] += 1
    return tuple(counts)


SAMPLE = Sample(
    kind="web",
    instance="web.1",
    process=7,
    seconds=15.0,
    requests=4,
    errors_5xx=1,
    shed_503=1,
    slow=1,
    callbacks=3,
    callback_errors=1,
    latency=latency(0.01, 0.01, 0.4, 12),
    latency_seconds=12.42,
    database_failures=2,
    pool_in_use=3,
    pool_waits=2,
    pool_wait_seconds=0.5,
    rss_bytes=200_000_000,
    memory_share=0.5,
    cpu_share=0.25,
    disk_free_share=0.75,
)


def at(sql: Sql, seconds_ago: float) -> None:
    """The newest sample is of that time."""
    sql(
        f"UPDATE web_samples SET at = now() - make_interval(secs => {seconds_ago})"
        " WHERE id = (SELECT max(id) FROM web_samples)"
    )


def now(sql: Sql) -> datetime:
    [(moment,)] = sql("SELECT now()")
    assert isinstance(moment, datetime)
    return moment


def keep(database: Database, sql: Sql, seconds_ago: float, **changes: object) -> None:
    PostgresSampleBook(database).keep(Batch(replace(SAMPLE, **changes)))  # type: ignore[arg-type]
    at(sql, seconds_ago)


def test_a_window_sums_what_lies_in_it_and_nothing_else(database: Database, sql: Sql) -> None:
    keep(database, sql, 400)
    keep(database, sql, 290)
    keep(database, sql, 10, process=8, memory_share=0.9, cpu_share=None, disk_free_share=0.05)
    found = PostgresSamples(database).window(300, now(sql))
    assert (found.requests, found.errors, found.slow, found.database_failures) == (8, 4, 2, 4)
    assert (found.memory_share, found.cpu_share, found.disk_free_share) == (0.9, 0.25, 0.05)
    assert found.samples == 2
    assert found.error_rate == 0.5
    assert 9 < found.newest_age_seconds < 20
    assert 10 < found.latency_p95_seconds <= 25
    assert found.latency == tuple(2 * count for count in SAMPLE.latency)


@pytest.mark.parametrize("step", [60, 3600])
def test_the_pool_is_told_by_its_busiest_process_and_all_waits(
    database: Database, sql: Sql, step: int
) -> None:
    keep(database, sql, 0)
    keep(database, sql, 0, process=8, pool_in_use=5, pool_waits=1, shed_503=2)
    since = now(sql) - timedelta(hours=2)
    [(_, found)] = PostgresSamples(database).series(since, now(sql) + timedelta(hours=1), step)
    assert (found.pool_in_use, found.pool_waits, found.pool_wait_seconds) == (5, 3, 1.0)
    assert found.shed_503 == 3


def test_the_worst_process_counts_by_its_mean_of_the_window(database: Database, sql: Sql) -> None:
    keep(database, sql, 30, memory_share=0.9)
    keep(database, sql, 15, memory_share=0.5)
    keep(database, sql, 15, process=8, memory_share=0.6)
    assert PostgresSamples(database).window(60, now(sql)).memory_share == pytest.approx(0.7)


def test_the_end_of_a_window_belongs_to_it_and_the_begin_does_not(
    database: Database, sql: Sql
) -> None:
    keep(database, sql, 0)
    [(moment,)] = sql("SELECT at FROM web_samples")
    assert isinstance(moment, datetime)
    samples = PostgresSamples(database)
    assert samples.window(60, moment).samples == 1
    assert samples.window(60, moment - timedelta(microseconds=1)).samples == 0
    assert samples.window(60, moment + timedelta(seconds=60)).samples == 0


def test_without_a_sample_nothing_is_known(database: Database) -> None:
    found = PostgresSamples(database).window(300, datetime.now(UTC))
    assert (found.requests, found.samples, found.newest_age_seconds) == (0, 0, math.inf)
    unknown = (found.latency_p95_seconds, found.memory_share, found.cpu_share, found.error_rate)
    assert all(map(math.isnan, unknown))


def test_a_quiet_window_has_no_percentile(database: Database, sql: Sql) -> None:
    keep(database, sql, 5, requests=0, latency=latency())
    found = PostgresSamples(database).window(60, now(sql))
    assert found.samples == 1
    assert math.isnan(found.latency_p95_seconds)


def test_a_series_has_the_steps_that_hold_samples(database: Database, sql: Sql) -> None:
    for seconds_ago in (310, 305, 20):
        keep(database, sql, seconds_ago)
    end = now(sql)
    steps = PostgresSamples(database).series(end - timedelta(hours=1), end, 60)
    assert sum(window.samples for _, window in steps) == 3
    assert 2 <= len(steps) <= 3
    starts = [begins for begins, _ in steps]
    assert starts == sorted(starts)
    assert all(begins.timestamp() % 60 == 0 for begins in starts)
    assert all(0 <= window.newest_age_seconds <= 60 for _, window in steps)


def test_hours_are_summed_as_they_come(database: Database, sql: Sql) -> None:
    for share in (0.4, 0.9, None):
        PostgresSampleBook(database).keep(Batch(replace(SAMPLE, memory_share=share)))
    end = now(sql) + timedelta(hours=1)
    [(begins, window), *more] = PostgresSamples(database).series(end - timedelta(days=2), end, 3600)
    if more:  # the hour struck meanwhile
        assert window.requests + more[0][1].requests == 12
        return
    assert begins.timestamp() % 3600 == 0
    assert (window.requests, window.errors, window.slow, window.samples) == (12, 6, 3, 3)
    assert window.latency == tuple(3 * count for count in SAMPLE.latency)
    assert window.memory_share == 0.9


def test_a_step_must_have_a_length(database: Database) -> None:
    with pytest.raises(ValueError, match="longer"):
        PostgresSamples(database).series(datetime.now(UTC), datetime.now(UTC), 0)


def test_usage_timings_and_users_add_up_over_processes_that_write_at_once(
    database: Database, sql: Sql
) -> None:
    names = [f"callback-{number}" for number in range(20)]

    def batch(order: list[str]) -> Batch:
        return Batch(
            SAMPLE,
            usage=[Usage("callback", name, 2, 1, 0.5, latency(0.2, 0.3)) for name in order],
            timings=[Timing("/charts", "paint", name, 0.2, latency(0.2)) for name in order],
            active=["somebody", "else"],
        )

    book = PostgresSampleBook(database)
    batches = [batch(names), batch(names[::-1])] * 10
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(book.keep, batches))
    for name in names:
        assert sql(
            "SELECT sum(calls), sum(errors), sum(seconds), sum(latency[6])"
            f" FROM usage_hours WHERE kind = 'callback' AND name = '{name}'"
        ) == [(40, 20, 10.0, 20)]
    assert sql("SELECT sum(seconds)::numeric(9, 3), sum(counts[6]) FROM timing_hours")[0][1] == 400
    assert sql("SELECT count(DISTINCT name) FROM active_users") == [(2,)]
    assert sql("SELECT sum(requests) FROM web_hours") == [(80,)]


def test_a_batch_is_kept_whole_or_not_at_all(database: Database, sql: Sql) -> None:
    bad = Batch(SAMPLE, timings=[Timing("/", "unheard of", "", 1.0, latency(1))])
    with pytest.raises(Exception, match="violates check"):
        PostgresSampleBook(database).keep(bad)
    assert sql("SELECT count(*) FROM web_samples") == [(0,)]
    assert sql("SELECT count(*) FROM web_hours") == [(0,)]


def test_lines_of_the_log_are_kept_as_they_are(database: Database, sql: Sql) -> None:
    record = LogRecord(
        datetime(2026, 1, 2, tzinfo=UTC), "error", "mltrading.x", "it's\n%s", "r" * 32, "u1",
        "/charts", "chart-answer.data", 200, 12.5, "r" * 8, "Traceback",
    )  # fmt: skip
    PostgresSampleBook(database).keep(Batch(SAMPLE, log=[record, replace(record, status=None)]))
    assert sql("SELECT level, message, subject, status FROM log_records ORDER BY id") == [
        ("error", "it's\n%s", "u1", 200),
        ("error", "it's\n%s", "u1", None),
    ]


def test_what_is_too_old_is_forgotten_and_the_rest_stays(database: Database, sql: Sql) -> None:
    book = PostgresSampleBook(database)
    record = LogRecord(datetime.now(UTC), "warning", "x", "new")
    for _ in range(2):
        book.keep(
            Batch(
                SAMPLE,
                [Usage("page", "/", 1, 0, 0.0, latency())],
                [Timing("/", "load", "", 1.0, latency(1))],
                ["somebody"],
                [record],
            )
        )
        sql("UPDATE web_samples SET at = at - interval '9 days' WHERE id = 1")
        sql("UPDATE log_records SET at = at - interval '31 days' WHERE id = 1")
        for table in ("web_hours", "usage_hours", "timing_hours"):
            sql(f"UPDATE {table} SET hour = hour - interval '401 days'")
        sql("UPDATE active_users SET day = day - 401")
    book.keep(Batch(SAMPLE, [Usage("page", "/", 1, 0, 0.0, latency())]))
    book.forget()
    assert sql("SELECT count(*) FROM web_samples") == [(2,)]
    assert sql("SELECT count(*) FROM log_records") == [(1,)]
    for table in ("web_hours", "usage_hours"):
        assert sql(f"SELECT count(*) FROM {table}") == [(1,)]
    for table in ("timing_hours", "active_users"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_windows_can_be_made_without_naming_all_of_them() -> None:
    assert Window(requests=10, errors=1).error_rate == 0.1
