"""What the database keeps about persons: read, erased, let go in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres import audit
from mltrading.adapters.postgres.pool import Database
from mltrading.errors import LastAdministrator
from mltrading.services.ports.audit import ANONYMOUS, PRUNED, AuditEvent
from mltrading.services.ports.privacy import Kept

_LAST_STAYS = "an_administrator_stays"  # the trigger of migration 0004
LONG_SECONDS = 300.0  # for what reads all of the trail

_ACCOUNT = """SELECT subject AS id, email, role, created_at, disabled_at, issuer, issuer_subject,
        password_hash IS NOT NULL AS has_password, totp_secret IS NOT NULL AS has_second_factor
    FROM users WHERE subject = %(user)s"""
_SESSIONS = """SELECT sessions.id, road, sessions.created_at, seen_at, expires_at, address, browser
    FROM sessions JOIN users ON users.id = user_id WHERE subject = %(user)s
    ORDER BY sessions.created_at"""
_LINKS = """SELECT password_links.created_at, expires_at
    FROM password_links JOIN users ON users.id = user_id WHERE subject = %(user)s ORDER BY 1"""
# What others did to the account is told without who they are, and where they were.
_EVENTS = """SELECT seq, at, CASE actor WHEN %(user)s THEN 'you' WHEN %(anonymous)s THEN actor
            ELSE 'somebody else' END AS by,
        action, outcome, CASE target WHEN %(user)s THEN 'you' ELSE target END AS target, details,
        CASE WHEN actor IN (%(user)s, %(anonymous)s) THEN address END AS address,
        CASE WHEN actor IN (%(user)s, %(anonymous)s) THEN browser END AS browser
    FROM audit LEFT JOIN audit_origins USING (seq)
    WHERE actor = %(user)s OR target = %(user)s ORDER BY seq"""
_ALERTS = """SELECT price_alerts.id, code AS symbol, price_alerts.interval, condition,
        cooldown_seconds, daily_cap, by_email, switched_on, price_alerts.created_at, changed_at,
        told_at
    FROM price_alerts JOIN symbols ON symbols.id = symbol_id WHERE owner = %(user)s ORDER BY 1"""
_FIRINGS = """SELECT alert_id, bar_ts, close, fired_at
    FROM price_alert_firings JOIN price_alerts ON price_alerts.id = alert_id
    WHERE owner = %(user)s ORDER BY fired_at, bar_ts"""
_NOTICES = """SELECT symbol, interval, title, text, at, read_at
    FROM price_alert_notices WHERE owner = %(user)s ORDER BY id"""
_MAILS = """SELECT target AS address, title, text, alert_outbox.created_at, state, finished_at
    FROM alert_outbox JOIN users ON users.id = user_id WHERE subject = %(user)s ORDER BY seq"""

_HOLD = "SELECT 1 FROM users WHERE subject = %(user)s FOR UPDATE"
# Also of attempts to sign in as this user, which nobody's name is on.
_FORGET_ORIGINS = """DELETE FROM audit_origins USING audit WHERE audit.seq = audit_origins.seq
    AND (actor = %(user)s OR (actor = %(anonymous)s AND target = %(user)s))"""
_ERASE = "DELETE FROM users WHERE subject = %(user)s"
_NOTE = "INSERT INTO erased_subjects (subject) VALUES %s ON CONFLICT DO NOTHING"
_RISEN = "SELECT subject FROM users JOIN erased_subjects USING (subject) ORDER BY subject"

# Times are the database's: a wrong clock of ours lets nothing go.
_COUNT: dict[Kept, str] = {
    "sessions": """SELECT count(*) FROM sessions
        WHERE expires_at < now() - make_interval(days => %(days)s)""",
    "links": """SELECT count(*) FROM password_links
        WHERE expires_at < now() - make_interval(days => %(days)s)""",
    "origins": """SELECT count(*) FROM audit_origins JOIN audit USING (seq)
        WHERE at < now() - make_interval(days => %(days)s)""",
    "notices": """SELECT count(*) FROM price_alert_notices
        WHERE at < now() - make_interval(days => %(days)s)""",
    "firings": """SELECT count(*) FROM price_alert_firings
        WHERE fired_at < now() - make_interval(days => %(days)s)""",
    "audit": """SELECT count(*) FROM audit WHERE seq < coalesce((SELECT seq FROM audit
        WHERE at >= now() - make_interval(days => %(days)s) ORDER BY seq LIMIT 1), 1 + (
            SELECT max(seq) FROM audit))""",
}
_DELETE: dict[Kept, str] = {
    "sessions": """DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions
        WHERE expires_at < now() - make_interval(days => %(days)s) LIMIT %(rows)s)""",
    "links": """DELETE FROM password_links WHERE token_hash IN (
        SELECT token_hash FROM password_links
        WHERE expires_at < now() - make_interval(days => %(days)s) LIMIT %(rows)s)""",
    "origins": """DELETE FROM audit_origins WHERE seq IN (
        SELECT audit_origins.seq FROM audit_origins JOIN audit USING (seq)
        WHERE at < now() - make_interval(days => %(days)s) ORDER BY 1 LIMIT %(rows)s)""",
    "notices": """DELETE FROM price_alert_notices WHERE id IN (SELECT id FROM price_alert_notices
        WHERE at < now() - make_interval(days => %(days)s) ORDER BY at LIMIT %(rows)s)""",
    "firings": """DELETE FROM price_alert_firings WHERE (alert_id, bar_ts) IN (
        SELECT alert_id, bar_ts FROM price_alert_firings
        WHERE fired_at < now() - make_interval(days => %(days)s) ORDER BY fired_at
        LIMIT %(rows)s)""",
}
_MAY_PRUNE = """SELECT current_user, has_table_privilege('audit', 'DELETE')
    AND has_table_privilege('audit_start', 'UPDATE')"""
_OPEN_PRUNING = """SELECT set_config('mltrading.audit_prune', 'on', true)
    FROM audit_start WHERE id = 1 FOR UPDATE"""
_OLDEST = """SELECT seq, encode(hash, 'hex'), at < now() - make_interval(days => %(days)s)
    FROM audit ORDER BY seq LIMIT %(rows)s"""
_PRUNE = "DELETE FROM audit WHERE seq <= %(seq)s"
_MOVE_START = """UPDATE audit_start SET seq = %(seq)s, hash = decode(%(hash)s, 'hex')
    WHERE id = 1"""


class PostgresPrivacy:
    """The port services.ports.privacy.PrivacyStore. `owner` is of the role that owns the tables,
    where that is another one: it alone gives up the oldest of the audit trail."""

    def __init__(self, database: Database, owner: Database | None = None) -> None:
        self._database = database
        self._owner = owner or database

    def find(self, email: str) -> str | None:
        rows = self._rows("SELECT subject FROM users WHERE email = %(email)s", email=email)
        return str(rows[0][0]) if rows else None

    def personal(self, user_id: str) -> dict[str, object] | None:
        values = {"user": user_id, "anonymous": ANONYMOUS}

        def ask(connection: Any) -> dict[str, object] | None:
            with connection.cursor() as cursor:
                account = _records(cursor, _ACCOUNT, values)
                if not account:
                    return None
                return {
                    "account": account[0],
                    "sessions": _records(cursor, _SESSIONS, values),
                    "password_links": _records(cursor, _LINKS, values),
                    "price_alerts": _records(cursor, _ALERTS, values),
                    "price_alert_firings": _records(cursor, _FIRINGS, values),
                    "price_alert_notices": _records(cursor, _NOTICES, values),
                    "alert_outbox": _records(cursor, _MAILS, values),
                    "audit": _records(cursor, _EVENTS, values),
                }

        return self._database.read(ask, timeout_seconds=LONG_SECONDS)

    def erase(self, user_id: str, event: AuditEvent) -> bool:
        values = {"user": user_id, "anonymous": ANONYMOUS}
        with self._changing() as cursor:
            cursor.execute(_HOLD, values)
            if not cursor.fetchall():
                return False
            cursor.execute(_FORGET_ORIGINS, values)
            cursor.execute(_ERASE, values)
            execute_values(cursor, _NOTE, [(user_id,)])
            audit.append(cursor, event)
            return True

    def note_erased(self, user_ids: list[str]) -> None:
        with self._changing() as cursor:
            execute_values(cursor, _NOTE, [(user_id,) for user_id in user_ids])

    def risen(self) -> list[str]:
        return [str(subject) for (subject,) in self._rows(_RISEN)]

    def refusal(self, kept: Kept) -> str | None:
        if kept != "audit":
            return None

        def ask(connection: Any) -> str | None:
            with connection.cursor() as cursor:
                cursor.execute(_MAY_PRUNE)
                [(role, may)] = cursor.fetchall()
            if may:
                return None
            return f"the role {role} may not; it needs DATABASE_OWNER_URL"

        return self._owner.read(ask)

    def count(self, kept: Kept, days: int) -> int:
        return int(self._rows(_COUNT[kept], days=days)[0][0] or 0)

    def let_go(self, kept: Kept, days: int, rows: int, actor: str) -> int:
        values = {"days": days, "rows": rows}
        if kept == "audit":
            return self._prune(values, actor)
        with self._changing() as cursor:
            cursor.execute(_DELETE[kept], values)
            gone = cursor.rowcount
            if gone:
                details = {"rows": str(gone), "days": str(days)}
                event = AuditEvent("privacy.retain", actor, target=kept, details=details)
                audit.append(cursor, event)
            return gone

    def _prune(self, values: dict[str, int], actor: str) -> int:
        """Give up the oldest rows that follow one another; the trail then begins after them, and a
        row of it tells so."""
        with self._owner.transaction(timeout_seconds=LONG_SECONDS) as connection:
            with connection.cursor() as cursor:
                cursor.execute(_OPEN_PRUNING)
                cursor.execute(_OLDEST, values)
                old = list(takewhile(lambda row: row[2], cursor.fetchall()))
                if not old:
                    return 0
                last = {"seq": old[-1][0], "hash": old[-1][1]}
                cursor.execute(_PRUNE, last)
                cursor.execute(_MOVE_START, last)
                details = {
                    **{key: str(value) for key, value in last.items()},
                    "rows": str(len(old)),
                }
                audit.append(cursor, AuditEvent(PRUNED, actor, target="audit", details=details))
                return len(old)

    @contextmanager
    def _changing(self) -> Iterator[Cursor]:
        try:
            with self._database.transaction(timeout_seconds=LONG_SECONDS) as connection:
                with connection.cursor() as cursor:
                    yield cursor
        except errors.RestrictViolation as error:
            if error.diag.constraint_name != _LAST_STAYS:
                raise
            raise LastAdministrator(
                "this is the last administrator who may sign in; make another one first"
            ) from None

    def _rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        def ask(connection: Any) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
                return rows

        return self._database.read(ask, timeout_seconds=LONG_SECONDS)


def _records(cursor: Cursor, statement: str, values: dict[str, str]) -> list[dict[str, object]]:
    """The rows by name, with what JSON can hold."""
    cursor.execute(statement, values)
    names = [column.name for column in cursor.description or ()]
    return [
        {name: _plain(name, value) for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return audit.parsed(value) if name == "details" and isinstance(value, str) else value
