"""The port services.ports.operations.SampleBook: takes down what a process added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.operations import HOURS_DAYS, RAW_DAYS, Batch, Sample

KEPT_LOG_RECORDS = 50_000
KEPT_LOG_DAYS = 30
AT_ONCE = 20_000  # rows that one call gives up
TIMEOUT_SECONDS = 5.0

# Not date_trunc: it goes by the time zone of the session, and some are off by half an hour.
_HOUR = "to_timestamp(floor(extract(epoch FROM now())::float8 / 3600) * 3600)"


def _adding(column: str) -> sql.Composable:
    """A histogram that is kept, and one that comes, bucket by bucket."""
    return sql.SQL("""(SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n)
        FROM unnest(kept.{0}, EXCLUDED.{0}) WITH ORDINALITY AS both_of (a, b, n))""").format(
        sql.Identifier(column)
    )


_SAMPLE = """INSERT INTO web_samples (kind, instance, process, seconds, requests, refused,
        errors_5xx, shed_503, slow, static_requests, health_requests, callbacks, callback_errors,
        latency, latency_seconds, database_failures, pool_in_use, pool_waits, pool_wait_seconds,
        login_failures, rate_limited, rss_bytes, memory_share, cpu_share, disk_free_share)
    VALUES (%(kind)s, %(instance)s, %(process)s, %(seconds)s, %(requests)s, %(refused)s,
        %(errors_5xx)s, %(shed_503)s, %(slow)s, %(static_requests)s, %(health_requests)s,
        %(callbacks)s, %(callback_errors)s, %(latency)s::int[], %(latency_seconds)s,
        %(database_failures)s, %(pool_in_use)s, %(pool_waits)s, %(pool_wait_seconds)s,
        %(login_failures)s, %(rate_limited)s, %(rss_bytes)s, %(memory_share)s, %(cpu_share)s,
        %(disk_free_share)s)"""
_SAMPLE_HOUR = sql.SQL("""INSERT INTO web_hours AS kept (hour, samples, requests, refused, errors,
        shed_503, slow, callbacks, latency, latency_seconds, database_failures, pool_in_use,
        pool_waits, pool_wait_seconds, login_failures, rate_limited, memory_share, cpu_share,
        disk_free_share, newest)
    VALUES ({hour}, 1, %(requests)s, %(refused)s, %(errors_5xx)s + %(callback_errors)s,
        %(shed_503)s, %(slow)s, %(callbacks)s, %(latency)s::bigint[], %(latency_seconds)s,
        %(database_failures)s, %(pool_in_use)s, %(pool_waits)s, %(pool_wait_seconds)s,
        %(login_failures)s, %(rate_limited)s, %(memory_share)s, %(cpu_share)s,
        %(disk_free_share)s, now())
    ON CONFLICT (hour) DO UPDATE SET
        samples = kept.samples + 1,
        requests = kept.requests + EXCLUDED.requests,
        refused = kept.refused + EXCLUDED.refused,
        errors = kept.errors + EXCLUDED.errors,
        shed_503 = kept.shed_503 + EXCLUDED.shed_503,
        slow = kept.slow + EXCLUDED.slow,
        callbacks = kept.callbacks + EXCLUDED.callbacks,
        latency = {latency},
        latency_seconds = kept.latency_seconds + EXCLUDED.latency_seconds,
        database_failures = kept.database_failures + EXCLUDED.database_failures,
        pool_in_use = greatest(kept.pool_in_use, EXCLUDED.pool_in_use),
        pool_waits = kept.pool_waits + EXCLUDED.pool_waits,
        pool_wait_seconds = kept.pool_wait_seconds + EXCLUDED.pool_wait_seconds,
        login_failures = kept.login_failures + EXCLUDED.login_failures,
        rate_limited = kept.rate_limited + EXCLUDED.rate_limited,
        memory_share = greatest(kept.memory_share, EXCLUDED.memory_share),
        cpu_share = greatest(kept.cpu_share, EXCLUDED.cpu_share),
        disk_free_share = least(kept.disk_free_share, EXCLUDED.disk_free_share),
        newest = greatest(kept.newest, EXCLUDED.newest)""").format(
    hour=sql.SQL(_HOUR), latency=_adding("latency")
)
_USAGE = sql.SQL(
    """INSERT INTO usage_hours AS kept (hour, kind, name, calls, errors, seconds, latency)
    VALUES %s ON CONFLICT (hour, kind, name) DO UPDATE SET
        calls = kept.calls + EXCLUDED.calls,
        errors = kept.errors + EXCLUDED.errors,
        seconds = kept.seconds + EXCLUDED.seconds,
        latency = {latency}"""
).format(latency=_adding("latency"))
_TIMINGS = sql.SQL("""INSERT INTO timing_hours AS kept (hour, page, kind, name, seconds, counts)
    VALUES %s ON CONFLICT (hour, page, kind, name) DO UPDATE SET
        seconds = kept.seconds + EXCLUDED.seconds,
        counts = {counts}""").format(counts=_adding("counts"))
_ACTIVE = sql.SQL("INSERT INTO active_users (day, name) VALUES %s ON CONFLICT DO NOTHING")
_LOG = sql.SQL("""INSERT INTO log_records (at, level, logger, message, request_id, subject, route,
        callback, status, duration_ms, error_id, exception) VALUES %s""")

_OLD = (
    """DELETE FROM web_samples WHERE id IN (SELECT id FROM web_samples
        WHERE at < now() - make_interval(days => %(raw)s) ORDER BY at LIMIT %(rows)s)""",
    """DELETE FROM log_records WHERE id IN (SELECT id FROM log_records
        WHERE at < now() - make_interval(days => %(log_days)s)
            OR id <= (SELECT max(id) FROM log_records) - %(log_rows)s
        ORDER BY id LIMIT %(rows)s)""",
    "DELETE FROM web_hours WHERE hour < now() - make_interval(days => %(hours)s)",
    """DELETE FROM usage_hours WHERE (hour, kind, name) IN (SELECT hour, kind, name
        FROM usage_hours WHERE hour < now() - make_interval(days => %(hours)s)
        ORDER BY hour LIMIT %(rows)s)""",
    """DELETE FROM timing_hours WHERE (hour, page, kind, name) IN (SELECT hour, page, kind, name
        FROM timing_hours WHERE hour < now() - make_interval(days => %(hours)s)
        ORDER BY hour LIMIT %(rows)s)""",
    """DELETE FROM active_users WHERE (day, name) IN (SELECT day, name FROM active_users
        WHERE day < now() - make_interval(days => %(hours)s) ORDER BY day LIMIT %(rows)s)""",
)


class PostgresSampleBook:
    """Writes `web_samples` with its sums by the hour, usage, timings and the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, batch: Batch) -> None:
        def write(link: Connection) -> None:
            with link.cursor() as cursor:
                _write(cursor, batch)

        self._database.write(write, timeout_seconds=TIMEOUT_SECONDS)

    def forget(self) -> None:
        values = {
            "raw": RAW_DAYS,
            "hours": HOURS_DAYS,
            "log_days": KEPT_LOG_DAYS,
            "log_rows": KEPT_LOG_RECORDS,
            "rows": AT_ONCE,
        }
        for statement in _OLD:

            def delete(link: Connection, statement: str = statement) -> None:
                with link.cursor() as cursor:
                    cursor.execute(statement, values)

            self._database.write(delete, timeout_seconds=TIMEOUT_SECONDS)


