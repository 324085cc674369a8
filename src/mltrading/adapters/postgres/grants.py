"""What the application's own role may do, where another role owns the tables and migrates.

It reads and writes rows and makes temporary tables. It can not alter the schema, nor change,
remove or forge a row of the audit trail: those come in through audit_append alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres.connection import connect, reason
from mltrading.errors import ConfigurationError

Rights = frozenset[str]

APPLICATION = "mltrading_app"
"""The application's role on the embedded server."""

EVERYTHING = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
OF_TABLES: Mapping[str, Rights] = {
    "schema_version": frozenset({"SELECT"}),
    "audit": frozenset({"SELECT"}),
    "audit_head": frozenset({"SELECT"}),
    "audit_start": frozenset({"SELECT"}),
    "audit_origins": frozenset({"SELECT", "DELETE"}),  # kept for less long, and erased
    "deployments": frozenset({"SELECT", "INSERT"}),
    "erased_subjects": frozenset({"SELECT", "INSERT"}),
}
"""Of those that are not simply read and written; every other table gives EVERYTHING."""
OF_SEQUENCES = frozenset({"SELECT", "USAGE"})

_WHERE = "SELECT current_database(), current_schema(), current_user"
_HERE = "SELECT oid, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
_ROLE_EXISTS = "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s)"
_MEMBER_OR_BETTER = "SELECT pg_has_role(%s, current_user, 'MEMBER')"
_GRANTED = """SELECT relname, relkind = 'S', ARRAY(
        SELECT privilege_type FROM aclexplode(relacl) WHERE grantee = roles.oid)
    FROM pg_class, pg_roles AS roles
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        AND relkind IN ('r', 'p', 'S') AND pg_get_userbyid(relowner) = current_user
        AND rolname = %s ORDER BY relname"""
_BY_DEFAULT = """SELECT defaclobjtype::text, privilege_type
    FROM pg_default_acl, pg_roles AS roles, aclexplode(defaclacl)
    WHERE pg_get_userbyid(defaclrole) = current_user AND grantee = roles.oid AND rolname = %s
        AND defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"""
_REST = """SELECT has_schema_privilege(%(role)s, current_schema(), 'USAGE')
    AND NOT has_schema_privilege(%(role)s, current_schema(), 'CREATE')
    AND has_database_privilege(%(role)s, current_database(), 'TEMPORARY'),
    ARRAY(SELECT proname FROM pg_proc
        WHERE proname = 'audit_append' AND pg_get_userbyid(proowner) = current_user
        AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        AND (proacl IS NULL OR NOT has_function_privilege(%(role)s, oid, 'EXECUTE')
            OR EXISTS (SELECT 1 FROM aclexplode(proacl) WHERE grantee = 0)))"""
_CAN_NOT_GIVE = """SELECT
    NOT has_schema_privilege(%(role)s, nspname, 'USAGE')
        AND NOT has_schema_privilege(nspname, 'USAGE WITH GRANT OPTION'),
    has_schema_privilege(%(role)s, nspname, 'CREATE') AND NOT pg_has_role(nspowner, 'USAGE'),
    NOT has_database_privilege(%(role)s, current_database(), 'TEMPORARY')
        AND NOT has_database_privilege(current_database(), 'TEMPORARY WITH GRANT OPTION')
    FROM pg_namespace WHERE nspname = current_schema()"""
_ALTERS = """SELECT privilege FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE has_table_privilege(to_regclass('audit'), privilege)
    UNION ALL SELECT 'ALTER TABLE' FROM pg_class
    WHERE oid = to_regclass('audit') AND pg_has_role(relowner, 'MEMBER')"""
_DEFAULT_RIGHTS = {("r", right) for right in EVERYTHING} | {("S", right) for right in OF_SEQUENCES}


@dataclass(frozen=True, slots=True)
class _Lacking:
    """What a role has to be granted, or has too much of."""

    tables: tuple[tuple[str, Rights], ...]
    sequences: tuple[str, ...]
    rest: bool

    def __bool__(self) -> bool:
        return bool(self.tables or self.sequences or self.rest)


def share(owner_url: str, application_url: str) -> bool:
    """Give the role of `application_url` its rights on what the role of `owner_url` owns; whether
    something was missing. Nothing happens where they are one role, or the first is a member of the
    second (or a superuser): it may do everything anyway.

    ConfigurationError where the two are not the same database, or the owner may not grant.
    """
    with closing(connect(owner_url)) as owner:
        role = _application(owner, application_url)
        owner.rollback()
        return grant(owner, role)


def can_not_give(owner_url: str, application_url: str) -> list[str]:
    """Why `share` would fail, each reason in words; it changes nothing. Raises as `share` does for
    two databases."""
    with closing(connect(owner_url)) as owner, owner.cursor() as cursor:
        role = _application(owner, application_url)
        if _is_owner(cursor, role):
            return []
        cursor.execute(_WHERE)
        database, schema, _ = cursor.fetchall()[0]
        cursor.execute(_CAN_NOT_GIVE, {"role": role})
        reasons = (
            f"give {role} USAGE of schema {schema}",
            f"take CREATE in schema {schema} from {role}",
            f"give {role} TEMPORARY in database {database}",
        )
        found = cursor.fetchall()
        return [reason for reason, lacks in zip(reasons, *found, strict=True) if lacks]


