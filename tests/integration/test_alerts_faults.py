"""What alerts promise when everything fails; figures are printed (make test-faults)."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.spool_file import SpoolFile
from mltrading.domain.alerting.notices import Queued
from mltrading.domain.alerting.turns import Changes
from mltrading.utils.message import Destination, Message
from tests.alert_workers import Receiver, Worker, environment, half_fails, receiving, working
from tests.database_fixtures import execute
from tests.postgres_server import Server
from tests.test_delivery.scripted_server import Reply, scripted
from tests.waiting import wait_until

pytestmark = [pytest.mark.database, pytest.mark.faults]

Sql = Callable[[str], list[tuple[object, ...]]]
MESSAGES = 300
KILLS = 8
HEALTHY = Reply(200, {"status": "healthy"})


def test_300_messages_with_half_of_the_sends_failing_and_8_kills_lose_none(
    database: Database, database_url: str, sql: Sql, tmp_path: Path
) -> None:
    rng = random.Random(8)
    with ExitStack() as opened:
        slack, pager, hook = (
            opened.enter_context(receiving(Receiver(half_fails(seed)))) for seed in (1, 2, 3)
        )
        channels = [
            Destination("slack", "#a"),
            Destination("pagerduty", "service-key"),
            Destination("webhook", f"{hook.url}/x"),
        ]
        env = environment(
            tmp_path,
            database_url,
            f"""channels:
  critical: [{{slack: "#a"}}, {{pagerduty: service-key}}, {{webhook: "{hook.url}/x"}}]
  warning: [{{slack: "#a"}}]
  info: [{{email: team@company.com}}]
rules:
  DiskLow: {{severity: warning, when: disk_free < 10%}}
""",
            SLACK_WEBHOOK=slack.url,
            PAGERDUTY_API_URL=pager.url,
            WEBHOOK_SECRET="whsec_" + "c2VjcmV0" * 6,
        )
        wanted = put(database, channels)
        workers = [start(env, tmp_path, number) for number in range(2)]

        def arrived() -> Counter[str]:
            return slack.delivered() + pager.delivered() + hook.delivered()

        started = time.monotonic()
        try:
            for kill in range(KILLS):
                at = (kill + 1) * MESSAGES // (KILLS + 2)
                wait_until(lambda: len(arrived().keys() & wanted) >= at, f"{at} arrived", 240)
                time.sleep(rng.uniform(0, 0.05))  # anywhere in an attempt
                victim = rng.randrange(2)
                workers[victim].kill()
                workers[victim] = start(env, tmp_path, 2 + kill)
            wait_until(lambda: arrived().keys() >= wanted, "all arrived", 240)
            wait_until(
                lambda: sql("SELECT count(*) FROM alert_outbox WHERE state <> 'delivered'")
                == [(0,)],
                "all are noted",
                120,
            )
        finally:
            for worker in workers:
                worker.kill()
        found = arrived()
    lost = wanted - found.keys()
    duplicated = sum(count - 1 for name, count in found.items() if name in wanted)
    requests = slack.requests + pager.requests + hook.requests
    print(
        f"\n{MESSAGES} messages, {requests} requests, {requests - sum(found.values())} failed,"
        f" {KILLS} kill -9: {len(lost)} lost, {duplicated} duplicated,"
        f" {time.monotonic() - started:.0f} s"
    )
    assert not lost
    assert duplicated <= 3 * KILLS  # what was under way in each of three channels


def put(database: Database, channels: list[Destination]) -> set[str]:
    """300 messages in the outbox; their ids."""
    queued = []
    for number in range(MESSAGES):
        name = f"m{number}"
        text = f"Message {name}"
        message = Message("critical", f"title {name}", text, f"key{number}", id=name)
        queued.append(Queued(channels[number % len(channels)], message, name))
    store = PostgresAlerts(database)
    assert store.lead("test", 0.001) is not None
    assert store.lead("test", 60) is not None
    store.turn("test", lambda book, now: Changes(messages=tuple(queued)))
    return {one.message.id for one in queued}


def start(env: dict[str, str], folder: Path, number: int) -> Worker:
    own = {**env, "MLTRADING_HOME": str(folder / f"home{number}")}
    return Worker(own, folder / f"worker{number}.log")


OUTAGE = """channels:
  critical: [{slack: "#critical"}, {pagerduty: service-key}]
  warning: [{slack: "#warning"}]
  info: [{email: team@company.com}]
rules:
  AppDown: {severity: critical, when: app_down, resolve_after: 2s, mutes: all}
  DatabaseDown: {severity: critical, when: database_down, resolve_after: 2s}
