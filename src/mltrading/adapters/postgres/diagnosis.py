"""What a database says of itself, for a person who looks whether all is well."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres.migrate import STATE
from mltrading.adapters.postgres.pool import Database

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


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`version` as PostgreSQL numbers it (170002 is 17.2), `encrypted`: the way there; `local`: it
    is a socket of the file system. `ahead_seconds`: its clock before this machine's.
    `connections`: as many as the role may have, `others` have some already. `schema` and `oldest`
    as migrate.STATE, `schema` 0 where nothing was migrated. `administrators` who can sign in, and
    how many of them have a `second_factor`; None: there is no such table yet."""

    version: int
    named: str
    encrypted: bool
    local: bool
    ahead_seconds: float
    read_only: bool
    connections: int
    others: int
    schema: int
    oldest: int
    administrators: int | None
    second_factor: int


def diagnose(url: str) -> Diagnosis:
    """Ask it all, in a few seconds at most. DatabaseUnavailable where it does not answer."""
    database = Database(url, 1, outage_seconds=0, timeout_seconds=TIMEOUT_SECONDS)
    try:
        return database.read(_read)
    finally:
        database.close()


def _read(connection: Connection) -> Diagnosis:
    with connection.cursor() as cursor:
        before, monotonic = datetime.now(UTC), time.monotonic()
        cursor.execute(_SERVER)
        clock, version, named, read_only = cursor.fetchall()[0]
        halfway = (time.monotonic() - monotonic) / 2
        limit, others = _row(cursor, _CONNECTIONS)
        schema, oldest = _row(cursor, STATE) if _there(cursor, "schema_version") else (0, 1)
        admins = _row(cursor, _ADMINISTRATORS) if _there(cursor, "users") else (None, 0)
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
        schema=schema,
        oldest=oldest,
        administrators=admins[0],
        second_factor=admins[1],
    )


def _row(cursor: Cursor, statement: str) -> tuple[int, int]:
    cursor.execute(statement)
    first, second = cursor.fetchall()[0]
    return first, second


def _there(cursor: Cursor, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    return bool(cursor.fetchall()[0][0])
