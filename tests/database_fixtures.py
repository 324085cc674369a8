"""PostgreSQL for tests: one server a run, one fresh migrated database a test.

What is tested connects as the application's role, which owns nothing; `owner_url` and `sql` are of
the role that migrated. On a server that was given there is one role for both.

`MLTRADING_TEST_BIN` names the folder of another server's binaries (`make test PG=12`),
`MLTRADING_TEST_SERVER` the URL of a running one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from mltrading.adapters.postgres import grants
from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.errors import ConfigurationError

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that uses the server is one of the database tests."""
    for item in items:
        if "server_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@pytest.fixture(scope="session")
def binaries() -> Path | None:
    """The folder of server binaries under test; None is the installed wheel."""
    folder = os.environ.get("MLTRADING_TEST_BIN")
    return Path(folder) if folder else None


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all xdist workers of this run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def server_url(run_folder: Path, binaries: Path | None) -> Iterator[str]:
    """A PostgreSQL server that forgets on power loss and is fast for it."""
    given = os.environ.get("MLTRADING_TEST_SERVER")
    if given:
        yield given
        return
    server = EmbeddedServer(run_folder / "pg", binaries, settings=FAST)
    try:
        url = server.start()
    except ConfigurationError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with server:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str, run_folder: Path) -> str:
    """The name of a migrated, empty database that others are cloned from."""
    record = run_folder / "template"
    with (run_folder / "template.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            name = f"mlt_template_{secrets.token_hex(4)}"
            execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
            url = database_on(server_url, name)
            upgrade(url)
            grants.admit(url, grants.APPLICATION)
            record.write_text(name)
    return record.read_text()


def clone(server_url: str, template: str, name: str) -> None:
    """A database `name` as `template` is. Its files are copied, as before 15, since 15 only where
    that is asked for: through the log it would take three times as long."""
    with closing(psycopg2.connect(server_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        strategy = "STRATEGY file_copy" if connection.server_version >= 150_000 else ""
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")


@pytest.fixture
def owner_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh migrated database of this test alone, for the role that owns it."""
    name = f"mlt_{secrets.token_hex(6)}"
    clone(server_url, template, name)
    yield database_on(server_url, name)
    drop(server_url, name)


@pytest.fixture
def database_url(owner_url: str) -> str:
    """The URL of a fresh migrated database of this test alone, for the application's role."""
    return application_url(owner_url)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    name = f"mlt_{secrets.token_hex(6)}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
    yield database_on(server_url, name)
    drop(server_url, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A pool on a fresh migrated database."""
    pool = Database(database_url)
    yield pool
    pool.close()


@pytest.fixture
def sql(owner_url: str) -> Callable[[str], list[tuple[object, ...]]]:
    """Run a statement beside the code under test, as the owner; the rows it returns."""
    return lambda statement: execute(owner_url, statement)


def application_url(owner_url: str) -> str:
    """The same database for the application's role."""
    if os.environ.get("MLTRADING_TEST_SERVER"):
        return owner_url  # we know of no password for another role there
    return grants.with_role(owner_url, grants.APPLICATION)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def drop(server_url: str, name: str) -> None:
    # DROP DATABASE .. WITH (FORCE) is of PostgreSQL 13.
    execute(
        server_url,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    execute(server_url, f"DROP DATABASE {name}")


def database_on(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    head, _, tail = server_url.partition("://")
    place, mark, query = tail.partition("?")
    return f"{head}://{place.partition('/')[0]}/{name}{mark}{query}"