"""


class Outage:
    """A PostgreSQL of its own, receivers, and an application that is well all the time."""

    def __init__(self, opened: ExitStack, folder: Path, binaries: Path | None) -> None:
        self.server = Server(folder / "pg", binaries)
        opened.callback(self.server.stop)
        upgrade(self.server.url)
        self.slack = opened.enter_context(receiving(Receiver()))
        self.pager = opened.enter_context(receiving(Receiver()))
        self.app = opened.enter_context(scripted(HEALTHY))
        self.folder = folder
        self.log = folder / "worker.log"
        self.env = environment(
            folder,
            self.server.url,
            OUTAGE,
            SLACK_WEBHOOK=self.slack.url,
            PAGERDUTY_API_URL=self.pager.url,
            MLTRADING_URL=self.app.url,
        )

    def told(self) -> tuple[list[str], list[str]]:
        """What Slack and PagerDuty were told, in short."""
        slack = [
            ("end of " if "*resolved:" in str(one["text"]) else "")
            + str(one["text"]).split("production ")[1].split(":")[0]
            for one in self.slack.taken()
            if one["channel"] == "#critical"  # the digest goes to another
        ]
        return slack, [str(one["event_action"]) for one in self.pager.taken()]

    def evaluated(self) -> bool:
        return bool(execute(self.server.url, "SELECT 1 FROM alerts"))


@pytest.fixture
def outage(tmp_path: Path, binaries: Path | None) -> Iterator[Outage]:
    with ExitStack() as opened:
        yield Outage(opened, tmp_path, binaries)


BOTH = (["DatabaseDown", "end of DatabaseDown"], ["trigger", "resolve"])


def test_with_the_real_pauses_an_outage_pages_within_30_s_and_ends_once(outage: Outage) -> None:
    with working(outage.env, outage.log, hurried=False):
        wait_until(outage.evaluated, "it evaluates")
        outage.server.stop()
        stopped = time.monotonic()
        wait_until(lambda: all(outage.told()), "both are told", 60)
        paged = time.monotonic() - stopped
        outage.server.start()
        back = time.monotonic()
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 90)
        ended = time.monotonic() - back
        wait_until(
            lambda: execute(
                outage.server.url, "SELECT count(*) FROM alert_outbox WHERE state = 'delivered'"
            )
            == [(4,)],
            "the outbox knows all four",
        )
    print(f"\ndatabase stopped: paged after {paged:.1f} s; back: ended after {ended:.1f} s")
    assert paged <= 30
    assert outage.told() == BOTH
    assert len({one["dedup_key"] for one in outage.pager.taken()}) == 1


def test_a_worker_killed_in_the_outage_is_followed_by_one_that_pages_nobody_again(
    outage: Outage,
) -> None:
    with working(outage.env, outage.log) as worker:
        wait_until(outage.evaluated, "it evaluates")
        outage.server.stop()
        wait_until(lambda: all(outage.told()), "both are told")
        wait_until(lambda: spooled(outage) == ["delivered", "delivered"], "it is in the file")
        worker.kill()
    with working(outage.env, outage.log):
        wait_until(lambda: outage.log.read_text().count("does not answer") == 2, "it looks")
        outage.server.start()
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 90)
    assert outage.told() == BOTH


def test_one_that_dies_between_the_two_channels_tells_the_second_after_its_restart(
    outage: Outage,
) -> None:
    outage.pager.answer = lambda number: (503, {}, 0.0)
    with working(outage.env, outage.log) as worker:
        wait_until(outage.evaluated, "it evaluates")
        outage.server.stop()
        wait_until(lambda: outage.told()[0], "Slack is told")
        wait_until(lambda: outage.pager.requests, "the page fails")
        wait_until(lambda: "delivered" in spooled(outage), "it is in the file")
        worker.kill()
    outage.pager.answer = lambda number: (202, {}, 0.0)
    with working(outage.env, outage.log):
        wait_until(lambda: outage.told()[1], "the page comes")
        outage.server.start()
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 90)


def test_a_message_that_was_not_sent_in_the_outage_is_sent_after_it(outage: Outage) -> None:
    outage.pager.answer = lambda number: (503, {}, 0.0)
    with working(outage.env, outage.log):
        wait_until(outage.evaluated, "it evaluates")
        outage.server.stop()
        wait_until(lambda: outage.told()[0], "Slack is told")
        wait_until(lambda: outage.pager.requests, "the page fails")
        outage.server.start()
        wait_until(lambda: "over: the database does not answer" in outage.log.read_text(), "back")
        outage.pager.answer = lambda number: (202, {}, 0.0)
        wait_until(lambda: outage.told() == BOTH, "both hear both", 90)


def test_a_worker_that_starts_without_its_database_tells_and_migrates_when_it_comes(
    outage: Outage,
) -> None:
    execute(outage.server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    outage.server.stop()
    with working(outage.env, outage.log) as worker:
        wait_until(lambda: all(outage.told()), "both are told")
        assert "no answer from the database" in worker.said()
        outage.server.start()
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 90)
        assert worker.stop() < 1


def test_a_server_that_froze_counts_as_down(outage: Outage) -> None:
    import signal

    with working(outage.env, outage.log):
        wait_until(outage.evaluated, "it evaluates")
        frozen = outage.server.processes()
        outage.server.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: all(outage.told()), "both are told")
        finally:
            outage.server.signal(signal.SIGCONT)
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 90)
    assert frozen


def spooled(outage: Outage) -> list[str]:
    known = SpoolFile(outage.folder / "home").load()
    return [one.state for one in known.messages] if known else []
