"""`mltrading worker` alerts: real processes, PostgreSQL and receivers, with shorter pauses."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mltrading.adapters.postgres.operations import PostgresJobRuns
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.calendar import Calendars
from mltrading.services.digest import DailyDigest, DigestMoment
from mltrading.services.jobs import JobRunner
from tests.alert_workers import Receiver, environment, receiving, working
from tests.memory import MemoryMarket
from tests.promises import Promise
from tests.test_delivery.scripted_server import Reply, Script, scripted
from tests.test_services.digest_made import DigestChannel, NoFacts
from tests.test_services.job_runs import SetClock
from tests.waiting import wait_until

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
HEALTHY = Reply(200, {"status": "healthy", "checks": {"database": "ok"}})
FILE = """channels:
  critical: [{slack: "#critical"}, {pagerduty: service-key}]
  warning: [{slack: "#warning"}]
  info: [{email: team@company.com}]
rules:
  AppDown: {severity: critical, when: app_down, resolve_after: 1s, mutes: all}
"""


class Place:
    """Receivers, an application that says how it is, and the files of a worker."""

    def __init__(self, opened: ExitStack, folder: Path, database_url: str) -> None:
        self.slack = opened.enter_context(receiving(Receiver()))
        self.pager = opened.enter_context(receiving(Receiver()))
        self.app: Script = opened.enter_context(scripted(HEALTHY))
        self.folder = folder
        self.log = folder / "worker.log"
        self.env = environment(
            folder,
            database_url,
            FILE,
            SLACK_WEBHOOK=f"{self.slack.url}/services/s3cret",
            PAGERDUTY_API_URL=self.pager.url,
            MLTRADING_URL=self.app.url,
        )

    def slack_texts(self, channel: str) -> list[str]:
        return [
            str(body["text"]).splitlines()[0]
            for body in self.slack.taken()
            if body["channel"] == channel
        ]

    def events(self) -> list[tuple[str, str]]:
        return [(str(one["event_action"]), str(one["dedup_key"])) for one in self.pager.taken()]


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as opened:
        yield Place(opened, tmp_path, database_url)


def test_an_application_that_is_down_pages_once_and_its_return_ends_it(
    place: Place, sql: Sql
) -> None:
    with working(place.env, place.log) as worker:
        wait_until(lambda: sql("SELECT 1 FROM alerts"), "it evaluates")
        place.app.replies[:] = [Reply(500, {"status": "unhealthy", "error": "database_error"})]
        wait_until(lambda: place.events(), "the page")
        wait_until(lambda: place.slack_texts("#critical"), "the message")
        place.app.replies[:] = [HEALTHY]
        wait_until(lambda: len(place.events()) == 2, "the end")
        wait_until(lambda: len(place.slack_texts("#critical")) == 2, "the end in Slack")
        unsent = "SELECT 1 FROM alert_outbox WHERE state <> 'delivered'"
        wait_until(lambda: not sql(unsent), "all is noted")
        assert worker.stop() < 1
    [(opens, key), (ends, same)] = place.events()
    assert (opens, ends, key) == ("trigger", "resolve", same)
    said = "production AppDown: /health answered 500: database_error"
    assert place.slack_texts("#critical")[0] == f":rotating_light: *critical: {said}*"
    assert place.slack_texts("#critical")[1].startswith(
        ":white_check_mark: *resolved: production AppDown: over after"
    )
    [(slack_id,)] = sql("SELECT id FROM alert_outbox WHERE kind = 'slack' AND NOT resolved")
    [first, _] = [one for one in place.slack.taken() if one["channel"] == "#critical"]
    assert f"Message {slack_id}" in first["text"]
    assert sql("SELECT what FROM alert_events ORDER BY id") == [("fired",), ("resolved",)]
    assert sql("SELECT DISTINCT attempts FROM alert_outbox") == [(1,)]
    assert "s3cret" not in worker.said()


def test_two_workers_page_once(place: Place, sql: Sql) -> None:
    other = {**place.env, "MLTRADING_HOME": str(place.folder / "other")}
    with working(place.env, place.log), working(other, place.folder / "other.log"):
        wait_until(lambda: sql("SELECT 1 FROM alerts"), "one evaluates")
        wait_until(lambda: "started" in (place.folder / "other.log").read_text(), "the other runs")
        place.app.replies[:] = [Reply(503)]
        wait_until(lambda: place.events(), "the page")
        wait_until(lambda: place.slack_texts("#critical"), "the message")
        place.app.replies[:] = [HEALTHY]
        wait_until(lambda: len(place.events()) == 2, "the end")
    assert [action for action, _ in place.events()] == ["trigger", "resolve"]


def test_a_leader_that_was_killed_is_followed_and_nobody_is_paged_again(
    place: Place, sql: Sql
) -> None:
    place.app.replies[:] = [Reply(503)]
    with working(place.env, place.log) as first:
        wait_until(lambda: place.events(), "the page")
        wait_until(
            lambda: sql("SELECT 1 FROM alert_outbox WHERE state = 'delivered' AND kind <> 'slack'"),
            "it is noted",
        )
        first.kill()
    sql("UPDATE alert_leader SET until = now()")
    sql("UPDATE alert_outbox SET leased_until = now()")
    with working(place.env, place.log):
        place.app.replies[:] = [HEALTHY]
        wait_until(lambda: len(place.events()) >= 2, "the end, by the next worker")
    assert [action for action, _ in place.events()] == ["trigger", "resolve"]


def test_a_channel_that_hangs_delays_no_other(place: Place, sql: Sql) -> None:
    place.pager.answer = lambda number: (202, {}, 30.0 if number == 1 else 0.0)
    place.app.replies[:] = [Reply(503)]
    with working(place.env, place.log):
        wait_until(lambda: place.slack_texts("#critical"), "Slack is told", timeout=30)
        assert place.pager.requests == 1
        assert place.events() == []
        wait_until(lambda: place.events(), "after 5 s the page is sent again")
    assert [action for action, _ in place.events()] == ["trigger"]
    assert sql("SELECT attempts FROM alert_outbox WHERE kind = 'slack'") == [(1,)]


def test_a_channel_that_asks_for_a_pause_gets_it(place: Place, sql: Sql) -> None:
    place.slack.answer = lambda number: (
        (429, {"retry-after": "3"}, 0.0) if number == 1 else (200, {}, 0.0)
    )
    place.app.replies[:] = [Reply(503)]
    with working(place.env, place.log):
        noted = "SELECT 1 FROM alert_outbox WHERE kind = 'slack' AND state = 'delivered'"
        wait_until(lambda: sql(noted), "it is told in the end")
    assert place.slack.requests == 2
    [(seconds,)] = sql("""SELECT extract(epoch FROM finished_at - created_at)::float8
        FROM alert_outbox WHERE kind = 'slack'""")
    assert seconds >= 3  # type: ignore[operator]


def test_what_a_channel_refuses_for_good_is_told_over_another(place: Place, sql: Sql) -> None:
    place.pager.answer = lambda number: (400, {}, 0.0)
    place.app.replies[:] = [Reply(503)]
    with working(place.env, place.log):
        wait_until(
            lambda: [one for one in place.slack_texts("#critical") if "DeliveryFailed" in one],
            "the dead letter is told in Slack",
        )
    [told] = [one for one in place.slack_texts("#critical") if "DeliveryFailed" in one]
    assert "production DeliveryFailed: pagerduty: 1 message lost: answered 400" in told
    assert place.pager.requests == 1  # what is in vain is not tried again, nor told there
    assert sql("SELECT state, reason FROM alert_outbox WHERE kind = 'pagerduty'") == [
        ("dead", "answered 400")
    ]


def test_the_file_is_read_again_and_a_wrong_one_is_told_of(place: Place, sql: Sql) -> None:
    path = place.folder / "alerting.yml"
    with working(place.env, place.log) as worker:
        wait_until(lambda: sql("SELECT 1 FROM alerts"), "it evaluates")
        path.write_text(FILE.replace("when: app_down", "when: app_up"))
        wait_until(lambda: "alerting.yml line 6" in worker.said(), "it says what is wrong")
        wait_until(
            lambda: sql(
                "SELECT 1 FROM alerts WHERE rule = 'AlertingFileWrong'" " AND state = 'firing'"
            ),
            "that is an alert",
        )
        place.app.replies[:] = [Reply(503)]
        wait_until(lambda: place.events(), "the last good file holds")
        path.write_text(FILE.replace("AppDown", "Gone"))
        worker.signal(signal.SIGHUP)
        wait_until(lambda: sql("SELECT 1 FROM alerts WHERE rule = 'Gone'"), "the new one holds")
        wait_until(lambda: len(place.events()) == 3, "the old rule's incident ends")
    assert "read alerting.yml again" in worker.said()
    assert [action for action, _ in place.events()].count("resolve") == 1


def test_a_dead_mans_switch_hears_that_alerts_are_evaluated(place: Place) -> None:
    with receiving(Receiver()) as switch:
        (place.folder / "alerting.yml").write_text(FILE + "watchdog: {every: 30s}\n")
        env = {**place.env, "WATCHDOG_URL": f"{switch.url}/s3cret-check"}
        with working(env, place.log) as worker:
            wait_until(lambda: switch.requests, "the first beat")
            wait_until(lambda: "worker: started" in worker.said(), "it runs")
        assert "s3cret-check" not in worker.said()


def test_a_worker_that_evaluates_nothing_does_not_beat(place: Place, sql: Sql) -> None:
    sql("UPDATE alert_leader SET holder = 'other', until = now() + interval '1 h'")
    with receiving(Receiver()) as switch:
        env = {**place.env, "WATCHDOG_URL": switch.url}
        with working(env, place.log) as worker:
            wait_until(lambda: "worker: started" in worker.said(), "it runs")
            wait_until(
                lambda: sql("SELECT 1 FROM job_runs WHERE job = 'retention'"), "it does its jobs"
            )
            assert switch.requests == 0
            sql("UPDATE alert_leader SET until = now()")
            wait_until(lambda: switch.requests, "it leads, and beats")


def test_a_watchdog_address_that_is_none_stops_the_start(place: Place) -> None:
    env = {**place.env, "WATCHDOG_URL": "http://example.com/s3cret-check"}
    with working(env, place.log) as worker:
        assert worker.process.wait(60) == 1
    assert "WATCHDOG_URL must start with https://" in worker.said()
    assert "s3cret-check" not in worker.said()


@pytest.mark.parametrize(
    ("zone", "first", "days", "transition"),
    [
        ("Europe/Berlin", "2026-03-27", 5, "forward"),
        ("Europe/Berlin", "2026-10-23", 5, "back"),
        ("America/New_York", "2026-03-06", 5, "forward"),
        ("Australia/Lord_Howe", "2026-04-03", 5, "back by half an hour"),
    ],
)
@pytest.mark.parametrize("at", ["08:00", "02:30"])
def test_two_workers_that_restart_each_hour_send_one_digest_a_day_across_changes_of_the_clocks(
    database: Database, promise: Promise, zone: str, first: str, days: int, transition: str, at: str
) -> None:
    clock, channel = SetClock(datetime.fromisoformat(first).replace(tzinfo=UTC)), DigestChannel()
    hour, minute = map(int, at.split(":"))
    moment = DigestMoment(datetime.min.time().replace(hour=hour, minute=minute), ZoneInfo(zone))

    def worker() -> JobRunner:
        digest = DailyDigest(
            "production",
            lambda: [channel],
            MemoryMarket(),
            Calendars(),
            NoFacts(),
            clock,
            lambda: moment,
        )
        return JobRunner([digest], PostgresJobRuns(database), clock)

    begin, looks = clock.moment, 0
    with ThreadPoolExecutor(2) as both:
        for step in range(days * 48):
            clock.moment = begin + timedelta(minutes=30 * step)
            looks += len(
                list(both.map(lambda runner: list(runner.run_due()), (worker(), worker())))
            )
    sent = [message.title.split()[1].rstrip(":") for message in channel.messages]
    assert len(sent) == len(set(sent)), f"doubled: {sent}"
    day = datetime.fromisoformat(sent[0])
    assert sent == [f"{day + timedelta(days=number):%Y-%m-%d}" for number in range(len(sent))]
    assert len(sent) >= days - 1
    promise(
        f"digest: two workers at once, {zone} at {at}, clocks {transition}: {looks} looks in {days}"
        f" days, {len(sent)} sent, {len(sent) - len(set(sent))} doubled"
    )
