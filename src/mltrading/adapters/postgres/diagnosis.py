"""What a database says of itself, for a person who looks whether all is well."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres.migrate import STATE, Migration, migrations
from mltrading.adapters.postgres.pool import Database

Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 5.0

_SERVER = """SELECT clock_timestamp(), current_setting('server_version_num')::int,
    current_setting('server_version'), pg_is_in_recovery()
        OR current_setting('default_transaction_read_only')::boolean"""
# What a role that is no superuser gets at most. (Reserved for roles of pg_use_reserved_connections
# since PostgreSQL 16; of others' sessions their program is not told.)
_CONNECTIONS = """SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        nullif(rolconnlimit, -1), nullif(datconnlimit, -1)),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND coalesce(application_name, '') NOT LIKE 'mltrading%')
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"""
_ADMINISTRATORS = """SELECT count(*), count(totp_secret) FROM users
    WHERE role = 'admin' AND disabled_at IS NULL
        AND (password_hash IS NOT NULL OR issuer IS NOT NULL)"""
_WAITING = """SELECT email, max(expires_at), coalesce(max(expires_at) > now(), false)
    FROM users LEFT JOIN password_links ON user_id = users.id
    WHERE role = 'admin' AND disabled_at IS NULL AND password_hash IS NULL AND issuer IS NULL
    GROUP BY email ORDER BY email COLLATE "C" """
_FACTORS = """SELECT subject, email, totp_secret FROM users
    WHERE totp_secret IS NOT NULL AND disabled_at IS NULL ORDER BY email COLLATE "C" """
_MIGRATOR = """SELECT current_user::text, coalesce(current_schema(), '')::text,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    coalesce((SELECT has_language_privilege(oid, 'USAGE') FROM pg_language
        WHERE lanname = 'plpgsql'), false),
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"""
# Those who migrate take turns at schema_version, which takes UPDATE, and alter what they own.
_OTHERS_TABLES = """SELECT relname::text FROM pg_class
    WHERE (oid = to_regclass('schema_version') AND NOT has_table_privilege(oid, 'UPDATE'))
        OR (oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
            AND NOT pg_has_role(relowner, 'USAGE'))
    ORDER BY relname"""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema as `role`, which is to migrate it, finds it. `version` and `oldest` as
    migrate.STATE, `version` 0 where nothing was migrated; None: the role may not read it. `lacks`
    says in words why it could not apply the migrations that are pending; nothing: it may."""

    version: int | None
    oldest: int = 1
    role: str = ""
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An administrator who has set no password yet. `until` is when the one-time link for that ends
    or ended, None where there is none (any more); `valid` by the database's clock."""

    email: str
    until: datetime | None
    valid: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`version` as PostgreSQL numbers it (170002 is 17.2), `encrypted`: the way there; `local`: it
    is a socket of the file system. `ahead_seconds`: its clock before this machine's.
    `connections`: as many as the role may have, `others` have some already. `administrators` who
    can sign in, and how many of them have a `second_factor`; None: there is no such table yet, or
    the role may not read it. `waiting` are others of them. `factors`: (subject, e-mail, sealed
    secret) of all users who have a second factor."""

    version: int
    named: str
    encrypted: bool
    local: bool
    ahead_seconds: float
    read_only: bool
    connections: int
    others: int
    administrators: int | None
    second_factor: int
    waiting: tuple[Waiting, ...] = ()
    factors: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)


def diagnose(url: str) -> Diagnosis:
    """Ask it all, in a few seconds at most. DatabaseUnavailable where it does not answer."""
    return _asked(url, _read)


def schema_of(owner_url: str) -> Schema:
    """What the role of that URL could migrate; nothing is changed or locked. Raises as
    `diagnose`."""
    return _asked(owner_url, _read_schema)


def _asked(url: str, read: Callable[[Connection], Answer]) -> Answer:
    database = Database(url, 1, outage_seconds=0, timeout_seconds=TIMEOUT_SECONDS)
    try:
        return database.read(read)
    finally:
        database.close()


def _read(connection: Connection) -> Diagnosis:
    with connection.cursor() as cursor:
        before, monotonic = datetime.now(UTC), time.monotonic()
        cursor.execute(_SERVER)
        clock, version, named, read_only = cursor.fetchall()[0]
        halfway = (time.monotonic() - monotonic) / 2
        limit, others = _row(cursor, _CONNECTIONS)
        admins: tuple[int | None, int] = (None, 0)
        waiting: list[Waiting] = []
        factors: list[tuple[str, str, str]] = []
        if _readable(cursor, "users"):
            admins = _row(cursor, _ADMINISTRATORS)
            cursor.execute(_WAITING)
            waiting = [Waiting(*row) for row in cursor.fetchall()]
            cursor.execute(_FACTORS)
            factors = cursor.fetchall()
    host = connection.get_dsn_parameters().get("host", "")
    return Diagnosis(
        version=version,
        named=named,
        encrypted=bool(connection.info.ssl_in_use),
        local=not host or host.startswith("/"),
        ahead_seconds=(clock - before).total_seconds() - halfway,
        read_only=read_only,
        connections=limit,
        others=others,
        administrators=admins[0],
        second_factor=admins[1],
        waiting=tuple(waiting),
        factors=tuple(factors),
    )


def _read_schema(connection: Connection) -> Schema:
    with connection.cursor() as cursor:
        cursor.execute(_MIGRATOR)
        role, schema, creates, functions, read_only = cursor.fetchall()[0]
        version, oldest = 0, 1
        if _there(cursor, "schema_version"):
            if not _readable(cursor, "schema_version"):
                return Schema(None, oldest, role, ("the right SELECT of the table schema_version",))
            version, oldest = _row(cursor, STATE)
        pending = migrations()[version:]
        if not pending:
            return Schema(version, oldest, role)
        lacks = [
            *([] if schema else ["the right USAGE of a schema of its search_path"]),
            *([f"the right CREATE in schema {schema}"] if schema and not creates else []),
            *([] if functions else ["the right USAGE of the language plpgsql"]),
            *(f"ownership of the table {name}" for name in _others_tables(cursor, pending)),
            *(["a server that takes changes"] if read_only else []),
        ]
        return Schema(version, oldest, role, tuple(lacks))


def _others_tables(cursor: Cursor, pending: list[Migration]) -> list[str]:
    """What the pending migrations touch and the role does not own, of the tables that are there."""
    touched = sorted({name for migration in pending for name in migration.touches})
    cursor.execute(_OTHERS_TABLES, (touched,))
    return [str(name) for (name,) in cursor.fetchall()]


def _row(cursor: Cursor, statement: str) -> tuple[int, int]:
    cursor.execute(statement)
    first, second = cursor.fetchall()[0]
    return first, second


def _there(cursor: Cursor, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    return bool(cursor.fetchall()[0][0])


def _readable(cursor: Cursor, table: str) -> bool:
    cursor.execute(
        "SELECT coalesce(has_table_privilege(to_regclass(%s), 'SELECT'), false)", (table,)
    )
    return bool(cursor.fetchall()[0][0])
