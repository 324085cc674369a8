"""The port services.ports.alerts.WebSigns: whether any process that serves pages is alive."""

from __future__ import annotations

from datetime import datetime

from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database

_SEEN = """SELECT EXISTS (SELECT 1 FROM web_samples WHERE kind = 'web'
    AND at > %(until)s - make_interval(secs => %(seconds)s) AND at <= %(until)s)"""


class PostgresWebSigns:
    """Reads `web_samples`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self, seconds: float, until: datetime) -> bool:
        def ask(link: Connection) -> bool:
            with link.cursor() as cursor:
                cursor.execute(_SEEN, {"seconds": seconds, "until": until})
                return bool(cursor.fetchall()[0][0])

        return self._database.read(ask)