def _application(owner: Connection, url: str) -> str:
    """The role of `url`, which has to name the database of `owner`."""
    with (
        closing(connect(url)) as application,
        owner.cursor() as ours,
        application.cursor() as theirs,
    ):
        ours.execute(_HERE)
        theirs.execute(_HERE)
        if ours.fetchall() != theirs.fetchall():
            raise ConfigurationError("DATABASE_OWNER_URL and DATABASE_URL name different databases")
        theirs.execute("SELECT current_user")
        return str(theirs.fetchall()[0][0])


def grant(connection: Connection, role: str) -> bool:
    """Give `role` its rights on what the connection's role owns; whether something was missing."""
    try:
        with connection, connection.cursor() as cursor:
            if _is_owner(cursor, role) or not _lacking(cursor, role):
                return False
        with connection, connection.cursor() as cursor:
            # Starters take turns, as for migrations: the catalogue refuses two grants at once.
            cursor.execute("LOCK TABLE schema_version IN EXCLUSIVE MODE")
            lacking = _lacking(cursor, role)
            if lacking:
                _give(cursor, role, lacking)
            if _lacking(cursor, role):
                raise _refused(cursor, role, "the grants had no effect")
            return bool(lacking)
    except psycopg2.errors.InsufficientPrivilege as error:
        with connection, connection.cursor() as cursor:
            raise _refused(cursor, role, reason(error)) from error


def admit(owner_url: str, role: str) -> None:
    """The role with its rights, on a server that is ours: it is made where it is missing, may sign
    in, and nothing else."""
    with closing(connect(owner_url)) as connection:
        _create_role(connection, role)
        grant(connection, role)


def _create_role(connection: Connection, role: str) -> None:
    for _ in range(2):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(_ROLE_EXISTS, (role,))
                if not cursor.fetchall()[0][0]:
                    cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            return
        except (psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
            continue  # another starter was faster


def with_role(url: str, role: str) -> str:
    """The same database for another role, without a password: that of the embedded server."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}@{rest.rpartition('@')[2] if '@' in rest else rest}"


def alters_audit(url: str) -> list[str]:
    """What the role of `url` could do to rows that the audit trail has: UPDATE, DELETE, TRUNCATE,
    ALTER TABLE (as its owner, who may disable the trigger). Nothing is as it should be."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_ALTERS)
        return [str(privilege) for (privilege,) in cursor.fetchall()]


def _is_owner(cursor: Cursor, role: str) -> bool:
    cursor.execute(_MEMBER_OR_BETTER, (role,))
    return bool(cursor.fetchall()[0][0])


def _lacking(cursor: Cursor, role: str) -> _Lacking:
    tables, sequences = [], []
    cursor.execute(_GRANTED, (role,))
    for name, is_sequence, rights in cursor.fetchall():
        wanted = OF_TABLES.get(name, EVERYTHING)
        if is_sequence and not OF_SEQUENCES <= set(rights):
            sequences.append(name)
        elif not is_sequence and set(rights) != wanted:
            tables.append((name, wanted))
    cursor.execute(_BY_DEFAULT, (role,))
    by_default = _DEFAULT_RIGHTS <= set(cursor.fetchall())
    cursor.execute(_REST, {"role": role})
    general, functions = cursor.fetchall()[0]
    return _Lacking(
        tuple(tables), tuple(sequences), not (by_default and general) or bool(functions)
    )


def _give(cursor: Cursor, role: str, lacking: _Lacking) -> None:
    cursor.execute(_WHERE)
    database, schema, _ = (sql.Identifier(name) for name in cursor.fetchall()[0])
    names = {"role": sql.Identifier(role), "database": database, "schema": schema}

    def run(statement: str, **more: sql.Composable) -> None:
        cursor.execute(sql.SQL(statement).format(**names, **more))

    run("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}")
    run("GRANT USAGE ON SCHEMA {schema} TO {role}")
    # Before PostgreSQL 15 everybody has it. Who may make an operator there bends what audit_append
    # does with the owner's rights.
    run("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}")
    for name, rights in lacking.tables:
        table = sql.Identifier(name)
        run("REVOKE ALL ON {schema}.{table} FROM {role}", table=table)
        run("GRANT {rights} ON {schema}.{table} TO {role}", table=table, rights=_words(rights))
    for name in lacking.sequences:
        run(
            "GRANT {rights} ON SEQUENCE {schema}.{sequence} TO {role}",
            sequence=sql.Identifier(name),
            rights=_words(OF_SEQUENCES),
        )
    run("REVOKE EXECUTE ON FUNCTION {schema}.audit_append FROM PUBLIC")
    run("GRANT EXECUTE ON FUNCTION {schema}.audit_append TO {role}")
    # Until the next grant, what later migrations make is read and written like most tables.
    run(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights} ON TABLES TO {role}",
        rights=_words(EVERYTHING),
    )
    run(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights} ON SEQUENCES TO {role}",
        rights=_words(OF_SEQUENCES),
    )


def _words(rights: Rights) -> sql.Composable:
    return sql.SQL(", ".join(sorted(rights)))


def _refused(cursor: Cursor, role: str, why: str) -> ConfigurationError:
    cursor.execute(_WHERE)
    database, schema, owner = cursor.fetchall()[0]
    return ConfigurationError(
        f"the role {owner} of DATABASE_OWNER_URL can not give the role {role} what it needs: {why};"
        f" it must own the schema {schema} and its tables, and database {database} must give {role}"
        " TEMPORARY"
    )
