"""At least once, whatever is killed: each message arrives, and what arrives twice is counted."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.notices import Queued
from mltrading.domain.alerting.turns import Changes
from mltrading.utils.message import Destination, Message
from tests.alert_forks import context, worker
from tests.alert_workers import Receiver, environment, half_fails, receiving
from tests.promises import Promise
from tests.waiting import wait_until

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
Started = tuple[ForkServerProcess, Path]
MESSAGES = 300
KILLS = 8
ALIVE = 2
CHANNELS = 12
FILE = """channels:
  critical: [{slack: "#a"}]
  warning: [{slack: "#a"}]
  info: [{email: team@company.com}]
rules:
  DiskLow: {severity: warning, when: disk_free < 10%}
"""


def test_300_messages_with_half_of_the_sends_failing_and_8_kills_lose_none(
    database: Database, database_url: str, sql: Sql, tmp_path: Path, promise: Promise
) -> None:
    rng = random.Random(8)
    with ExitStack() as opened:
        slack, hook = (
            opened.enter_context(receiving(Receiver(half_fails(seed)))) for seed in (1, 2)
        )
        env = environment(
            tmp_path,
            database_url,
            FILE,
            SLACK_WEBHOOK=slack.url,
            WEBHOOK_SECRET="whsec_" + "c2VjcmV0" * 6,
        )
        wanted = put(database, hook.url)
        workers = Workers(env, tmp_path)
        opened.callback(workers.end)

        def arrived() -> Counter[str]:
            return slack.delivered() + hook.delivered()

        started, sending = time.monotonic(), 0
        for kill in range(KILLS):
            at = (kill + 1) * MESSAGES // (KILLS + 2)
            wait_until(lambda at=at: len(arrived().keys() & wanted) >= at, f"{at} arrived", 240)
            wait_until(
                lambda: slack.busy + hook.busy or arrived().keys() >= wanted, "it is being sent"
            )
            sending += slack.busy + hook.busy > 0
            workers.kill_one(rng)
        wait_until(lambda: arrived().keys() >= wanted, "all arrived", 240)
        undone = "SELECT count(*) FROM alert_outbox WHERE state <> 'delivered'"
        wait_until(lambda: sql(undone) == [(0,)], "all are noted", 120)
        took = time.monotonic() - started
        found = arrived()
    lost = wanted - found.keys()
    duplicated = sum(count - 1 for name, count in found.items() if name in wanted)
    requests = slack.requests + hook.requests
    promise(
        f"alerts: {MESSAGES} messages, {requests} requests, {requests - sum(found.values())} of"
        f" them failed, {KILLS} kill -9, {sending} of them while something was sent: {len(lost)}"
        f" lost, {duplicated} arrived twice, {took:.0f} s"
    )
    assert not lost
    assert sending >= KILLS / 2, "too few were killed while they sent something"
    assert requests - sum(found.values()) >= MESSAGES / 2, "too few failed to prove anything"
    assert duplicated <= CHANNELS * KILLS  # what was under way in each channel


class Workers:
    """Two run at a time; each that is killed was at work, and is followed by another."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self._context = context()
        self._number = 0
        self._alive = [self._begin() for _ in range(ALIVE)]

    def _begin(self) -> Started:
        self._number += 1
        log = self._folder / f"worker{self._number}.log"
        own = {**self._env, "MLTRADING_HOME": str(self._folder / f"home{self._number}")}
        log.touch()
        return worker(self._context, own, log), log

    def kill_one(self, rng: random.Random) -> None:
        at_work = wait_until(self._at_work, "one has sent something")
        process, _ = one = rng.choice(at_work)
        process.kill()
        process.join(20)
        self._alive[self._alive.index(one)] = self._begin()

    def _at_work(self) -> list[Started]:
        return [one for one in self._alive if ": delivered" in one[1].read_text()]

    def end(self) -> None:
        for process, _ in self._alive:
            process.kill()
            process.join(20)


def put(database: Database, hook: str) -> set[str]:
    """300 messages in the outbox; their ids."""
    slack = [Destination("slack", f"#channel{number}") for number in range(CHANNELS // 2)]
    hooks = [Destination("webhook", f"{hook}/{number}") for number in range(CHANNELS // 2)]
    channels, queued = [*slack, *hooks], []
    for number in range(MESSAGES):
        name = f"m{number}"
        message = Message("critical", f"title {name}", f"Message {name}", f"key{number}", id=name)
        queued.append(Queued(channels[number % len(channels)], message, name))
    store = PostgresAlerts(database)
    assert store.lead("test", 0.001) is not None
    assert store.lead("test", 60) is not None
    store.turn("test", lambda book, now: Changes(messages=tuple(queued)))
    return {one.message.id for one in queued}
