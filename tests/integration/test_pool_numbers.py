"""What the pool of connections tells of itself is what happened."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.errors import DatabaseUnavailable
from mltrading.utils import measures
from mltrading.utils.measures import TALLY
from tests.database_fixtures import execute
from tests.waiting import held_port, wait_until

pytestmark = pytest.mark.database

END_IT = "SELECT pg_terminate_backend(pg_backend_pid())"
SLEEPERS = """SELECT pid FROM pg_stat_activity WHERE state = 'active'
    AND datname = current_database() AND query LIKE 'SELECT pg_sleep(20)%'"""


def number(*key: str) -> float:
    return {entry.key: entry.value for entry in TALLY.own()}.get(key, 0.0)


def uses(database: Database, statement: str, **how: float) -> None:
    def ask(link: object) -> None:
        with link.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(statement)

    database.read(ask, **how)  # type: ignore[arg-type]


def test_connections_in_use_rise_and_fall_and_their_peak_is_kept(database_url: str) -> None:
    database, barrier = Database(database_url, 2), threading.Barrier(3)
    before = number(measures.POOL_IN_USE)
    TALLY.set(0, measures.POOL_PEAK)

    def hold(_: int) -> None:
        database.read(lambda link: barrier.wait(20))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(hold, range(3)))
    assert number(measures.POOL_IN_USE) == before
    assert number(measures.POOL_PEAK) == 3
    database.close()


def test_waits_and_waits_in_vain_are_counted(database_url: str) -> None:
    database = Database(database_url, 1, wait_seconds=0.2)
    release, held = threading.Event(), threading.Barrier(3)
    waits, exhausted = number(measures.POOL_WAITS), number(measures.POOL_EXHAUSTED)

    def hold(_: int) -> None:
        def wait(link: object) -> None:
            held.wait(20)
            release.wait(20)

        database.read(wait)

    with ThreadPoolExecutor(2) as pool:
        both = pool.map(hold, range(2))
        held.wait(20)
        with pytest.raises(DatabaseUnavailable, match="busy"):
            uses(database, "SELECT 1")
        release.set()
        list(both)
    assert number(measures.POOL_EXHAUSTED) == exhausted + 1
    assert number(measures.POOL_WAITS) == waits + 1
    database.close()


def test_a_broken_connection_is_a_repeated_read_first_and_a_failure_then(
    database_url: str,
) -> None:
    database = Database(database_url)
    repeated = number(measures.READS_REPEATED)
    lost = number(measures.DATABASE_FAILURES, "lost")
    with pytest.raises(DatabaseUnavailable):
        uses(database, END_IT)
    assert number(measures.READS_REPEATED) == repeated + 1
    assert number(measures.DATABASE_FAILURES, "lost") == lost + 1
    database.close()


def test_a_question_that_takes_too_long_is_a_failure_of_its_own_kind(database_url: str) -> None:
    database = Database(database_url)
    before = number(measures.DATABASE_FAILURES, "timeout")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(uses, database, "SELECT pg_sleep(20)", timeout_seconds=2)
        wait_until(lambda: execute(database_url, SLEEPERS), "the server works on it")
        with pytest.raises(DatabaseUnavailable, match="longer than"):
            asked.result()
    assert number(measures.DATABASE_FAILURES, "timeout") == before + 1
    assert execute(database_url, SLEEPERS) == [], "the server goes on with what nobody waits for"
    database.close()


def test_an_absent_server_is_counted_once_for_whoever_asked() -> None:
    before = number(measures.DATABASE_FAILURES, "unreachable")
    with held_port() as mute:
        database = Database(f"postgresql://me@127.0.0.1:{mute}/none", outage_seconds=0.2)
        with pytest.raises(DatabaseUnavailable):
            uses(database, "SELECT 1")
    assert number(measures.DATABASE_FAILURES, "unreachable") == before + 1


def test_what_measures_does_not_show_among_what_it_measures(database_url: str) -> None:
    own = Database(database_url, 1, measured=False)
    before = TALLY.own()
    uses(own, "SELECT 1")
    with pytest.raises(DatabaseUnavailable):
        uses(own, "SELECT pg_sleep(20)", timeout_seconds=0.2)
    assert TALLY.own() == before
    own.close()
