"""The pool against a real server: restarts, exhaustion, forks, and what errors say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.sql import SQL, Literal

from mltrading.adapters.postgres import pool
from mltrading.adapters.postgres.connection import connect, parameters, place
from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.pool import Database
from mltrading.errors import ConfigurationError, DatabaseUnavailable
from tests.database_fixtures import execute
from tests.waiting import held_port, wait_until, within


def query(text: str) -> Callable[[Connection], Any]:
    """A function for `read` or `write`: the first value that the query returns."""

    def run(connection: Connection) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()[0][0] if cursor.description else None

    return run


def terminate(url: str) -> None:
    """End every other session of the database, as a restart of the server does."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


@pytest.fixture
def table(sql: Callable[[str], object]) -> None:
    """A table `t` of one column, made by the owner as a later migration would make it."""
    sql("CREATE TABLE t (n int)")


SEVEN = query("INSERT INTO t VALUES (7)")
COUNT = query("SELECT count(*) FROM t")


@pytest.mark.usefixtures("table")
def test_a_write_is_committed_and_read_back(database: Database) -> None:
    database.write(SEVEN)
    assert database.read(query("SELECT n FROM t")) == 7


@pytest.mark.usefixtures("table")
def test_a_failing_write_leaves_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        SEVEN(connection)
        raise KeyError

    with pytest.raises(KeyError):
        database.write(fail)
    assert database.read(COUNT) == 0


@pytest.mark.usefixtures("table")
def test_a_transaction_is_one_unit(database: Database) -> None:
    with database.transaction() as connection:
        SEVEN(connection)
        SEVEN(connection)
        assert database.read(COUNT) == 0
    assert database.read(COUNT) == 2


@pytest.mark.usefixtures("table")
def test_a_reader_can_not_write(database: Database) -> None:
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        database.read(SEVEN)
    database.write(SEVEN)  # on the same connection


@pytest.mark.usefixtures("table")
def test_a_reader_sees_one_moment(database: Database) -> None:
    database.write(SEVEN)

    def twice(connection: Connection) -> list[int]:
        first = COUNT(connection)
        database.write(SEVEN)
        return [first, COUNT(connection)]

    assert database.read(twice) == [1, 1]
    assert database.read(COUNT) == 2


def test_no_state_stays_in_a_session(database: Database) -> None:
    database.read(query("SELECT 1"), timeout_seconds=1)
    limits = query(
        "SELECT current_setting('statement_timeout') || current_setting('transaction_read_only')"
    )
    assert database.write(limits, timeout_seconds=0) == "0off"


@pytest.mark.usefixtures("table")
def test_a_statement_at_once_is_committed_and_leaves_no_state(database: Database) -> None:
    added = database.at_once(SQL("INSERT INTO t VALUES ({}) RETURNING n").format(Literal("7")))
    assert (added, database.read(COUNT)) == ([(7,)], 1)
    assert database.at_once(SQL("DELETE FROM t")) == []
    assert database.at_once(SQL("SHOW statement_timeout")) == [("3s",)]
    assert database.read(query("SELECT current_setting('transaction_read_only')")) == "on"
    with pytest.raises(psycopg2.errors.DivisionByZero):
        database.at_once(SQL("INSERT INTO t VALUES (1), (1 / (SELECT count(*) FROM t))"))
    assert database.read(COUNT) == 0
    said: list[str] = database.read(lambda connection: list(connection.notices))
    assert said == [], "the server warned of something"


def test_a_statement_at_once_goes_to_a_living_connection(
    database: Database, database_url: str
) -> None:
    assert database.at_once(SQL("SELECT 1")) == [(1,)]
    terminate(database_url)
    assert database.at_once(SQL("SELECT 2")) == [(2,)]


def test_a_slow_statement_ends_at_its_limit(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="took longer than 0.05 s"):
        database.read(query("SELECT pg_sleep(60)"), timeout_seconds=0.05)
    assert database.read(query("SELECT 1")) == 1


# Connections that break.


def test_a_server_that_ends_nothing_by_itself_is_hung_up_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.2)

    def frozen(connection: Connection) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0; SELECT pg_sleep(60)")

    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="no answer from the database"):
        database.read(frozen, timeout_seconds=0.2)
    assert time.monotonic() - started < 30
    assert database.read(lambda connection: connection.closed) == 0


