"""Changes accounts and sessions, and the audit trail with them, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres import audit
from mltrading.adapters.postgres.symbols import storable
from mltrading.domain.access import Role
from mltrading.services.ports.audit import AuditEvent
from mltrading.services.ports.identity import Account, EndedSession, NewAccount, NewSession
from mltrading.utils.text import one_line

LONGEST_BROWSER = 200

ACCOUNT = sql.SQL(
    "users.subject, email, role, disabled_at IS NOT NULL, password_hash, totp_secret, issuer"
)
_HOLD = sql.SQL("SELECT {account} FROM users WHERE subject = %s FOR UPDATE").format(account=ACCOUNT)
_HOLD_ADDRESS = sql.SQL("SELECT {account} FROM users WHERE email = %s FOR UPDATE").format(
    account=ACCOUNT
)
_HOLD_VOUCHED = sql.SQL("""SELECT {account} FROM users
    WHERE issuer = %s AND issuer_subject = %s FOR UPDATE""").format(account=ACCOUNT)
_VOUCH = "UPDATE users SET issuer = %s, issuer_subject = %s WHERE subject = %s"
_HOLD_ADMINISTRATORS = sql.SQL("""SELECT {account} FROM users
    WHERE subject = %s OR (role = 'admin' AND disabled_at IS NULL)
    ORDER BY users.id FOR UPDATE""").format(account=ACCOUNT)
_ADD = """INSERT INTO users (subject, email, role, password_hash, issuer, issuer_subject)
    VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id"""
_SET_ROLE = "UPDATE users SET role = %s WHERE subject = %s"
_SET_DISABLED = """UPDATE users SET disabled_at = CASE WHEN %s THEN now() END
    WHERE subject = %s"""
_FORGET = """DELETE FROM sessions WHERE token_hash IN (
    SELECT token_hash FROM sessions JOIN users ON users.id = user_id
    WHERE subject = %s AND expires_at <= now() FOR UPDATE OF sessions SKIP LOCKED)"""
_BEGIN = """INSERT INTO sessions (token_hash, id, road, user_id, expires_at, address, browser)
    SELECT %(token_hash)s, %(id)s, %(road)s, users.id,
        now() + make_interval(secs => %(seconds)s), %(address)s, %(browser)s
    FROM users WHERE subject = %(subject)s RETURNING expires_at"""
_END = """DELETE FROM sessions USING users WHERE users.id = user_id AND token_hash = %s
    RETURNING sessions.id, subject"""
_END_SESSIONS = """DELETE FROM sessions USING users
    WHERE users.id = user_id AND subject = %(subject)s AND sessions.id <> %(but)s
        AND (%(only)s::text IS NULL OR sessions.id = %(only)s) RETURNING sessions.id"""
_SET_PASSWORD = "UPDATE users SET password_hash = %s WHERE subject = %s"
_SET_SECOND_FACTOR = "UPDATE users SET totp_secret = %s WHERE subject = %s"
_USE_STEP = """UPDATE users SET totp_step = %(step)s
    WHERE subject = %(subject)s AND totp_step < %(step)s RETURNING id"""
_ADD_LINK = """INSERT INTO password_links (token_hash, user_id, expires_at)
    SELECT %s, id, now() + make_interval(secs => %s) FROM users WHERE subject = %s"""
# The user is held before the link is used, in the order of whoever issues another.
_HOLD_LINK = sql.SQL("""SELECT {account} FROM password_links
    JOIN users ON users.id = user_id
    WHERE token_hash = %s AND expires_at > now() AND disabled_at IS NULL
    FOR UPDATE OF users""").format(account=ACCOUNT)
_USE_LINK = "DELETE FROM password_links WHERE token_hash = %s RETURNING user_id"
_DROP_LINKS = """DELETE FROM password_links USING users
    WHERE users.id = user_id AND subject = %s"""
_SYMBOL = "SELECT id FROM symbols WHERE code = %s"
_SHARE = """INSERT INTO shared_symbols (symbol_id) VALUES (%s)
    ON CONFLICT (symbol_id) DO NOTHING RETURNING symbol_id"""
_UNSHARE = """DELETE FROM shared_symbols USING symbols
    WHERE symbols.id = symbol_id AND code = %s RETURNING symbol_id"""


def account(row: Sequence[Any]) -> Account:
    """The account of the columns ACCOUNT."""
    subject, email, role, *rest = row
    return Account(subject, email, Role(role), *rest)


class PostgresIdentityChange:
    """The port services.ports.identity.IdentityChange over a cursor in a transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def hold(self, account_id: str) -> Account | None:
        return self._account(_HOLD, account_id)

    def hold_address(self, email: str) -> Account | None:
        return self._account(_HOLD_ADDRESS, email)

    def hold_vouched(self, issuer: str, subject: str) -> Account | None:
        return self._account(_HOLD_VOUCHED, issuer, subject)

    def vouch(self, account_id: str, issuer: str, subject: str) -> None:
        self._cursor.execute(_VOUCH, (issuer, subject, account_id))

    def hold_with_administrators(self, account_id: str) -> tuple[Account | None, int]:
        if not storable(account_id):
            return None, 0
        held = [account(row) for row in self._rows(_HOLD_ADMINISTRATORS, (account_id,))]
        asked = next((one for one in held if one.id == account_id), None)
        return asked, sum(one.id != account_id for one in held)

    def add(self, account: NewAccount) -> bool:
        vouched = (account.issuer, account.issuer_subject)
        values = (account.id, account.email, account.role.value, account.password_hash, *vouched)
        return bool(self._rows(_ADD, values))

    def set_role(self, account_id: str, role: Role) -> None:
        self._cursor.execute(_SET_ROLE, (role.value, account_id))

    def set_disabled(self, account_id: str, disabled: bool) -> None:
        self._cursor.execute(_SET_DISABLED, (disabled, account_id))

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

    def end_sessions(self, account_id: str, *, only: str | None = None, but: str = "") -> int:
        if not storable(f"{account_id}{only}"):
            return 0
        values = {"subject": account_id, "only": only, "but": but}
        return len(self._rows(_END_SESSIONS, values))

    def set_password_hash(self, account_id: str, password_hash: str | None) -> None:
        self._cursor.execute(_SET_PASSWORD, (password_hash, account_id))

    def set_second_factor(self, account_id: str, sealed: str | None) -> None:
        self._cursor.execute(_SET_SECOND_FACTOR, (sealed, account_id))

    def use_step(self, account_id: str, step: int) -> bool:
        return bool(self._rows(_USE_STEP, {"step": step, "subject": account_id}))

    def add_link(self, account_id: str, token_hash: bytes, lasts_seconds: int) -> None:
        self.drop_links(account_id)
        self._cursor.execute(_ADD_LINK, (token_hash, lasts_seconds, account_id))

    def use_link(self, token_hash: bytes) -> Account | None:
        held = self._rows(_HOLD_LINK, (token_hash,))
        used = self._rows(_USE_LINK, (token_hash,))
        return account(held[0]) if held and used else None

    def drop_links(self, account_id: str) -> None:
        self._cursor.execute(_DROP_LINKS, (account_id,))

    def share(self, code: str) -> bool | None:
        found = self._rows(_SYMBOL, (code,)) if storable(code) else []
        return bool(self._rows(_SHARE, found[0])) if found else None

    def unshare(self, code: str) -> bool:
        return storable(code) and bool(self._rows(_UNSHARE, (code,)))

    def record(self, event: AuditEvent) -> None:
        audit.append(self._cursor, event)

    def _account(self, query: sql.Composable, *names: str) -> Account | None:
        rows = self._rows(query, names) if all(map(storable, names)) else []
        return account(rows[0]) if rows else None

    def _rows(self, query: str | sql.Composable, values: Any) -> list[tuple[Any, ...]]:
        self._cursor.execute(query, values)
        return self._cursor.fetchall()
