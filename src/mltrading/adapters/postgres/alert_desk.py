"""The port services.ports.alert_desk.DeskBook on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres import alert_rows as rows
from mltrading.adapters.postgres.alerts import TIMEOUT_SECONDS, one_failure
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.turns import Event
from mltrading.services.ports.alert_desk import DeadLetter, DeskRecord, Leader
from mltrading.utils.message import Destination

# Nobody has led yet where the row is as the migration made it; its moment is minus infinity.
_LEADER = "SELECT holder, until FROM alert_leader WHERE id = 1 AND holder <> ''"
_AUTHORS = """SELECT DISTINCT subject, email FROM alert_silences JOIN users ON subject = author
    WHERE ends_at > now()"""
_DEAD = """SELECT kind, target, title, reason, attempts, finished_at FROM alert_outbox
    WHERE state = 'dead' ORDER BY finished_at DESC, seq DESC LIMIT %(limit)s"""
_RULES = "SELECT DISTINCT rule FROM alert_events ORDER BY rule"
_HISTORY = sql.SQL("""SELECT {event} FROM alert_events WHERE %(rule)s IN ('', rule)
    ORDER BY at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s""").format(event=rows.EVENT)


class PostgresDeskBook:
    """Reads the tables alert_*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, most_dead: int) -> DeskRecord:
        def ask(link: Connection) -> DeskRecord:
            with link.cursor() as cursor:
                cursor.execute(_LEADER)
                leader = cursor.fetchone()
                cursor.execute(_AUTHORS)
                authors = dict(cursor.fetchall())
                cursor.execute(_DEAD, {"limit": most_dead})
                dead = [
                    DeadLetter(Destination(kind, target), *rest)
                    for kind, target, *rest in cursor.fetchall()
                ]
                cursor.execute(_RULES)
                named = [name for (name,) in cursor.fetchall()]
                return DeskRecord(Leader(*leader) if leader else None, authors, dead, named)

        with one_failure():
            return self._database.read(ask, timeout_seconds=TIMEOUT_SECONDS)

    def history(self, rule: str, limit: int, offset: int) -> Sequence[Event]:
        def ask(link: Connection) -> list[rows.Row]:
            with link.cursor() as cursor:
                cursor.execute(_HISTORY, {"rule": rule, "limit": limit, "offset": offset})
                return cursor.fetchall()

        with one_failure():
            found = self._database.read(ask, timeout_seconds=TIMEOUT_SECONDS)
        return [rows.event_of(row) for row in found]