def test_a_kept_connection_that_froze_is_hung_up_on_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.warm()
    monkeypatch.setattr(pool, "OPENING_SECONDS", 0.2)
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.2)
    frozen = iter(["SELECT pg_sleep(60)"])  # for the kept one; the next is new, and answers
    real = database._checked_connection
    monkeypatch.setattr(database, "_checked_connection", lambda _: real(next(frozen, "SELECT 1")))
    started = time.monotonic()
    assert database.read(lambda connection: connection.closed, timeout_seconds=1) == 0
    assert time.monotonic() - started < 30
    assert next(frozen, None) is None


def test_dead_idle_connections_are_replaced_unseen(database: Database, database_url: str) -> None:
    for attempt in (database.read, database.write):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: database.read(query("SELECT pg_sleep(0.05)")), range(4)))
        terminate(database_url)
        assert attempt(query("SELECT 1")) == 1


def test_a_read_that_loses_its_connection_runs_once_more(
    database: Database, database_url: str
) -> None:
    runs: list[int] = []

    def lose_the_first(connection: Connection) -> Any:
        runs.append(1)
        if len(runs) == 1:
            terminate(database_url)
        return query("SELECT 5")(connection)

    assert database.read(lose_the_first) == 5
    assert len(runs) == 2


def test_a_read_that_always_loses_its_connection_gives_up(
    database: Database, database_url: str
) -> None:
    runs: list[int] = []

    def lose(connection: Connection) -> Any:
        runs.append(1)
        terminate(database_url)
        return query("SELECT 5")(connection)

    with pytest.raises(DatabaseUnavailable, match="no answer from the database"):
        database.read(lose)
    assert len(runs) == 2


def test_a_write_that_loses_its_connection_is_never_repeated(
    database: Database, database_url: str
) -> None:
    runs: list[int] = []

    def lose(connection: Connection) -> None:
        runs.append(1)
        terminate(database_url)
        query("CREATE TABLE t AS SELECT 1 AS n")(connection)

    with pytest.raises(DatabaseUnavailable, match="went away during a change"):
        database.write(lose)
    assert len(runs) == 1
    assert database.read(query("SELECT to_regclass('t')")) is None


@pytest.mark.parametrize("force", [signal.SIGINT, signal.SIGKILL])
def test_reads_and_writes_live_through_a_restart_of_the_server(
    tmp_path: Path, binaries: Path | None, force: signal.Signals
) -> None:
    """Eight threads work while the server goes down and comes back: no read fails, and of the
    writes at most those in flight."""
    with EmbeddedServer(tmp_path, binaries, settings={"fsync": "off"}) as server:
        database = Database(server.start(), wait_seconds=10)
        database.write(query("CREATE TABLE t AS SELECT 0 AS n"))
        done, failed = [0] * 8, [0] * 8
        ending = threading.Event()

        def work(number: int) -> None:
            while not ending.is_set():
                if number < 6:
                    database.read(query("SELECT n FROM t"))
                    done[number] += 1
                    continue
                try:
                    database.write(query("INSERT INTO t VALUES (1)"))
                    done[number] += 1
                except DatabaseUnavailable:
                    failed[number] += 1

        def work_on() -> None:
            before = list(done)
            wait_until(
                lambda: any(future.done() for future in futures)
                or all(now > then + 5 for now, then in zip(done, before, strict=True)),
                "everyone's work",
            )

        with ThreadPoolExecutor(8) as threads:
            futures = [threads.submit(work, number) for number in range(8)]
            try:
                work_on()
                pid = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
                os.kill(int(pid), force)
                wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the server")
                work_on()
            finally:
                ending.set()
            for future in futures:
                future.result()  # raises what a reader met
        assert sum(failed) <= 2
        assert database.read(query("SELECT sum(n) FROM t")) >= done[6] + done[7]
        database.close()


def test_an_absent_server_is_waited_for_and_then_told() -> None:
    def ask() -> str:
        with pytest.raises(DatabaseUnavailable) as error:
            database.read(query("SELECT 1"))
        assert "secret" not in "".join(map(str, [error.value, error.value.__cause__]))
        return str(error.value)

    with held_port() as port:
        url = f"postgresql://ana:secret@127.0.0.1:{port}/market"
        database = Database(url, outage_seconds=0.3)
        started = time.monotonic()
        said = within(3, ask)
    assert time.monotonic() - started > 0.1
    assert said.startswith(
        f"no answer from the database at 127.0.0.1:{port}/market: Connection refused;"
    )


