"""Changes accounts and sessions, and the audit trail with them, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres import audit
from mltrading.domain.access import Role
from mltrading.services.ports.audit import AuditEvent
from mltrading.services.ports.identity import Account, EndedSession, NewSession
from mltrading.utils.text import one_line

LONGEST_BROWSER = 200

ACCOUNT = sql.SQL(
    "users.subject, email, role, disabled_at IS NOT NULL, password_hash, totp_secret, issuer"
)
_HOLD = sql.SQL("SELECT {account} FROM users WHERE subject = %s FOR UPDATE").format(account=ACCOUNT)
_FORGET = """DELETE FROM sessions USING users
    WHERE users.id = user_id AND subject = %s AND expires_at <= now()"""
_BEGIN = """INSERT INTO sessions (token_hash, id, road, user_id, expires_at, address, browser)
    SELECT %(token_hash)s, %(id)s, %(road)s, users.id,
        now() + make_interval(secs => %(seconds)s), %(address)s, %(browser)s
    FROM users WHERE subject = %(subject)s RETURNING expires_at"""
_END = """DELETE FROM sessions USING users WHERE users.id = user_id AND token_hash = %s
    RETURNING sessions.id, subject"""
_SET_PASSWORD = "UPDATE users SET password_hash = %s WHERE subject = %s"
_USE_STEP = """UPDATE users SET totp_step = %(step)s
    WHERE subject = %(subject)s AND totp_step < %(step)s RETURNING id"""


def account(row: Sequence[Any]) -> Account:
    """The account of the columns ACCOUNT."""
    subject, email, role, *rest = row
    return Account(subject, email, Role(role), *rest)


class PostgresIdentityChange:
    """The port services.ports.identity.IdentityChange over a cursor in a transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def hold(self, account_id: str) -> Account | None:
        rows = self._rows(_HOLD, (account_id,))
        return account(rows[0]) if rows else None

    def begin(self, account_id: str, session: NewSession) -> datetime:
        self._cursor.execute(_FORGET, (account_id,))
        values = {
            "token_hash": session.token_hash,
            "id": session.id,
            "road": session.road,
            "seconds": session.lasts_seconds,
            "address": one_line(session.origin.address),
            "browser": one_line(session.origin.browser)[:LONGEST_BROWSER],
            "subject": account_id,
        }
        [(expires_at,)] = self._rows(_BEGIN, values)
        assert isinstance(expires_at, datetime)
        return expires_at

    def end(self, token_hash: bytes) -> EndedSession | None:
        rows = self._rows(_END, (token_hash,))
        return EndedSession(*rows[0]) if rows else None

    def set_password_hash(self, account_id: str, password_hash: str | None) -> None:
        self._cursor.execute(_SET_PASSWORD, (password_hash, account_id))

    def use_step(self, account_id: str, step: int) -> bool:
        return bool(self._rows(_USE_STEP, {"step": step, "subject": account_id}))

    def record(self, event: AuditEvent) -> None:
        audit.append(self._cursor, event)

    def _rows(self, query: str | sql.Composable, values: Any) -> list[tuple[Any, ...]]:
        self._cursor.execute(query, values)
        return self._cursor.fetchall()
