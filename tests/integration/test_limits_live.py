"""The limits over four processes, each with threads of its own: exactly so many pass, no more."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from mltrading.adapters.postgres.pool import Database
from tests.database_fixtures import execute
from tests.identities import People
from tests.live_fixtures import served
from tests.redis_fixtures import RedisServer
from tests.visitors import SIGN_IN, STRICT, LiveVisitor
from tests.waiting import wait_until

pytestmark = pytest.mark.database

CALLBACKS, ATTEMPTS = 23, 7
LIMITS = {
    "MLTRADING_LIMIT_CALLBACK": f"{CALLBACKS}/3600",
    "MLTRADING_LIMIT_ACCOUNT": f"{ATTEMPTS}/3600",
    "MLTRADING_LIMIT_ADDRESS": "1000/3600",
}
CLIENTS = 12
TRIED = ("vera", "vita", "viola", "vanja")
"""Whose limits are spent, one after the other, until the machine had room for all."""
SEARCH = {
    "output": "search-found.data",
    "outputs": {"id": "search-found", "property": "data"},
    "inputs": [{"id": "search-enter", "property": "data", "value": None}],
    "state": [],
    "changedPropIds": ["search-enter.data"],
}


@pytest.fixture(params=["postgresql", "redis"])
def url(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path, run_folder: Path
) -> Iterator[str]:
    """A server of four workers whose limits are counted there, and who may sign in."""
    more = {**SIGN_IN, **LIMITS, "MLTRADING_CONFIG": str(tmp_path)}
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        more["REDIS_URL"] = request.getfixturevalue("redis_url")
        server.flush()
    (tmp_path / "development.yml").write_text(STRICT)
    with closing(Database(database_url, 1)) as database:
        for name in (*TRIED, "anna", "paul"):
            People(database).add(name)
    with served(database_url, run_folder, workers=4, **more) as url:
        yield url
    counted = execute(database_url, "SELECT count(*) FROM rate_limits")
    assert (counted == [(0,)]) == (request.param == "redis"), "counted in the other place"


def together(visitors: list[LiveVisitor], act: Any, times: int) -> tuple[Counter[int], int]:
    """How often each status came, when all visitors act `times` times, all at once; and how often a
    busy machine had no room, said so, and was asked again."""
    start = threading.Barrier(len(visitors))
    busy: list[str] = []

    def answered(visitor: LiveVisitor) -> list[Any]:
        answer = act(visitor)
        if answer.status_code != 503:
            return [answer]
        busy.append(answer.headers["Retry-After"])
        return []

    def run(visitor: LiveVisitor) -> list[int]:
        start.wait()
        answers = [wait_until(lambda: answered(visitor), "an answer")[0] for _ in range(times)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(1 <= int(answer.headers["Retry-After"]) <= 3600 for answer in refused)
        return [answer.status_code for answer in answers]

    with ThreadPoolExecutor(len(visitors)) as threads:
        counted = Counter(status for found in threads.map(run, visitors) for status in found)
    assert all(int(seconds) >= 1 for seconds in busy)
    return counted, len(busy)


def exactly(status: int, most: int, asked: int, found: tuple[Counter[int], int]) -> bool:
    """Whether nobody was turned away by a busy machine, and then exactly so many passed; else whom
    it turned away may have been counted before, and never one too many passed."""
    counted, busy = found
    assert counted.total() == asked and counted[status] <= most
    if busy:
        return False
    assert counted == {status: most, 429: asked - most}
    return True


def test_exactly_so_many_callbacks_of_a_user_pass(url: str) -> None:
    with ExitStack() as opened:

        def undisturbed(name: str) -> bool:
            visitors = [opened.enter_context(LiveVisitor(url)) for _ in range(ATTEMPTS)]
            for visitor in visitors:  # one user in several browsers
                assert visitor.sign_in(name).status_code == 303
            found = together(visitors, lambda visitor: visitor.fire(SEARCH), 15)
            return exactly(204, CALLBACKS, 15 * ATTEMPTS, found)

        assert any(map(undisturbed, TRIED)), "the machine was too busy each time"
        other = opened.enter_context(LiveVisitor(url))
        other.sign_in("anna")
        assert other.fire(SEARCH).status_code == 204


def test_exactly_so_many_attempts_to_sign_in_are_looked_at(url: str) -> None:
    with ExitStack() as opened:
        visitors = [opened.enter_context(LiveVisitor(url)) for _ in range(CLIENTS)]

        def undisturbed(name: str) -> bool:
            found = together(visitors, lambda visitor: visitor.sign_in(name, "wrong"), 3)
            locked = visitors[0].sign_in(name)
            assert locked.status_code == 429 and "try again in 60 minutes" in locked.text
            return exactly(401, ATTEMPTS, 3 * CLIENTS, found)

        assert any(map(undisturbed, TRIED)), "the machine was too busy each time"
        assert visitors[0].sign_in("paul").status_code == 303
