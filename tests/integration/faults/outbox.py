"""Messages in the outbox, as the engine puts them there, for a worker that is started after."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.notices import Queued
from mltrading.domain.alerting.turns import Changes
from mltrading.utils.message import Destination, Message

SLACK = Destination("slack", "#critical")
PAGER = Destination("pagerduty", "service-key")
MAIL = Destination("email", "team@example.com")


def put(
    database: Database, channels: Sequence[Destination], count: int, name: str = "m"
) -> set[str]:
    """So many, to each channel in turn; their ids, which begin with `name`."""
    queued = []
    for number in range(count):
        id = f"{name}{number}"
        message = Message("critical", f"title {id}", f"Message {id}", f"key-{id}", id=id)
        queued.append(Queued(channels[number % len(channels)], message, id))
    database.write(_lead_no_more)  # of a worker that was killed
    store = PostgresAlerts(database)
    assert store.lead("test", 60) is not None
    store.turn("test", lambda book, now: Changes(messages=tuple(queued)))
    database.write(_lead_no_more)
    return {one.message.id for one in queued}


def _lead_no_more(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE alert_leader SET holder = '', until = '-infinity'")
