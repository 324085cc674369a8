"""The port services.ports.price_alerts.PriceAlertStore on PostgreSQL. Every statement names the
owner, so that an id of somebody else's is an id of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

from mltrading.adapters.postgres import price_alert_rows as rows
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import scoped, session_label
from mltrading.adapters.postgres.tables import when
from mltrading.domain.access import Scope
from mltrading.services.ports.price_alerts import Looked, Notice, Shown, Wish

Row = tuple[Any, ...]

_OF = scoped(
    """SELECT {alert}, {seen}, latest.session,
        (SELECT count(*) FROM price_alert_firings WHERE alert_id = one.id)
    FROM price_alerts AS one JOIN symbols ON symbols.id = one.symbol_id
    LEFT JOIN users ON users.id = one.user_id
    LEFT JOIN latest ON latest.symbol_id = one.symbol_id
    WHERE owner = %(owner)s ORDER BY code COLLATE "C", one.interval, one.id""",
    alert=rows.ALERT,
)
# Two requests of one owner at once must not both find room for the last alert.
_TURN = "SELECT pg_advisory_xact_lock(hashtext('mltrading price_alerts'), hashtext(%(owner)s))"
_ADD = """INSERT INTO price_alerts (owner, user_id, symbol_id, interval, condition,
        cooldown_seconds, daily_cap, by_email, seen_ts)
    SELECT %(owner)s, (SELECT id FROM users WHERE subject = %(owner)s), %(symbol)s, %(interval)s,
        %(condition)s, %(cooldown)s, %(cap)s, %(by_email)s, %(seen)s
    WHERE (SELECT count(*) FROM price_alerts WHERE owner = %(owner)s) < %(most)s
        AND (%(owner)s = %(nobody)s OR EXISTS (SELECT FROM users WHERE subject = %(owner)s))"""
_CHANGE = """UPDATE price_alerts SET symbol_id = %(symbol)s, interval = %(interval)s,
        condition = %(condition)s, cooldown_seconds = %(cooldown)s, daily_cap = %(cap)s,
        by_email = %(by_email)s, seen_ts = %(seen)s, told_at = NULL, told_day = 0, told_count = 0,
        changed_at = now()
    WHERE owner = %(owner)s AND id = %(id)s"""
_SWITCH = """UPDATE price_alerts SET switched_on = %(on)s, seen_ts = %(seen)s, changed_at = now()
    WHERE owner = %(owner)s AND id = %(id)s"""
_REMOVE = "DELETE FROM price_alerts WHERE owner = %(owner)s AND id = %(id)s"
_NOTICES = """SELECT id, symbol, interval, title, text, at, read_at IS NOT NULL
    FROM price_alert_notices WHERE owner = %(owner)s ORDER BY id DESC LIMIT %(limit)s"""
_UNREAD = """SELECT count(*) FROM price_alert_notices
    WHERE owner = %(owner)s AND read_at IS NULL"""
_READ = """UPDATE price_alert_notices SET read_at = now()
    WHERE owner = %(owner)s AND id <= %(up_to)s AND read_at IS NULL"""

_LOOKED = """SELECT looked_at, extract(epoch FROM now() - looked_at)::float8
    FROM price_alert_looks WHERE looked_at > '-infinity'"""


class PostgresPriceAlerts:
    """The tables price_alert*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, owner: str, scope: Scope) -> Sequence[Shown]:
        found = []
        for row in self._rows(_OF[scope], owner=owner):
            visible, session, firings = row[rows.FIELDS :]
            label = None if session is None else session_label(session)
            alert = rows.read(row)
            if alert is not None:
                found.append(Shown(alert, visible, label, firings))
        return found

    def add(self, owner: str, symbol_id: int, wish: Wish, seen: int | None, most: int) -> bool:
        values = {"owner": owner, "symbol": symbol_id, "most": most, "nobody": rows.NOBODY}
        return self._changed(_ADD, {**values, **rows.wish_values(wish, seen)}, first=_TURN) == 1

    def change(
        self, owner: str, alert_id: int, symbol_id: int, wish: Wish, seen: int | None
    ) -> bool:
        values = {"owner": owner, "id": alert_id, "symbol": symbol_id}
        return self._changed(_CHANGE, {**values, **rows.wish_values(wish, seen)}) == 1

    def switch(self, owner: str, alert_id: int, on: bool, seen: int | None) -> bool:
        began = None if seen is None else when(seen)
        values = {"owner": owner, "id": alert_id, "on": on, "seen": began}
        return self._changed(_SWITCH, values) == 1

    def remove(self, owner: str, alert_id: int) -> bool:
        return self._changed(_REMOVE, {"owner": owner, "id": alert_id}) == 1

    def notices(self, owner: str, limit: int) -> Sequence[Notice]:
        return [Notice(*row) for row in self._rows(_NOTICES, owner=owner, limit=limit)]

    def unread(self, owner: str) -> int:
        return int(self._rows(_UNREAD, owner=owner)[0][0])

    def mark_read(self, owner: str, up_to: int) -> int:
        return self._changed(_READ, {"owner": owner, "up_to": up_to})

    def looked(self) -> Looked | None:
        return next((Looked(*row) for row in self._rows(_LOOKED)), None)

    def _changed(self, statement: str, values: dict[str, Any], first: str = "") -> int:
        """How many rows that changed."""
        with self._database.transaction() as link, link.cursor() as cursor:
            if first:
                cursor.execute(first, values)
            cursor.execute(statement, values)
            return cursor.rowcount

    def _rows(self, statement: str | sql.Composable, **values: Any) -> list[Row]:
        def ask(link: Any) -> list[Row]:
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                found: list[Row] = cursor.fetchall()
                return found

        return self._database.read(ask)
