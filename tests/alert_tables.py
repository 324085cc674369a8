"""The tables of the alert engine, filled as an engine would, for tests of what reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.turns import Book, Changes

HOLDER = "web.1-77-abcd"
TABLES = "alerts, alert_told, alert_outbox, alert_events, alert_silences, alert_spools"


class Engine:
    """Writes what an engine would have found, as of now. The tables are empty at its start."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.store = PostgresAlerts(database)
        self._run(f"TRUNCATE {TABLES}")
        self.moment = self.now()

    def now(self) -> datetime:
        [(moment,)] = self._run("SELECT now()")
        return moment

    def finds(self, **changes: object) -> None:
        assert self.store.lead(HOLDER, 45) is not None
        wanted = Changes(**changes)  # type: ignore[arg-type]

        def decide(book: Book, now: datetime) -> Changes:
            return wanted

        assert self.store.turn(HOLDER, decide) is wanted

    def ends(self, seconds_ago: int = 3_600) -> None:
        """The worker was killed so long ago."""
        self._run("UPDATE alert_leader SET until = now() - make_interval(secs => %s)", seconds_ago)
        self._run("UPDATE alerts SET evaluated_at = now() - make_interval(secs => %s)", seconds_ago)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._database.transaction() as link, link.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
