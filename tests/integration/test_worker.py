"""`mltrading worker` as a platform runs it: beside others, with the digest sent once a day.

The hour of the digest is 0 here, so that it is due whatever the time is (but in the second before
midnight, which no test can tell from another day)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mltrading.adapters.postgres.operations import (
    PostgresDayBook,
    PostgresDeployments,
    PostgresJobRuns,
)
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.bars import Interval
from mltrading.services.ports import DayFacts, Refused
from tests.factories import SECRET_KEY, SOURCE, due_hour, make_sessions, make_symbol_details
from tests.test_delivery.scripted_server import Reply, Script, scripted
from tests.waiting import wait_until

pytestmark = pytest.mark.database

CONFIGURATION = "environment: production\nmonitoring: {alerts: true}\n"
ALERTING = """channels:
  critical: [{slack: "#a"}]
  warning: [{slack: "#a"}]
  info: [{slack: "#deployments"}, {webhook: "https://hooks.example"}]
"""
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DIGEST_RUNS = "SELECT attempts, outcome FROM job_runs WHERE job = 'daily-digest'"
Sql = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def slack() -> Iterator[Script]:
    with scripted(Reply(200, b"ok")) as server:
        yield server


@pytest.fixture
def environment(database_url: str, slack: Script, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "production.yml").write_text(CONFIGURATION)
    (tmp_path / "alerting.yml").write_text(ALERTING)
    return {
        **os.environ,
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": database_url,
        "MLTRADING_CONFIG": str(tmp_path),
        "MLTRADING_HOME": str(tmp_path),
        "SLACK_WEBHOOK": f"{slack.url}/services/s3cret",
    }


def worker(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mltrading", "worker", "--digest-hour", due_hour(), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str], lines: int = 1) -> list[str]:
    """The messages of the next lines of its log."""
    assert process.stderr is not None
    return [json.loads(process.stderr.readline())["message"] for _ in range(lines)]


def once(environment: dict[str, str]) -> tuple[int, str, str]:
    process = worker(environment, "--once")
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_several_workers_send_the_digest_once(
    environment: dict[str, str], slack: Script, sql: Sql
) -> None:
    with ThreadPoolExecutor(3) as pool:
        ends = list(pool.map(lambda _: once(environment), range(3)))
    assert [code for code, _, _ in ends] == [0, 0, 0]
    done = [line for *_, err in ends for line in err.splitlines() if ": delivered" in line]
    assert len([line for line in done if "daily-digest" in line]) == 1, done
    assert {out for _, out, _ in ends} == {""}
    assert all(
        "webhook https://hooks.example skipped: WEBHOOK_SECRET is not set" in err
        for *_, err in ends
    )
    [request] = slack.received
    body = json.loads(request.content)
    assert body["channel"] == "#deployments"
    assert f"info: production {datetime.now(UTC):%Y-%m-%d}: 0 deployments" in body["text"]
    assert sql("SELECT job, target, attempts, outcome FROM job_runs ORDER BY job") == [
        ("alert-history", "database", 1, "delivered"),
        ("daily-digest", "slack #deployments", 1, "delivered"),
        ("retention", "database", 1, "delivered: nothing was kept for too long"),
    ]


def test_a_restarted_worker_sends_nothing_again(environment: dict[str, str], slack: Script) -> None:
    for _ in range(2):
        process = worker(environment)
        assert said(process, 2)[1] == "worker: started"  # after the channel that is skipped
        wait_until(lambda: slack.received, "the digest is sent")
        stop(process)
    assert len(slack.received) == 1


def test_what_was_refused_is_tried_again_and_what_is_in_vain_is_not(
    environment: dict[str, str], slack: Script, sql: Sql
) -> None:
    slack.replies[:] = [Reply(503), Reply(404, b"no_service")]
    code, _, err = once(environment)
    assert code == 1
    assert "answered 503; to be tried again" in err
    assert "s3cret" not in err
    sql("UPDATE job_runs SET leased_until = now()")
    code, _, err = once(environment)
    assert (code, "answered 404: no_service; given up" in err) == (1, True)
    assert once(environment)[0] == 0
    assert len(slack.received) == 2
    assert sql(DIGEST_RUNS) == [(2, "dead: answered 404: no_service")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_even_while_it_sends(
    environment: dict[str, str], slack: Script, number: int
) -> None:
    slack.replies[:] = [Reply(hang=True)]
    process = worker(environment)
    wait_until(lambda: slack.received, "it is sending")
    stop(process, number)


def test_one_that_was_killed_is_followed_by_one_that_takes_over(
    environment: dict[str, str], slack: Script, sql: Sql
) -> None:
    slack.replies[:] = [Reply(hang=True), Reply(200)]
    process = worker(environment)
    wait_until(lambda: slack.received, "it is sending")
    process.kill()
    process.communicate(timeout=20)
    slack.replies[:] = [Reply(200)]
    assert once(environment)[0] == 0
    assert len(slack.received) == 1  # its claim has not ended yet
    sql("UPDATE job_runs SET leased_until = now()")
    assert once(environment)[0] == 0
    assert sql(DIGEST_RUNS) == [(2, "delivered")]


def test_without_alerts_it_says_so_and_sends_nothing(
    environment: dict[str, str], slack: Script, tmp_path: Path
) -> None:
    (tmp_path / "production.yml").write_text("environment: production\n")
    process = worker(environment)
    assert said(process, 2) == [
        "monitoring.alerts is off in production: nothing is sent",
        "worker: started",
    ]
    assert json.loads(stop(process).splitlines()[-1])["message"] == "worker: ended"
    assert slack.received == []


def test_a_wrong_alerting_file_stops_the_start(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "alerting.yml").write_text("channels: []\n")
    code, _, err = once(environment)
    assert code == 1
    assert "alerting.yml line 1: channels must be a block" in err
    assert err.count("\n") == 1


def test_an_hour_that_is_none_is_refused(environment: dict[str, str]) -> None:
    process = worker(environment, "--digest-hour", "24")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "must be a whole number from 0 to 23, not '24'" in err


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """End it by a signal, within a second; what it wrote on stderr."""
    started = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 1
    assert process.returncode == 0
    return err


def test_the_book_of_a_day_holds_what_came_in_it(database: Database, sql: Sql) -> None:
    book, deployments = PostgresDayBook(database), PostgresDeployments(database)
    assert deployments.record("production", "0.1.0", "abc", "v1")
    assert not deployments.record("production", "0.1.0", "abc", "v1")
    sql("UPDATE deployments SET finished_at = '2026-03-01 12:00Z'")
    assert book.facts(NOON - DAY, NOON).deployments[0].release == "v1"
    assert book.facts(NOON, NOON + DAY).deployments == ()
    assert book.facts(NOON - 2 * DAY, NOON - DAY).deployments == ()


def test_bars_are_compared_with_the_count_of_the_day_before(database: Database, sql: Sql) -> None:
    book = PostgresDayBook(database)
    assert book.facts(NOON - DAY, NOON) == DayFacts((), 0, 0, None, 0)
    with PostgresBarWriter(database).transaction() as writer:
        writer.write(make_symbol_details(), Interval.D1, make_sessions(300), SOURCE)
        writer.quarantine("a.csv", Interval.D1, [Refused(1, "high is below low", "x", "AAPL")])
    sql("UPDATE symbols SET added_at = '2026-03-02 13:00Z'")
    sql("UPDATE quarantine SET imported_at = '2026-03-03 11:59Z'")
    assert book.facts(NOON, NOON + DAY) == DayFacts((), 1, 300, 0, 1)
    assert book.facts(NOON - DAY, NOON) == DayFacts((), 0, 0, None, 0)  # as it was kept then


def test_claims_last_as_long_as_they_say(database: Database, sql: Sql) -> None:
    runs = PostgresJobRuns(database)
    assert runs.claim("job", "a", NOON, 60) == 1
    assert runs.claim("job", "a", NOON, 60) is None
    assert runs.claim("job", "b", NOON, 60) == 1
    assert runs.claim("job", "a", NOON + DAY, 60) == 1
    assert sql("SELECT bool_and(leased_until - now() BETWEEN '30 s' AND '60 s') FROM job_runs") == [
        (True,)
    ]
    runs.postpone("job", "a", NOON, 1, 0, "busy")
    assert runs.claim("job", "a", NOON, 60) == 2
    runs.finish("job", "a", NOON, 1, "late")
    runs.postpone("job", "a", NOON, 1, 0, "late")
    assert runs.claim("job", "a", NOON, 60) is None
    runs.finish("job", "a", NOON, 2, "delivered")
    runs.postpone("job", "a", NOON, 2, 0, "late")
    assert runs.claim("job", "a", NOON, 0) is None


def test_many_who_claim_at_once_are_given_it_once(database: Database) -> None:
    runs = PostgresJobRuns(database)
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: runs.claim("job", "a", NOON, 60), range(8)))
    assert sorted(claims, key=str) == [1, *[None] * 7]
