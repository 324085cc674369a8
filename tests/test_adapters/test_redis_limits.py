"""The limiter on a real Redis server: as exact as the one on PostgreSQL, and with it in reserve."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from mltrading.adapters.postgres.limits import PostgresLimiter
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.redis_limits import PAUSE_SECONDS, TIMEOUT_SECONDS, RedisLimiter
from mltrading.errors import ConfigurationError
from mltrading.services.ports.limits import RateLimiter, Taken
from tests.redis_fixtures import RedisServer
from tests.waiting import within

RUNS = itertools.count()
RESERVE = Taken(True, 0.0, False)


class Reserve:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def take(self, key: str, times: int, seconds: int) -> Taken:
        self.asked += 1
        return RESERVE


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    with Redis.from_url(redis_url, protocol=2) as client:
        client.flushall()
        yield client


@pytest.fixture
def limiter(redis: Any, redis_url: str) -> Iterator[RedisLimiter]:
    with closing(RedisLimiter(redis_url, Reserve())) as limiter:
        yield limiter


def test_so_many_are_allowed_and_no_more(limiter: RedisLimiter) -> None:
    answers = [limiter.take("k", 3, 60) for _ in range(6)]
    assert [answer.allowed for answer in answers] == [True] * 3 + [False] * 3
    assert [answer.first_refusal for answer in answers] == [False] * 3 + [True, False, False]
    assert answers[0].again_after_seconds == 0
    assert all(50 < answer.again_after_seconds <= 60 for answer in answers[3:])


def test_a_window_begins_with_its_first_attempt(limiter: RedisLimiter, redis: Any) -> None:
    limiter.take("k", 1, 60)
    [key] = redis.keys("mltrading:limit:*")
    redis.pexpire(key, 900)
    late = limiter.take("k", 1, 60)
    assert not late.allowed and late.again_after_seconds <= 0.9
    redis.delete(key)  # as its end does
    assert limiter.take("k", 1, 60).allowed
    assert redis.pttl(key) > 50_000


def test_a_key_never_stays_without_an_end(limiter: RedisLimiter, redis: Any) -> None:
    limiter.take("k", 1, 60)
    [key] = redis.keys("mltrading:limit:*")
    redis.persist(key)
    limiter.take("k", 1, 60)
    assert 0 < redis.pttl(key) <= 60_000


def test_exact_over_eight_connections_at_once(redis: Any, redis_url: str) -> None:
    start, times = threading.Barrier(8), 37

    def worker(_: int) -> list[Taken]:
        with closing(RedisLimiter(redis_url, Reserve())) as limiter:  # as another process would
            limiter.take("warm", 1000, 60)
            start.wait()
            return [limiter.take("k", times, 60) for _ in range(25)]

    with ThreadPoolExecutor(8) as threads:
        answers = [answer for answers in threads.map(worker, range(8)) for answer in answers]
    assert len(answers) == 200
    assert sum(answer.allowed for answer in answers) == times
    assert sum(answer.first_refusal for answer in answers) == 1


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tries=st.text("abc", max_size=30), times=st.integers(1, 6))
def test_it_answers_as_postgresql_does(
    limiter: RedisLimiter, database: Database, tries: str, times: int
) -> None:
    run = next(RUNS)
    other: RateLimiter = PostgresLimiter(database, draw=lambda: 1.0)
    for key in tries:
        ours, theirs = (one.take(f"{run} {key}", times, 600) for one in (limiter, other))
        assert (ours.allowed, ours.first_refusal) == (theirs.allowed, theirs.first_refusal)
        assert ours.again_after_seconds == pytest.approx(theirs.again_after_seconds, abs=5)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.text() | st.text(min_size=200).map(lambda text: text * 20))
def test_any_key_is_counted(limiter: RedisLimiter, key: str) -> None:
    limiter.take(key, 1, 600)
    assert not limiter.take(key, 1, 600).allowed


def test_while_redis_is_away_the_reserve_counts(redis_server: RedisServer, redis: Any) -> None:
    now, reserve = [0.0], Reserve()
    with closing(RedisLimiter(redis_server.url, reserve, lambda: now[0])) as limiter:
        assert not limiter.take("k", 0, 60).allowed
        redis_server.stop()
        assert limiter.take("k", 0, 60) is RESERVE
        redis_server.start()
        assert limiter.take("k", 0, 60) is RESERVE  # it is not tried at once
        now[0] += PAUSE_SECONDS
        assert not limiter.take("k", 0, 60).allowed
    assert reserve.asked == 2


def test_a_redis_that_froze_costs_its_time_once(redis_server: RedisServer, redis: Any) -> None:
    reserve = Reserve()
    with closing(RedisLimiter(redis_server.url, reserve)) as limiter:
        limiter.take("k", 1, 60)
        redis_server.pause()
        within(TIMEOUT_SECONDS + 1, lambda: limiter.take("k", 1, 60), tries=1)
        within(0.2, lambda: limiter.take("k", 1, 60))
        redis_server.resume()
    assert reserve.asked >= 2


def test_nothing_is_asked_before_the_first_attempt_and_a_wrong_address_is_named() -> None:
    RedisLimiter("redis://127.0.0.1:1/0", Reserve())
    for url in ("http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:x"):
        with pytest.raises(ConfigurationError, match="REDIS_URL must be of the form redis://"):
            RedisLimiter(url, Reserve())
    with pytest.raises(ConfigurationError) as refused:
        RedisLimiter("redis://:s3cret@127.0.0.1:x", Reserve())
    assert "s3cret" not in str(refused.value)
