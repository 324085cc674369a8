"""What the program keeps of its own operation: deployments, daily totals, claims of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres import audit
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.access import CONSOLE
from mltrading.services.ports import DayFacts, Deployment
from mltrading.services.ports.audit import AuditEvent

_RECORD = """INSERT INTO deployments (environment, version, commit, release, schema_version)
    SELECT %(environment)s, %(version)s, %(commit)s, %(release)s, version
        FROM schema_version WHERE id = 1
    ON CONFLICT (environment, release, commit) DO NOTHING RETURNING schema_version"""
_KEEP_TOTALS = """INSERT INTO daily_totals (day, symbols, bars)
    SELECT %(day)s, (SELECT count(*) FROM symbols), (SELECT coalesce(sum(bars), 0) FROM series)
    ON CONFLICT (day) DO NOTHING"""
_DEPLOYMENTS = """SELECT environment, version, commit, release, finished_at FROM deployments
    WHERE finished_at >= %(since)s AND finished_at < %(until)s ORDER BY finished_at, id"""
_COUNTS = """SELECT
    (SELECT count(*) FROM symbols WHERE added_at >= %(since)s AND added_at < %(until)s),
    (SELECT bars FROM daily_totals WHERE day = %(day)s),
    (SELECT bars FROM daily_totals WHERE day = %(day)s - 1),
    (SELECT count(*) FROM quarantine WHERE imported_at >= %(since)s AND imported_at < %(until)s)"""
_ERASED = """SELECT subject FROM erased_subjects
    WHERE erased_at >= %(since)s AND erased_at < %(until)s ORDER BY erased_at, subject"""

_CLAIM = """INSERT INTO job_runs AS kept (job, target, due_at, leased_until)
    VALUES (%(job)s, %(target)s, %(due_at)s, now() + make_interval(secs => %(seconds)s))
    ON CONFLICT (job, target, due_at) DO UPDATE
        SET attempts = kept.attempts + 1, leased_until = EXCLUDED.leased_until
        WHERE kept.finished_at IS NULL AND kept.leased_until <= now()
    RETURNING attempts"""
_FINISH = """UPDATE job_runs SET finished_at = now(), outcome = %(outcome)s
    WHERE job = %(job)s AND target = %(target)s AND due_at = %(due_at)s
        AND attempts = %(attempt)s AND finished_at IS NULL"""
_POSTPONE = """UPDATE job_runs
    SET leased_until = now() + make_interval(secs => %(seconds)s), outcome = %(outcome)s
    WHERE job = %(job)s AND target = %(target)s AND due_at = %(due_at)s
        AND attempts = %(attempt)s AND finished_at IS NULL"""

# Every worker tells it each time it looks; only what is new, or was told long ago, is a write.
_PLAN = """INSERT INTO job_plans AS kept (job, next_at) VALUES (%(job)s, %(next_at)s)
    ON CONFLICT (job) DO UPDATE SET next_at = EXCLUDED.next_at, told_at = now()
        WHERE kept.next_at <> EXCLUDED.next_at OR kept.told_at < now() - interval '5 minutes'"""


class PostgresDeployments:
    """The table `deployments`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, environment: str, version: str, commit: str, release: str) -> bool:
        """Whether this release of this commit is new to the environment; it is recorded then,
        once however many record it at the same time, in the audit trail too."""
        values = {
            "environment": environment,
            "version": version,
            "commit": commit,
            "release": release,
        }

        def record(link: Connection) -> bool:
            with link.cursor() as cursor:
                cursor.execute(_RECORD, values)
                new = cursor.fetchall()
                if new:
                    details = {**values, "schema": str(new[0][0])}
                    event = AuditEvent("release.record", CONSOLE.id, "done", release, details)
                    audit.append(cursor, event)
                return bool(new)

        return self._database.write(record)


class PostgresDayBook:
    """The port services.ports.DayBook on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def facts(self, since: datetime, until: datetime) -> DayFacts:
        values = {"since": since, "until": until, "day": until.date()}

        def ask(link: Connection) -> DayFacts:
            _run(link, _KEEP_TOTALS, values)
            deployments = tuple(Deployment(*row) for row in _rows(link, _DEPLOYMENTS, values))
            [(added, bars, before, quarantined)] = _rows(link, _COUNTS, values)
            erased = tuple(str(subject) for (subject,) in _rows(link, _ERASED, values))
            with link.cursor() as cursor:
                trail = audit.state(cursor)
            return DayFacts(deployments, added, bars, before, quarantined, erased, trail)

        return self._database.write(ask)


class PostgresJobRuns:
    """The port services.ports.JobRuns on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, job: str, target: str, due_at: datetime, lease_seconds: float) -> int | None:
        values = {"job": job, "target": target, "due_at": due_at, "seconds": lease_seconds}
        rows = self._database.write(lambda link: _rows(link, _CLAIM, values))
        return int(rows[0][0]) if rows else None

    def finish(self, job: str, target: str, due_at: datetime, attempt: int, outcome: str) -> None:
        values = {"job": job, "target": target, "due_at": due_at, "attempt": attempt}
        self._change(_FINISH, {**values, "outcome": outcome})

    def postpone(
        self, job: str, target: str, due_at: datetime, attempt: int, seconds: float, reason: str
    ) -> None:
        values = {"job": job, "target": target, "due_at": due_at, "attempt": attempt}
        self._change(_POSTPONE, {**values, "seconds": seconds, "outcome": reason})

    def plan(self, job: str, next_at: datetime) -> None:
        self._change(_PLAN, {"job": job, "next_at": next_at})

    def _change(self, statement: str, values: dict[str, object]) -> None:
        self._database.write(lambda link: _run(link, statement, values))


def _run(link: Connection, statement: str, values: dict[str, Any]) -> None:
    with link.cursor() as cursor:
        cursor.execute(statement, values)


def _rows(link: Connection, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
