"""What alerts promise while the database is away; figures are printed (make test-faults)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.spool_file import SpoolFile
from tests.alert_workers import Receiver, environment, receiving, working
from tests.database_fixtures import execute
from tests.postgres_server import Server
from tests.promises import Promise
from tests.test_delivery.scripted_server import Reply, scripted
from tests.waiting import wait_until

pytestmark = [pytest.mark.database, pytest.mark.faults]

HEALTHY = Reply(200, {"status": "healthy"})


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


def test_with_the_real_pauses_an_outage_pages_within_30_s_and_ends_once(
    outage: Outage, promise: Promise
) -> None:
    with working(outage.env, outage.log, hurried=False):
        wait_until(outage.evaluated, "it evaluates")
        outage.server.stop()
        stopped = time.monotonic()
        wait_until(lambda: all(outage.told()), "both are told", 60)
        paged = time.monotonic() - stopped
        outage.server.start()
        back = time.monotonic()
        # A minute is looked back on, with the failures of the outage; 15 s pass between looks.
        wait_until(lambda: outage.told() == BOTH, "both hear the end", 180)
        ended = time.monotonic() - back
        wait_until(
            lambda: execute(
                outage.server.url, "SELECT count(*) FROM alert_outbox WHERE state = 'delivered'"
            )
            == [(4,)],
            "the outbox knows all four",
        )
    promise(f"database stopped: paged after {paged:.1f} s; back: ended after {ended:.1f} s")
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
        looked = "alerts: the database does not answer"
        wait_until(lambda: outage.log.read_text().count(looked) == 2, "it looks")
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