def _write(cursor: Cursor, batch: Batch) -> None:
    sample = _values(batch.sample)
    cursor.execute(_SAMPLE, sample)
    # The row of this hour serves as a lock: all that follow of other processes wait for it.
    cursor.execute(_SAMPLE_HOUR, sample)
    usage = ((u.kind, u.name, u.calls, u.errors, u.seconds, list(u.latency)) for u in batch.usage)
    _several(cursor, _USAGE, usage, "(" + _HOUR + ", %s, %s, %s, %s, %s, %s::bigint[])")
    timings = ((t.page, t.kind, t.name, t.seconds, list(t.counts)) for t in batch.timings)
    _several(cursor, _TIMINGS, timings, "(" + _HOUR + ", %s, %s, %s, %s, %s::bigint[])")
    active = ((name,) for name in batch.active)
    _several(cursor, _ACTIVE, active, "((now() AT TIME ZONE 'UTC')::date, %s)")
    log = [tuple(asdict(record).values()) for record in batch.log]
    _several(cursor, _LOG, log, "(" + ", ".join(["%s"] * 12) + ")", ordered=False)


def _values(sample: Sample) -> dict[str, Any]:
    values = asdict(sample)
    values["latency"] = list(sample.latency)
    return values


def _several(
    cursor: Cursor,
    statement: sql.Composable,
    rows: Iterable[tuple[Any, ...]],
    template: str,
    *,
    ordered: bool = True,
) -> None:
    """In the order of their keys, so that no two writers wait for each other."""
    given = sorted(rows) if ordered else list(rows)
    if given:
        execute_values(cursor, statement, given, template, page_size=len(given))
