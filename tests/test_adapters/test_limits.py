"""The limiter on a real database: exact, whoever asks at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.limits import PostgresLimiter
from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.limits import Taken
from tests.identities import People


@pytest.fixture
def limiter(database: Database) -> PostgresLimiter:
    return PostgresLimiter(database, draw=lambda: 1.0)


def test_so_many_are_allowed_and_no_more(limiter: PostgresLimiter) -> None:
    answers = [limiter.take("k", 3, 60) for _ in range(6)]
    assert [answer.allowed for answer in answers] == [True] * 3 + [False] * 3
    assert [answer.first_refusal for answer in answers] == [False] * 3 + [True, False, False]
    assert answers[0].again_after_seconds == 0
    assert all(50 < answer.again_after_seconds <= 60 for answer in answers[3:])


def test_keys_are_counted_apart(limiter: PostgresLimiter) -> None:
    assert limiter.take("a", 1, 60).allowed and limiter.take("b", 1, 60).allowed
    assert not limiter.take("a", 1, 60).allowed


def test_a_window_begins_with_its_first_attempt(database: Database) -> None:
    limiter, people = PostgresLimiter(database, draw=lambda: 1.0), People(database)
    back = "UPDATE rate_limits SET began_at = began_at - %(by)s::interval,"
    back += " ends_at = ends_at - %(by)s::interval"
    limiter.take("k", 1, 60)
    people.run(back, {"by": "59 s"})
    late = limiter.take("k", 1, 60)
    assert not late.allowed and late.again_after_seconds <= 1
    people.run(back, {"by": "1 s"})
    assert limiter.take("k", 1, 60).allowed
    again = limiter.take("k", 1, 60)
    assert again.first_refusal and again.again_after_seconds > 50


def test_exact_over_eight_connections_at_once(database_url: str) -> None:
    start, times = threading.Barrier(8, timeout=20), 37

    def worker(_: int) -> list[Taken]:
        # A pool of one connection, as a process of its own would have.
        with closing(Database(database_url, 1)) as database:
            limiter = PostgresLimiter(database)
            limiter.take("warm", 1000, 60)
            start.wait()
            return [limiter.take("k", times, 60) for _ in range(25)]

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for answers in threads.map(worker, range(8)) for answer in answers]
    assert len(answers) == 200
    assert sum(answer.allowed for answer in answers) == times
    assert sum(answer.first_refusal for answer in answers) == 1


def test_windows_that_are_over_are_forgotten(database: Database) -> None:
    people = People(database)
    rare, often = PostgresLimiter(database, lambda: 0.01), PostgresLimiter(database, lambda: 0.0)
    for key in ("old", "older", "young"):
        rare.take(key, 1, 60)
    people.run("UPDATE rate_limits SET ends_at = now() WHERE key <> 'young'")
    rare.take("new", 1, 60)
    assert people.run("SELECT count(*) FROM rate_limits") == [(4,)]
    often.take("new", 1, 60)
    assert people.run("SELECT key FROM rate_limits ORDER BY key") == [("new",), ("young",)]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.text() | st.text(min_size=200).map(lambda text: text * 20))
def test_any_key_is_counted(limiter: PostgresLimiter, key: str) -> None:
    limiter.take(key, 1, 600)
    assert not limiter.take(key, 1, 600).allowed
