"""Reads accounts and sessions, and opens the transactions that change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.identity_change import ACCOUNT, PostgresIdentityChange, account
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import storable
from mltrading.domain.access import Role
from mltrading.errors import DatabaseUnavailable
from mltrading.services.ports.identity import (
    Account,
    IdentityChange,
    OpenSession,
    SessionInfo,
    UserInfo,
)

_BY_EMAIL = sql.SQL("SELECT {account} FROM users WHERE email = %s").format(account=ACCOUNT)
_BY_ID = sql.SQL("SELECT {account} FROM users WHERE subject = %s").format(account=ACCOUNT)
_LINK_HOLDER = sql.SQL("""SELECT {account} FROM password_links JOIN users ON users.id = user_id
    WHERE token_hash = %s AND expires_at > now() AND disabled_at IS NULL""").format(account=ACCOUNT)
_USERS = """SELECT subject, email, role, disabled_at IS NOT NULL, password_hash IS NOT NULL,
        totp_secret IS NOT NULL, issuer, users.created_at, count(sessions.id), max(seen_at)
    FROM users LEFT JOIN sessions ON users.id = user_id AND expires_at > now()
        AND seen_at > now() - make_interval(secs => %(idle)s)
    GROUP BY users.id ORDER BY email COLLATE "C" """
_SESSIONS = """SELECT sessions.id, road, sessions.created_at, seen_at, address, browser,
        extract(epoch FROM now() - sessions.created_at)::float8
    FROM sessions JOIN users ON users.id = user_id
    WHERE subject = %(subject)s AND expires_at > now()
        AND seen_at > now() - make_interval(secs => %(idle)s)
    ORDER BY sessions.created_at DESC, sessions.id"""
_SHARED = """SELECT code FROM shared_symbols JOIN symbols ON symbols.id = symbol_id"""
_CODES = """SELECT code FROM symbols ORDER BY code COLLATE "C" """
_SESSION = sql.SQL("""SELECT sessions.id, road, extract(epoch FROM now() - seen_at)::float8,
        {account} FROM sessions JOIN users ON users.id = user_id
    WHERE token_hash = {token_hash} AND expires_at > now() AND disabled_at IS NULL
        AND seen_at > now() - make_interval(secs => {idle})""")
_TOUCH = """UPDATE sessions SET seen_at = now()
    WHERE token_hash = %s AND seen_at <= now() - make_interval(secs => %s)"""


class PostgresIdentity:
    """The port services.ports.identity.IdentityStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def change(self) -> Iterator[IdentityChange]:
        with self._database.transaction() as connection, connection.cursor() as cursor:
            yield PostgresIdentityChange(cursor)

    def account(self, email: str) -> Account | None:
        rows = self._rows(_BY_EMAIL, (email,))
        return account(rows[0]) if rows else None

    def account_of(self, account_id: str) -> Account | None:
        rows = self._rows(_BY_ID, (account_id,)) if storable(account_id) else []
        return account(rows[0]) if rows else None

    def users(self, idle_limit_seconds: int) -> list[UserInfo]:
        rows = self._rows(_USERS, {"idle": idle_limit_seconds})
        return [UserInfo(id, email, Role(role), *rest) for id, email, role, *rest in rows]

    def sessions(self, account_id: str, idle_limit_seconds: int) -> list[SessionInfo]:
        values = {"subject": account_id, "idle": idle_limit_seconds}
        rows = self._rows(_SESSIONS, values) if storable(account_id) else []
        return [SessionInfo(*row) for row in rows]

    def link_holder(self, token_hash: bytes) -> Account | None:
        rows = self._rows(_LINK_HOLDER, (token_hash,))
        return account(rows[0]) if rows else None

    def shared(self) -> frozenset[str]:
        return frozenset(code for code, in self._rows(_SHARED, ()))

    def codes(self) -> list[str]:
        return [code for code, in self._rows(_CODES, ())]

    def session(self, token_hash: bytes, idle_limit_seconds: int) -> OpenSession | None:
        # Every request asks this, so it is one message.
        asked = _SESSION.format(
            account=ACCOUNT,
            token_hash=sql.Literal(token_hash),
            idle=sql.Literal(idle_limit_seconds),
        )
        for id, road, idle_seconds, *user in self._database.at_once(asked):
            return OpenSession(id, road, account(user), idle_seconds)
        return None

    def touch(self, token_hash: bytes, after_seconds: int) -> None:
        def touch(connection: Connection) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_TOUCH, (token_hash, after_seconds))

        # A session that was found is good, even where the database takes no change at present.
        with suppress(DatabaseUnavailable):
            self._database.write(touch)

    def _rows(self, query: str | sql.Composable, values: Any) -> list[tuple[Any, ...]]:
        def read(connection: Connection) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()

        return self._database.read(read)
