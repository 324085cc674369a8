"""The port services.ports.alerts.Outbox on PostgreSQL: leases, so that no two workers send one
message at once, and that one which died keeps nobody from it for long."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg2 import sql

from mltrading.adapters.postgres import alert_rows as rows
from mltrading.adapters.postgres.alerts import TIMEOUT_SECONDS, one_failure
from mltrading.adapters.postgres.audit import append_all
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.access import WORKER
from mltrading.services.ports.alerts import Leased
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.message import Destination, Outcome

GIVE_UP_SECONDS = 86_400.0

# The end of what was given up before it arrived would tell of something that nobody there knows.
_DROP = """UPDATE alert_outbox AS one SET state = 'dropped', finished_at = now(),
        reason = 'what it ends never arrived there'
    WHERE state = 'waiting' AND resolved AND leased_until <= now() AND NOT EXISTS (
        SELECT 1 FROM alert_outbox AS before WHERE before.opened_id = one.opened_id
            AND NOT before.resolved AND before.state IN ('waiting', 'delivered'))"""
_GIVE_UP = """UPDATE alert_outbox SET state = 'dead', finished_at = now(),
        reason = 'given up after a day: ' || coalesce(nullif(reason, ''), 'nobody could send it')
    WHERE state = 'waiting' AND leased_until <= now()
        AND created_at < now() - make_interval(secs => %(give_up)s)
    RETURNING id, kind, reason"""
# The rows of one receiver and key go out in their order: an end must not overtake its beginning.
_LEASE = sql.SQL("""WITH due AS (
        SELECT first.seq FROM (
            SELECT DISTINCT kind, target FROM alert_outbox
            WHERE state = 'waiting' AND kind = ANY (%(kinds)s)
            EXCEPT SELECT * FROM unnest(%(busy_kinds)s::text[], %(busy_targets)s::text[])
        ) AS wanted CROSS JOIN LATERAL (
            SELECT seq FROM alert_outbox AS one
            WHERE one.kind = wanted.kind AND one.target = wanted.target AND one.state = 'waiting'
                AND one.leased_until <= now() AND NOT EXISTS (
                    SELECT 1 FROM alert_outbox AS before WHERE before.state = 'waiting'
                        AND before.kind = one.kind AND before.target = one.target
                        AND before.key = one.key AND before.seq < one.seq)
            ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED) AS first
    ), taken AS (
        UPDATE alert_outbox SET attempts = attempts + 1,
            leased_until = now() + make_interval(secs => %(seconds)s)
        FROM due WHERE alert_outbox.seq = due.seq AND alert_outbox.state = 'waiting'
        RETURNING alert_outbox.*
    )
    SELECT {message}, attempts, created_at FROM taken ORDER BY seq""").format(message=rows.MESSAGE)
_FINISH = """UPDATE alert_outbox SET state = %(state)s, finished_at = now(), reason = %(reason)s
    WHERE id = %(id)s AND attempts = %(attempt)s AND state = 'waiting'"""
_POSTPONE = """UPDATE alert_outbox SET reason = %(reason)s,
        leased_until = now() + make_interval(secs => %(pause)s)
    WHERE id = %(id)s AND attempts = %(attempt)s AND state = 'waiting'"""


class PostgresOutbox:
    """The table alert_outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lease(
        self, kinds: Collection[str], busy: Collection[Destination], seconds: float
    ) -> Sequence[Leased]:
        values = {
            "kinds": list(kinds),
            "busy_kinds": [one.kind for one in busy],
            "busy_targets": [one.target for one in busy],
            "seconds": seconds,
            "give_up": GIVE_UP_SECONDS,
        }
        with one_failure(), self._database.transaction(timeout_seconds=TIMEOUT_SECONDS) as link:
            with link.cursor() as cursor:
                cursor.execute(_GIVE_UP, values)
                given_up = [_undelivered(*row) for row in cursor.fetchall()]
                cursor.execute(_DROP)
                cursor.execute(_LEASE, values)
                leased = [
                    Leased(rows.queued_of(row[:-2]), row[-2], row[-1]) for row in cursor.fetchall()
                ]
                append_all(cursor, given_up)
                return leased

    def finish(self, leased: Leased, outcome: Outcome, pause_seconds: float) -> None:
        values = {
            "id": leased.queued.message.id,
            "attempt": leased.attempt,
            "state": outcome.state,
            "reason": outcome.reason,
            "pause": pause_seconds,
        }
        with one_failure(), self._database.transaction(timeout_seconds=TIMEOUT_SECONDS) as link:
            with link.cursor() as cursor:
                cursor.execute(_POSTPONE if outcome.state == "retry" else _FINISH, values)
                if outcome.state == "dead" and cursor.rowcount:
                    message, to = leased.queued.message, leased.queued.destination
                    append_all(cursor, [_undelivered(message.id, to.kind, outcome.reason)])


def _undelivered(id: str, kind: str, reason: str) -> AuditEvent:
    """That nobody will hear of a message. Not to whom it was: that may be a person's address."""
    details = {"channel": kind, "reason": reason if "@" not in reason else "it names an address"}
    return AuditEvent("alerts.undelivered", WORKER.id, "failed", id, details)
