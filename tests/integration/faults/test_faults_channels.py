"""Injections 12 to 15: those who are told fail, and the file that says whom to tell is wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from mltrading.adapters.postgres.pool import Database
from tests.alert_workers import HURRIED, Receiver, environment, receiving, working
from tests.fault_table import Figure
from tests.integration.faults.outbox import MAIL, PAGER, SLACK, put
from tests.smtp_server import Mailbox, mail_server
from tests.test_delivery.scripted_server import Reply, scripted
from tests.waiting import held_port, wait_until

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
FILE = """channels:
  critical: [{slack: "#critical"}, {pagerduty: service-key}, {email: team@example.com}]
  warning: [{slack: "#warning"}]
  info: [{email: digest@example.com}]
rules:
  DiskLow: {severity: warning, when: disk_free < 10%}
"""
FIRST_PAUSE_SECONDS = 0.5
PACED = HURRIED.replace(
    "retry.LONGEST_PAUSE_SECONDS = 0.05, 0.5",
    f"retry.LONGEST_PAUSE_SECONDS = {FIRST_PAUSE_SECONDS}, 2",
)
"""The program with pauses that can be told apart: a quarter of ours."""


@pytest.mark.faults
def test_fault_12_slack_that_fails_is_tried_again_and_delays_nobody(
    database: Database, database_url: str, tmp_path: Path, figure: Figure
) -> None:
    asked: list[float] = []

    def answer(number: int) -> tuple[int, dict[str, str], float]:
        asked.append(time.monotonic())
        if number <= 3:
            return 500, {}, 0.0
        if number == 4:
            return 429, {"retry-after": "3"}, 0.0
        return 200, {}, 30.0 if number == 5 else 0.0

    assert PACED != HURRIED
    with ExitStack() as opened:
        slack = opened.enter_context(receiving(Receiver(answer)))
        pager = opened.enter_context(receiving(Receiver()))
        box = opened.enter_context(mail_server(Mailbox()))
        env = environment(
            tmp_path,
            database_url,
            FILE,
            SLACK_WEBHOOK=slack.url,
            PAGERDUTY_API_URL=pager.url,
            SMTP_URL=f"smtp://127.0.0.1:{box.port}?tls=none",
        )
        put(database, [SLACK, PAGER, MAIL], 3)
        opened.enter_context(working(env, tmp_path / "worker.log", text=PACED))
        wait_until(lambda: asked, "Slack is asked")
        wait_until(lambda: box.raw and pager.delivered(), "the others are told")
        others = time.monotonic() - asked[0]
        assert not slack.delivered()
        wait_until(slack.delivered, "Slack took it")
    gaps = [after - before for before, after in zip(asked, asked[1:], strict=False)]
    least = [FIRST_PAUSE_SECONDS * 2**number * 3 / 4 for number in range(3)]
    assert all(gap >= pause for gap, pause in zip(gaps, least, strict=False)), gaps
    assert gaps[3] >= 3.0, "Retry-After"
    assert gaps[4] >= 5.0, "the hang was waited for, and then given up"
    assert others < sum(gaps) / 2
    said = ", ".join(f"{gap:.1f}" for gap in gaps)
    figure(f"e-mail and PagerDuty after {others:.1f} s; Slack again after {said} s, then taken")


def test_fault_13_what_pagerduty_refuses_for_good_is_dead_audited_and_told_elsewhere(
    database: Database, database_url: str, sql: Sql, tmp_path: Path, figure: Figure
) -> None:
    script = [(429, {"retry-after": "1"}), (503, {}), (400, {})]

    def answer(number: int) -> tuple[int, dict[str, str], float]:
        # What comes after the message is of the alert that tells of it.
        status, headers = script[number - 1] if number <= len(script) else (202, {})
        return status, headers, 0.0

    with ExitStack() as opened:
        slack = opened.enter_context(receiving(Receiver()))
        pager = opened.enter_context(receiving(Receiver(answer)))
        env = environment(
            tmp_path, database_url, FILE, SLACK_WEBHOOK=slack.url, PAGERDUTY_API_URL=pager.url
        )
        [id] = put(database, [PAGER], 1)
        opened.enter_context(working(env, tmp_path / "worker.log"))
        state = f"SELECT state, attempts FROM alert_outbox WHERE id = '{id}'"
        wait_until(lambda: sql(state) == [("dead", 3)], "it is given up")
        wait_until(lambda: any("DeliveryFailed" in str(one) for one in slack.taken()), "told")
        sent = [status for found, status, _ in pager.got if found == id]
    audited = sql("SELECT actor, outcome, details FROM audit WHERE action = 'alerts.undelivered'")
    assert sent == [429, 503, 400]
    assert [(actor, outcome) for actor, outcome, _ in audited] == [("worker", "failed")]
    assert "400" in str(audited[0][2])
    figure(f"answers {sent}: dead after {len(sent)} attempts, audited, Slack told")


@pytest.mark.faults
def test_fault_14_mail_is_kept_for_a_day_while_its_server_is_down_or_refuses(
    database: Database, database_url: str, sql: Sql, tmp_path: Path, figure: Figure
) -> None:
    [id] = put(database, [MAIL], 1)
    state = f"SELECT state, attempts, reason FROM alert_outbox WHERE id = '{id}'"

    def tried(times: int) -> tuple[object, ...] | None:
        [found] = sql(state)
        return found if int(str(found[1])) >= times else None

    def listed(env: dict[str, str]) -> str:
        command = [sys.executable, "-m", "mltrading", "alerts", "list"]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    with held_port() as nobody:
        env = environment(
            tmp_path, database_url, FILE, SMTP_URL=f"smtp://127.0.0.1:{nobody}?tls=none"
        )
        with working(env, tmp_path / "down.log"):
            wait_until(lambda: tried(2), "it is tried again")
            seen = listed(env)
    assert "email team@example.com: 1 waiting" in seen and "connection failed" in seen
    sql(f"UPDATE alert_outbox SET created_at = now() - interval '23 h 58 m' WHERE id = '{id}'")
    with mail_server(Mailbox({"RCPT": "550 nobody here"})) as box:
        env["SMTP_URL"] = f"smtp://127.0.0.1:{box.port}?tls=none"
        [(attempts,)] = sql(f"SELECT attempts FROM alert_outbox WHERE id = '{id}'")
        with working(env, tmp_path / "refusing.log"):
            kept = wait_until(lambda: tried(int(str(attempts)) + 2), "it is tried again")
            assert kept[0] == "waiting" and "550 nobody here" in str(kept[2])
            assert "550 nobody here" in listed(env)
            box.answers = {}
            wait_until(lambda: box.raw, "it is taken")
            wait_until(lambda: sql(state)[0][0] == "delivered", "that is noted")
    [late] = put(database, [MAIL], 1, "late")
    with mail_server(Mailbox({"CONNECT": "421 later"})) as box:
        env["SMTP_URL"] = f"smtp://127.0.0.1:{box.port}?tls=none"
        sql(f"UPDATE alert_outbox SET created_at = now() - interval '24 h 1 m' WHERE id = '{late}'")
        dead = f"SELECT reason FROM alert_outbox WHERE id = '{late}' AND state = 'dead'"
        with working(env, tmp_path / "late.log"):
            wait_until(lambda: sql(dead), "it is given up after a day")
    figure(f"down and 550: waiting after {kept[1]} attempts and 23 h 58 min, listed, then taken")


WRONG = {
    "no YAML": (FILE.replace("rules:", "rules: ["), "line"),
    "unknown key": (FILE.replace("severity:", "severty:"), "severty"),
    "twice": (FILE + "  DiskLow: {severity: warning, when: disk_free < 5%}\n", "DiskLow"),
    "a swallowed #": (FILE.replace('{slack: "#critical"}', "{slack: #critical\n}"), "#"),
}
HEALTHY = Reply(200, {"status": "healthy", "checks": {"database": "ok"}})


def test_fault_15_a_wrong_alerting_yml_is_refused_by_its_line(
    database_url: str, tmp_path: Path, figure: Figure
) -> None:
    for name, (text, named) in WRONG.items():
        env = environment(tmp_path / name.replace(" ", "-"), database_url, text)
        command = [sys.executable, "-m", "mltrading", "worker"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        [line] = [one for one in done.stderr.splitlines() if "alerting.yml" in one]
        assert done.returncode == 1, name
        assert named in line and "line" in line, line
    figure(f"{len(WRONG)} of {len(WRONG)} files refused by line")


def test_fault_15_a_running_worker_keeps_the_last_good_file_and_says_so(
    database_url: str, sql: Sql, tmp_path: Path, figure: Figure
) -> None:
    good = FILE + "  AppDown: {severity: critical, when: app_down, resolve_after: 1s}\n"
    with ExitStack() as opened:
        slack = opened.enter_context(receiving(Receiver()))
        pager = opened.enter_context(receiving(Receiver()))
        app = opened.enter_context(scripted(HEALTHY))
        env = environment(
            tmp_path,
            database_url,
            good,
            SLACK_WEBHOOK=slack.url,
            PAGERDUTY_API_URL=pager.url,
            MLTRADING_URL=app.url,
        )
        worker = opened.enter_context(working(env, tmp_path / "worker.log"))
        wait_until(lambda: sql("SELECT 1 FROM alerts"), "it evaluates")
        (tmp_path / "alerting.yml").write_text(WRONG["unknown key"][0])
        worker.signal(signal.SIGHUP)
        wrong = "SELECT 1 FROM alerts WHERE rule = 'AlertingFileWrong' AND state = 'firing'"
        wait_until(lambda: sql(wrong), "it says so")
        app.replies[:] = [Reply(500, {"status": "unhealthy", "error": "database_error"})]
        wait_until(pager.delivered, "the last good file holds")
        assert worker.process.poll() is None
    figure("the last good file pages; AlertingFileWrong fires")