def test_a_missing_database_is_told_at_once(server_url: str) -> None:
    url = server_url.replace("/postgres?", "/absent?")
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match='database "absent" does not exist'):
        Database(url, outage_seconds=60).read(query("SELECT 1"))
    assert time.monotonic() - started < 30


def test_a_full_pool_is_a_bounded_wait(database_url: str) -> None:
    database = Database(database_url, pool_size=1, wait_seconds=0.1)
    entered, leave = threading.Semaphore(0), threading.Event()

    def hold(_: Connection) -> None:
        entered.release()
        leave.wait(30)

    with ThreadPoolExecutor(2) as threads:
        holders = [threads.submit(database.read, hold) for _ in range(2)]
        for _ in holders:
            entered.acquire()
        try:
            with pytest.raises(DatabaseUnavailable, match="all 2 connections .* are busy"):
                database.read(query("SELECT 1"))
        finally:
            leave.set()
        for holder in holders:
            holder.result()
    assert database.read(query("SELECT 1")) == 1
    database.close()


def test_no_more_connections_are_kept_than_asked_for(database_url: str) -> None:
    database = Database(database_url, pool_size=2, wait_seconds=10)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: database.read(query("SELECT pg_sleep(0.02)")), range(12)))
    ours = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    wait_until(lambda: execute(database_url, ours) == [(2,)], "two kept connections")
    database.close()
    wait_until(lambda: execute(database_url, ours) == [(0,)], "none after close")


def test_a_forked_child_has_a_pool_of_its_own(database_url: str) -> None:
    program = """
import os, sys
from mltrading.adapters.postgres.pool import Database
def pid(connection):
    return connection.info.backend_pid
database = Database(sys.argv[1])
mine = database.read(pid)
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, str(database.read(pid)).encode())
    sys.exit(0)
os.wait()
theirs = int(os.read(reader, 99))
assert theirs != mine, "the child used the parent's session"
assert database.read(pid) == mine, "the child closed the parent's session"
"""
    command = [sys.executable, "-W", "error", "-c", program, database_url]
    subprocess.run(command, check=True, timeout=60)


def test_nothing_is_loaded_or_connected_before_the_first_use() -> None:
    with held_port() as port:
        program = f"""
import sys
from mltrading.adapters.postgres.pool import Database
Database("postgresql://127.0.0.1:{port}/market")
assert "sqlalchemy" not in sys.modules
"""
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# URLs.


def test_every_usual_form_of_url_is_accepted(server_url: str) -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg2"):
        url = f"{scheme}://{server_url.partition('://')[2]}"
        connect(url).close()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://localhost/market", "localhost"),
        ("postgresql:///market", "the local socket"),
        ("postgresql://u@[::1]:5433/market", "::1:5433"),
        ("postgresql://u:p@a:1,b:2/market?target_session_attrs=read-write", "a,b:1,2"),
        ("postgresql://u:p%40ss@db.example.org:5432/market?sslmode=require", "db.example.org:5432"),
    ],
)
def test_the_place_is_named_without_user_and_password(url: str, host: str) -> None:
    assert place(url) == f"{host}/market"


def test_what_the_url_says_goes_before_our_defaults() -> None:
    said = parameters("postgresql://h/d?connect_timeout=2&application_name=other")
    assert (said["connect_timeout"], said["application_name"]) == ("2", "other")
    assert said["keepalives_idle"] == "30"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "market",
        "mysql://ana:hunter2@localhost/market",
        "host=localhost password=hunter2",
        "postgresql://ana:hun@ter2@localhost/market",
        "postgresql://ana:hun/ter2@localhost/market",
        "postgresql://ana:hun#ter2@localhost/market",
        "postgresql://ana:hunter2/market",
        "postgresql://ana:hun%ter2@localhost/market",
        "postgresql://ana:hunter2@localhost/market?colour=blue",
        "postgresql://ana:hunter 2@localhost/market",
        "postgresql://ana:hunter2@localhost:port/market",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Database(url)
    told = "".join(map(str, [error.value, error.value.__cause__]))
    assert "DATABASE_URL" in told and "\n" not in told
    assert "hun" not in told and "ter2" not in told
