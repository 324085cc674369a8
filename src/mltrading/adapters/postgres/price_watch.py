"""The port services.ports.price_alerts.PriceWatchStore on PostgreSQL: what is due, and what becomes
of it. However many workers there are, each alert is judged by one at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres import alert_rows
from mltrading.adapters.postgres import price_alert_rows as rows
from mltrading.adapters.postgres.alerts import one_failure
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.tables import when
from mltrading.domain.alerting.notices import Queued
from mltrading.domain.bars import Interval
from mltrading.services.ports.price_alerts import Due, PriceAlert, Ruling
from mltrading.utils.message import Destination

TIMEOUT_SECONDS = 10.0

# What happens while an alert does not hold is not told when it holds again.
_FORGET = sql.SQL("""UPDATE price_alerts AS one SET seen_ts = NULL
    WHERE seen_ts IS NOT NULL AND NOT ({holds})""").format(holds=rows.HOLDS)
_LOOKED = """UPDATE price_alert_looks SET looked_at = now()
    WHERE looked_at < now() - interval '20 seconds'"""
# xmin is the number of the transaction that wrote a row last; every import writes `series`.
_DUE = sql.SQL("""SELECT code, one.interval, array_agg(one.id ORDER BY one.id),
        (SELECT string_agg(series.interval || series.xmin::text, ' ' ORDER BY series.interval)
            FROM series
            WHERE series.symbol_id = symbols.id)
        || max(one.changed_at)::text || count(*)
        || count(*) FILTER (WHERE seen_ts IS NULL)
    FROM price_alerts AS one JOIN symbols ON symbols.id = one.symbol_id
    WHERE {holds} AND EXISTS (SELECT FROM series WHERE series.symbol_id = symbols.id)
    GROUP BY symbols.id, code, one.interval ORDER BY code COLLATE "C", one.interval""").format(
    holds=rows.HOLDS
)
_HOLD = sql.SQL("""SELECT {alert} FROM price_alerts AS one
    JOIN symbols ON symbols.id = one.symbol_id LEFT JOIN users ON users.id = one.user_id
    WHERE one.id = ANY (%(ids)s) AND {holds} ORDER BY one.id FOR UPDATE OF one""").format(
    alert=rows.ALERT, holds=rows.HOLDS
)
_KEEP = """UPDATE price_alerts SET seen_ts = %(seen)s, told_at = %(at)s, told_day = %(day)s,
        told_count = %(count)s WHERE id = %(id)s"""
_FIRED = "INSERT INTO price_alert_firings (alert_id, bar_ts, close) VALUES %s"
_TELL = """INSERT INTO price_alert_notices (owner, user_id, alert_id, symbol, interval, title, text)
    SELECT owner, user_id, id, %(symbol)s, interval, %(title)s, %(text)s
    FROM price_alerts WHERE id = %(id)s"""
_MAIL = sql.SQL("""INSERT INTO alert_outbox ({message}, user_id)
    SELECT {values}, user_id FROM price_alerts WHERE id = %s""").format(
    message=alert_rows.MESSAGE, values=sql.SQL(", ").join([sql.Placeholder()] * 10)
)


class PostgresPriceWatch:
    """The tables price_alert*, and the outbox of the operators' alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, developer: bool) -> Sequence[Due]:
        values = _rights(developer)
        with one_failure(), self._database.transaction(timeout_seconds=TIMEOUT_SECONDS) as link:
            with link.cursor() as cursor:
                cursor.execute(_LOOKED)
                cursor.execute(_FORGET, values)
                cursor.execute(_DUE, values)
                found = cursor.fetchall()
        return [Due(code, Interval(name), tuple(ids), str(said)) for code, name, ids, said in found]

    def judge(
        self, ids: Collection[int], developer: bool, decide: Callable[[PriceAlert], Ruling | None]
    ) -> Sequence[tuple[PriceAlert, Ruling]]:
        kept = []
        values = {**_rights(developer), "ids": list(ids)}
        with one_failure(), self._database.transaction(timeout_seconds=TIMEOUT_SECONDS) as link:
            with link.cursor() as cursor:
                cursor.execute(_HOLD, values)
                for row in cursor.fetchall():
                    alert = rows.read(row)
                    ruling = decide(alert) if alert else None
                    if alert is not None and ruling is not None:
                        _keep(cursor, alert, ruling)
                        kept.append((alert, ruling))
        return kept


def _rights(developer: bool) -> dict[str, Any]:
    return {"developer": developer, "sees_all": rows.SEES_ALL}


def _keep(cursor: Cursor, alert: PriceAlert, ruling: Ruling) -> None:
    told = ruling.told
    at = None if told.at is None else when(told.at)
    values = {"id": alert.id, "seen": when(ruling.seen), "at": at, "day": told.day}
    cursor.execute(_KEEP, {**values, "count": told.count})
    if ruling.message is None:
        return
    fired = [(alert.id, when(one.ts), one.close) for one in ruling.firings]
    execute_values(cursor, _FIRED, fired, page_size=len(fired))
    message = ruling.message
    said = {"id": alert.id, "symbol": alert.symbol.code}
    cursor.execute(_TELL, {**said, "title": message.title, "text": message.text})
    if ruling.mailed:
        queued = Queued(Destination("email", alert.email), message, message.id)
        cursor.execute(_MAIL, (*alert_rows.message_row(queued), alert.id))
