"""The port services.ports.operations.Samples: what all processes added up, over a span of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.operations import Window
from mltrading.utils.histogram import BUCKETS, quantile

HOUR_SECONDS = 3600
_MOMENT = timedelta(microseconds=1)  # the resolution of the database's times

_BUCKETS = [sql.SQL("l{}").format(sql.SQL(str(n))) for n in range(1, BUCKETS + 1)]
# First by process, so that the shares are of the worst one and not of all on average.
_RAW = sql.SQL("""SELECT step, sum(samples), sum(requests), sum(errors), sum(slow),
        sum(database_failures), max(memory_share), max(cpu_share), min(disk_free_share),
        max(newest), sum(shed_503), max(pool_in_use), sum(pool_waits), sum(pool_wait_seconds),
        {sums}
    FROM (
        SELECT floor(extract(epoch FROM at)::float8 / %(step)s)::bigint AS step, instance, process,
            count(*) AS samples, sum(requests) AS requests,
            sum(errors_5xx + callback_errors) AS errors, sum(slow) AS slow,
            sum(database_failures) AS database_failures, avg(memory_share) AS memory_share,
            avg(cpu_share) AS cpu_share, avg(disk_free_share) AS disk_free_share,
            max(at) AS newest, sum(shed_503) AS shed_503, max(pool_in_use) AS pool_in_use,
            sum(pool_waits) AS pool_waits, sum(pool_wait_seconds) AS pool_wait_seconds, {columns}
        FROM web_samples WHERE at >= %(since)s AND at < %(until)s
        GROUP BY 1, instance, process
    ) AS by_process GROUP BY step ORDER BY step""").format(
    sums=sql.SQL(", ").join(sql.SQL("sum({})").format(name) for name in _BUCKETS),
    columns=sql.SQL(", ").join(
        sql.SQL("coalesce(sum(latency[{}]), 0) AS {}").format(sql.Literal(n), name)
        for n, name in enumerate(_BUCKETS, 1)
    ),
)
_HOURS = sql.SQL("""SELECT floor(extract(epoch FROM hour)::float8 / %(step)s)::bigint AS step,
        sum(samples), sum(requests), sum(errors), sum(slow), sum(database_failures),
        max(memory_share), max(cpu_share), min(disk_free_share), max(newest), sum(shed_503),
        max(pool_in_use), sum(pool_waits), sum(pool_wait_seconds), {sums}
    FROM web_hours WHERE hour >= %(since)s AND hour < %(until)s
    GROUP BY step ORDER BY step""").format(
    sums=sql.SQL(", ").join(
        sql.SQL("coalesce(sum(latency[{}]), 0)").format(sql.Literal(n))
        for n in range(1, BUCKETS + 1)
    )
)


class PostgresSamples:
    """Reads `web_samples` and, for steps of whole hours, `web_hours`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def window(self, seconds: int, until: datetime) -> Window:
        since = until - timedelta(seconds=seconds)
        # One step that holds all of it.
        rows = self._rows(_RAW, since + _MOMENT, until + _MOMENT, 10**12)
        return _window(rows[0][1:], until) if rows else Window()

    def series(
        self, since: datetime, until: datetime, step_seconds: int
    ) -> Sequence[tuple[datetime, Window]]:
        if step_seconds <= 0:
            raise ValueError(f"a step must be longer than {step_seconds} s")
        statement = _RAW if step_seconds % HOUR_SECONDS else _HOURS
        found = []
        for number, *facts in self._rows(statement, since, until, step_seconds):
            begins = datetime.fromtimestamp(number * step_seconds, UTC)
            ends = begins + timedelta(seconds=step_seconds)
            found.append((begins, _window(facts, min(ends, until))))
        return found

    def _rows(
        self, statement: sql.Composable, since: datetime, until: datetime, step: int
    ) -> list[tuple[Any, ...]]:
        values = {"since": since, "until": until, "step": step}

        def ask(link: Connection) -> list[tuple[Any, ...]]:
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()

        return self._database.read(ask)


def _window(facts: Sequence[Any], until: datetime) -> Window:
    samples, requests, errors, slow, failures, memory, cpu, disk, newest, *rest = facts
    shed, in_use, waits, wait_seconds, *counts = rest
    latency = tuple(map(int, counts))
    return Window(
        requests=int(requests),
        errors=int(errors),
        slow=int(slow),
        database_failures=int(failures),
        latency_p95_seconds=quantile(latency, 0.95),
        memory_share=nan if memory is None else memory,
        cpu_share=nan if cpu is None else cpu,
        disk_free_share=nan if disk is None else disk,
        samples=int(samples),
        newest_age_seconds=inf if newest is None else (until - newest).total_seconds(),
        latency=latency,
        shed_503=int(shed),
        pool_in_use=int(in_use),
        pool_waits=int(waits),
        pool_wait_seconds=float(wait_seconds),
    )
