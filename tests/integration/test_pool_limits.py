"""What the pool refuses: more at once than there are slots, more time than a request has, and
changes where the server takes none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.sql import SQL

from mltrading.adapters.postgres.pool import Database
from mltrading.errors import DatabaseBusy, DatabaseReadOnly, DatabaseUnavailable
from mltrading.utils.context import Work, seconds_left, working
from tests.waiting import held_port, wait_until, within

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]


def one(connection: Connection) -> object:
    return run(connection, "SELECT 1")


def run(connection: Connection, statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@contextmanager
def taken(database: Database, slots: int) -> Iterator[None]:
    """So many slots in use until the block ends."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def hold(_: Connection) -> None:
        entered.release()
        leave.wait(60)

    with ThreadPoolExecutor(slots) as threads:
        holders = [threads.submit(database.read, hold) for _ in range(slots)]
        for _ in holders:
            entered.acquire()
        try:
            yield
        finally:
            leave.set()
        for holder in holders:
            holder.result()


def test_no_more_than_its_slots_use_the_database_at_once(database_url: str) -> None:
    database = Database(database_url, 4, slots=5, wait_seconds=0.2)
    with taken(database, 4):
        assert database.read(one) == [(1,)]
        with taken(database, 1):
            for ask in (
                lambda: database.read(one),
                lambda: database.write(one),
                lambda: database.at_once(SQL("SELECT 1")),
            ):
                with pytest.raises(DatabaseBusy, match="all 5 connections .* are busy"):
                    within(2, ask)
    assert database.at_once(SQL("SELECT 1")) == [(1,)]
    database.close()


def test_where_no_slot_moves_nobody_else_waits_for_one(database_url: str) -> None:
    """The first waits, all others after it are told at once, until one is given back."""
    database = Database(database_url, 1, slots=1, wait_seconds=3)
    database.warm()
    with taken(database, 1):
        started = time.monotonic()
        with pytest.raises(DatabaseBusy):
            database.read(one)
        assert time.monotonic() - started >= 2
        for _ in range(20):
            with pytest.raises(DatabaseBusy):
                within(1, lambda: database.read(one))
    with taken(database, 1):
        started = time.monotonic()
        with pytest.raises(DatabaseBusy):
            database.read(one)
        assert time.monotonic() - started >= 2
    database.close()


def test_a_slot_that_comes_free_in_time_is_taken(database_url: str) -> None:
    database = Database(database_url, 1, slots=1, wait_seconds=60)
    entered = threading.Event()

    def hold(connection: Connection) -> None:
        entered.set()
        run(connection, "SELECT pg_sleep(0.2)")

    with ThreadPoolExecutor(1) as threads:
        holder = threads.submit(database.read, hold)
        entered.wait(30)
        assert database.read(one) == [(1,)]
        holder.result()
    database.close()


def test_whoever_waits_for_a_server_that_is_away_has_a_slot_too() -> None:
    with held_port() as port:
        url = f"postgresql://127.0.0.1:{port}/market"
        database = Database(url, 1, slots=1, wait_seconds=0.1, outage_seconds=4)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(database.read, one)
            wait_until(lambda: not database._slots._value, "its slot is taken")  # noqa: SLF001
            with pytest.raises(DatabaseBusy):
                database.read(one)
            with pytest.raises(DatabaseUnavailable, match="no answer"):
                waiting.result()
        with pytest.raises(DatabaseUnavailable, match="no answer"):
            database.read(one)


def test_a_request_has_no_more_time_than_is_left_of_it(database: Database) -> None:
    database.warm()
    with working(Work("0123456789", until=time.monotonic() + 0.4)):
        assert 0 < seconds_left() <= 0.4
        with pytest.raises(DatabaseUnavailable, match=r"took longer than 0\.[0-4]"):
            database.read(lambda connection: run(connection, "SELECT pg_sleep(60)"))
        wait_until(lambda: seconds_left() <= 0, "its end")
        for ask in (lambda: database.read(one), lambda: database.at_once(SQL("SELECT 1"))):
            with pytest.raises(DatabaseUnavailable, match="took too long"):
                ask()
    assert seconds_left() == float("inf")
    assert database.read(one) == [(1,)]


def test_a_request_waits_for_no_server_beyond_its_end() -> None:
    with held_port() as port:
        database = Database(f"postgresql://127.0.0.1:{port}/market", outage_seconds=60)
        started = time.monotonic()
        with working(Work("0123456789", until=started + 0.3)):
            with pytest.raises(DatabaseUnavailable, match="no answer"):
                database.read(one)
        assert time.monotonic() - started < 30


def test_where_no_change_is_taken_reads_work_and_writes_say_so(
    database: Database, owner_url: str, sql: Sql
) -> None:
    sql("CREATE TABLE t (n int)")
    name = owner_url.partition("?")[0].rpartition("/")[2]
    sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert database.read(one) == [(1,)]
    with pytest.raises(DatabaseReadOnly, match="takes no changes at present"):
        database.write(lambda connection: run(connection, "INSERT INTO t VALUES (1)"))
    with pytest.raises(DatabaseReadOnly, match="takes no changes at present"):
        database.at_once(SQL("DELETE FROM t RETURNING n"))
    assert database.read(lambda connection: run(connection, "SELECT count(*) FROM t")) == [(0,)]
