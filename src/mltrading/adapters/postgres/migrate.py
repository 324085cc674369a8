"""Brings a database to the schema this program needs: numbered SQL files, each in one transaction.

Any number of starters may do so at once: they take turns at the lock of `schema_version`. No
advisory lock and no session state, so it works behind pgbouncer.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.connection import Connect, connect, reason
from mltrading.errors import ConfigurationError, DatabaseUnavailable, MLTradingError

FOLDER = Path(__file__).parent / "migrations"
# Two that create the table at once collide inside the catalogue, IF NOT EXISTS or not.
_COLLISIONS = (
    errors.UniqueViolation,
    errors.DuplicateTable,
    errors.DuplicateObject,
    errors.SerializationFailure,
)
_ATTEMPTS = 10


_CONTRACT = re.compile(r"^-- contract: (\d+)$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_TOUCHES = re.compile(
    r"\b(?:ALTER TABLE|DROP TABLE|INSERT INTO|DELETE FROM|UPDATE|REFERENCES|ON)"
    r"(?: IF EXISTS)?(?: ONLY)?\s+([a-z_]\w*)"
)
# Databases of before migration 2 lack the column; asked this way it is NULL then.
STATE = """SELECT version, coalesce((to_jsonb(schema_version) ->> 'oldest')::int, 1)
    FROM schema_version WHERE id = 1"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `version` is the number that its name begins with. `contract`: it takes away what
    programs that know fewer versions than this one need (None: it only adds)."""

    version: int
    name: str
    sql: str
    contract: int | None = None

    @property
    def touches(self) -> frozenset[str]:
        """The names of the tables that it changes or refers to, its own ones too."""
        return frozenset(_TOUCHES.findall(_COMMENT.sub("", self.sql)))


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files in order; ConfigurationError unless they are numbered 1, 2, 3, ..."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        number = re.match(r"(\d{4})_\w+\.sql$", path.name)
        if number is None or int(number[1]) != len(found) + 1:
            raise ConfigurationError(f"migration {path.name} is out of order or misnamed")
        found.append(_migration(int(number[1]), path))
    return found


def _migration(version: int, path: Path) -> Migration:
    sql = path.read_text(encoding="utf-8")
    marks = [int(mark) for mark in _CONTRACT.findall(sql)]
    if len(marks) > 1 or any(not 1 < mark < version for mark in marks):
        raise ConfigurationError(
            f"migration {path.name} must be marked once, with a version from 2 to {version - 1}"
        )
    return Migration(version, path.name, sql, marks[0] if marks else None)


def upgrade(
    database: str | Connect,
    progress: Callable[[str], None] = lambda _: None,
    folder: Path = FOLDER,
) -> list[int]:
    """Apply what is missing; the versions that this call applied.

    `database` is a URL or a function that connects. A newer database is left as it is: a program
    that was rolled back works on it, because migrations only add. ConfigurationError where one
    took away what this program needs, a file fails (nothing of that file is kept then), or the role
    may not migrate. Where nothing is missing, one that may read is enough.
    """
    known = migrations(folder)
    applied = []
    with closing(_open(database)) as connection:
        try:
            _create_version_table(connection)
            present = _refuse_contracted(connection, known)
        except psycopg2.Error as error:
            raise _failed(connection, "schema_version", error) from error
        for migration in known[present:]:
            if _apply(connection, migration, progress):
                applied.append(migration.version)
    return applied


def pending(database: str | Connect, folder: Path = FOLDER) -> list[int]:
    """The versions that the database lacks; changes nothing. Raises as `upgrade` does."""
    known = migrations(folder)
    with closing(_open(database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('schema_version') IS NOT NULL")
        version = 0
        if cursor.fetchall()[0][0]:
            version = _refuse_contracted(connection, known)
        return [migration.version for migration in known if migration.version > version]


def version(database: str | Connect) -> int:
    """The schema version that the migrated database has."""
    with closing(_open(database)) as connection, connection.cursor() as cursor:
        cursor.execute(STATE)
        return int(cursor.fetchall()[0][0])


def _open(database: str | Connect) -> Connection:
    return connect(database) if isinstance(database, str) else database()


def _create_version_table(connection: Connection) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('schema_version') IS NOT NULL")
        if cursor.fetchall()[0][0]:
            return  # a user who may not create tables can still check the version
    for attempt in range(_ATTEMPTS):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS schema_version"
                    " (id int PRIMARY KEY, version int NOT NULL, oldest int NOT NULL DEFAULT 1)"
                )
                cursor.execute("INSERT INTO schema_version VALUES (1, 0) ON CONFLICT DO NOTHING")
            return
        except _COLLISIONS:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))


def _refuse_contracted(connection: Connection, known: list[Migration]) -> int:
    """The version of the database, on which this program works."""
    with connection, connection.cursor() as cursor:
        cursor.execute(STATE)
        version, oldest = cursor.fetchone() or (0, 0)
    if oldest > len(known):
        raise ConfigurationError(
            f"the database has schema version {version} and works with programs that know"
            f" {oldest} or newer, this one knows up to {len(known)}: update mltrading, or point"
            " DATABASE_URL at another database"
        )
    return int(version)


def _apply(connection: Connection, migration: Migration, progress: Callable[[str], None]) -> bool:
    try:
        with connection, connection.cursor() as cursor:
            # First of all: whoever waits for his turn must hold no lock that ALTER TABLE of this
            # table would wait for in turn. The version can be read meanwhile.
            cursor.execute("LOCK TABLE schema_version IN EXCLUSIVE MODE")
            cursor.execute("SELECT version FROM schema_version WHERE id = 1")
            if cursor.fetchall()[0][0] >= migration.version:
                return False
            progress(f"Migrating the database: {migration.name}")
            cursor.execute(migration.sql)
            cursor.execute(
                "UPDATE schema_version SET version = %s WHERE id = 1", (migration.version,)
            )
            if migration.contract is not None:
                cursor.execute(
                    "UPDATE schema_version SET oldest = greatest(oldest, %s) WHERE id = 1",
                    (migration.contract,),
                )
            return True
    except psycopg2.Error as error:
        raise _failed(connection, migration.name, error) from error


def _failed(connection: Connection, what: str, error: psycopg2.Error) -> MLTradingError:
    if connection.closed:
        return DatabaseUnavailable(
            f"the database went away while {what} was applied: {reason(error)}; start again"
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(
            f"the database has to be migrated ({what}), and the role {_role(connection)} may not:"
            f" {reason(error)}; run mltrading db upgrade with DATABASE_OWNER_URL set to a role that"
            " may"
        )
    return ConfigurationError(
        f"the database could not be migrated, {what} failed: {reason(error)}; nothing of it was"
        " kept"
    )


def _role(connection: Connection) -> str:
    return str(connection.info.user)
