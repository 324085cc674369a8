"""The port services.ports.operations.OperationsBook: what was kept of the deployment's running."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports import Deployment
from mltrading.services.ports.operations import (
    AlertsShort,
    Ingest,
    JobPlan,
    JobRun,
    Jobs,
    LogQuery,
    LogRecord,
    PipelineMetric,
    Process,
    Queue,
    Timing,
    Usage,
    UsageKind,
)
from mltrading.utils.clock import microseconds
from mltrading.utils.histogram import BUCKETS

LEVELS = ("debug", "info", "warning", "error", "critical")

_USAGE = sql.SQL("""SELECT kind, name, sum(calls)::bigint, sum(errors)::bigint, sum(seconds), {sums}
    FROM usage_hours WHERE kind = %(kind)s AND hour >= %(since)s AND hour < %(until)s
    GROUP BY kind, name ORDER BY 3 DESC, name""")
_TIMINGS = sql.SQL("""SELECT page, kind, name, sum(seconds), {sums} FROM timing_hours
    WHERE hour >= %(since)s AND hour < %(until)s GROUP BY page, kind, name ORDER BY 1, 2, 3""")
_ACTIVE = """SELECT day, count(*) FROM active_users
    WHERE day >= %(since)s AND day < %(until)s GROUP BY day ORDER BY day"""
_DEPLOYMENTS = """SELECT environment, version, commit, release, finished_at FROM deployments
    ORDER BY finished_at DESC, id DESC LIMIT %(limit)s"""
_LOG = """SELECT at, level, logger, message, request_id, subject, route, callback, status,
        duration_ms, error_id, exception
    FROM log_records
    WHERE level = ANY (%(levels)s)
        AND (%(text)s = '' OR position(lower(%(text)s) IN lower(message)) > 0
            OR position(lower(%(text)s) IN lower(exception)) > 0
            OR %(text)s IN (subject, route, callback))
        AND %(request_id)s IN ('', request_id, error_id)
        AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    ORDER BY at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s"""
_PIPELINE = "SELECT name, value, unit, target, met, measured_at FROM pipeline_metrics ORDER BY name"
_NEWEST = """SELECT sources.id, sources.name, sources.feed, max(series.last_ts)
    FROM series JOIN sources ON sources.id = series.source_id GROUP BY sources.id ORDER BY 2, 3"""
_SESSIONS = """SELECT series.source_id, symbols.calendar, max(latest.session)
    FROM latest
        JOIN series ON series.symbol_id = latest.symbol_id AND series.interval = latest.interval
        JOIN symbols ON symbols.id = latest.symbol_id
    GROUP BY 1, 2 ORDER BY 1, 2"""
_USAGE_HOURS = sql.SQL("""SELECT hour, calls, errors, seconds, {sums} FROM usage_hours
    WHERE kind = %(kind)s AND name = %(name)s AND hour >= %(since)s AND hour < %(until)s
    GROUP BY hour, calls, errors, seconds ORDER BY hour""")
_RUNS = """SELECT DISTINCT ON (job, target) job, target, due_at, attempts, leased_until,
        finished_at, outcome
    FROM job_runs WHERE due_at > now() - interval '8 days' ORDER BY job, target, due_at DESC"""
_PLANS = "SELECT job, next_at, told_at FROM job_plans ORDER BY job"
_PROCESSES = """SELECT DISTINCT ON (kind, instance, process) kind, instance, process,
        extract(epoch FROM now() - at)::float8, rss_bytes, pool_in_use
    FROM web_samples WHERE at >= now() - make_interval(secs => %(seconds)s)
    ORDER BY kind, instance, process, at DESC"""
_ALERTS = """SELECT rule, state, extract(epoch FROM now() - evaluated_at)::float8 FROM alerts
    ORDER BY severity, rule"""
_QUEUES = """SELECT 'jobs', count(*), coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8
    FROM job_runs WHERE finished_at IS NULL"""
_WORKER = """SELECT extract(epoch FROM now() - max(at))::float8 FROM web_samples
    WHERE kind = 'worker'"""
_DIGEST = """SELECT max(finished_at) FROM job_runs
    WHERE job = 'daily-digest' AND outcome = 'delivered'"""


def _sums(statement: sql.SQL, column: str) -> sql.Composable:
    """The statement with the sums of a histogram, bucket by bucket."""
    one = sql.SQL("coalesce(sum({}[{}]), 0)::bigint")
    name = sql.Identifier(column)
    return statement.format(
        sums=sql.SQL(", ").join(one.format(name, sql.Literal(n)) for n in range(1, BUCKETS + 1))
    )


class PostgresOperationsBook:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def usage(self, kind: UsageKind, since: datetime, until: datetime) -> Sequence[Usage]:
        rows = self._rows(_sums(_USAGE, "latency"), kind=kind, since=since, until=until)
        return [
            Usage(kind, name, calls, errors, seconds, tuple(counts))
            for _, name, calls, errors, seconds, *counts in rows
        ]

    def usage_hours(
        self, kind: UsageKind, name: str, since: datetime, until: datetime
    ) -> Sequence[tuple[datetime, Usage]]:
        statement = _sums(_USAGE_HOURS, "latency")
        rows = self._rows(statement, kind=kind, name=name, since=since, until=until)
        return [
            (hour, Usage(kind, name, calls, errors, seconds, tuple(counts)))
            for hour, calls, errors, seconds, *counts in rows
        ]

    def timings(self, since: datetime, until: datetime) -> Sequence[Timing]:
        rows = self._rows(_sums(_TIMINGS, "counts"), since=since, until=until)
        return [
            Timing(page, kind, name, seconds, tuple(counts))
            for page, kind, name, seconds, *counts in rows
        ]

    def active_users(self, since: date, until: date) -> Sequence[tuple[date, int]]:
        return [(row[0], row[1]) for row in self._rows(_ACTIVE, since=since, until=until)]

    def deployments(self, limit: int) -> Sequence[Deployment]:
        return [Deployment(*row) for row in self._rows(_DEPLOYMENTS, limit=limit)]

    def log(self, query: LogQuery, limit: int) -> Sequence[LogRecord]:
        rows = self._rows(
            _LOG,
            levels=list(LEVELS[LEVELS.index(query.level) :]),
            text=query.text,
            request_id=query.request_id,
            since=query.since,
            until=query.until,
            limit=limit,
            offset=limit * (max(1, query.page) - 1),
        )
        return [LogRecord(*row) for row in rows]

    def pipeline(self) -> Sequence[PipelineMetric]:
        return [PipelineMetric(*row) for row in self._rows(_PIPELINE)]

    def ingest(self) -> Sequence[Ingest]:
        def ask(link: Connection) -> list[Ingest]:
            sessions: dict[int, list[tuple[str, int]]] = defaultdict(list)
            for source, calendar, session in _fetch(link, _SESSIONS, {}):
                sessions[source].append(
                    (calendar, (session - date(1970, 1, 1)).days * 86_400 * 10**6)
                )
            return [
                Ingest(" ".join(filter(None, (name, feed))), microseconds(ts), tuple(sessions[id]))
                for id, name, feed, ts in _fetch(link, _NEWEST, {})
            ]

        return self._database.read(ask)

    def queues(self) -> Sequence[Queue]:
        return [Queue(*row) for row in self._rows(_QUEUES)]

    def worker_seen(self) -> float | None:
        [(seconds,)] = self._rows(_WORKER)
        return None if seconds is None else float(seconds)

    def jobs(self) -> Jobs:
        def ask(link: Connection) -> Jobs:
            [(now,)] = _fetch(link, "SELECT now()", {})
            runs = [JobRun(*row) for row in _fetch(link, _RUNS, {})]
            return Jobs(runs, [JobPlan(*row) for row in _fetch(link, _PLANS, {})], now)

        return self._database.read(ask)

    def processes(self, seconds: float) -> Sequence[Process]:
        return [Process(*row) for row in self._rows(_PROCESSES, seconds=seconds)]

    def alerts(self) -> AlertsShort:
        rows = self._rows(_ALERTS)
        ages = [age for _, _, age in rows if age is not None]
        firing = [rule for rule, state, _ in rows if state == "firing"]
        return AlertsShort(Counter(state for _, state, _ in rows), firing, min(ages, default=None))

    def digest_sent(self) -> datetime | None:
        [(moment,)] = self._rows(_DIGEST)
        return moment if isinstance(moment, datetime) else None

    def _rows(self, statement: str | sql.Composable, **values: Any) -> list[tuple[Any, ...]]:
        return self._database.read(lambda link: _fetch(link, statement, values))


def _fetch(
    link: Connection, statement: str | sql.Composable, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
