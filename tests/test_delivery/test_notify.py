"""Telling people of a delivery: who is told by the committed alerting.yml, and what is said of
the others. Scripted servers stand for Slack, PagerDuty and the mail server."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from delivery import notify
from mltrading.adapters.channels import Channel
from mltrading.adapters.channels.retrying import deliver, deliver_all
from mltrading.files import ROOT
from mltrading.utils.message import Message, Outcome
from tests.smtp_server import Mailbox, mail_server
from tests.test_delivery.scripted_server import Reply, Script, scripted

RUN = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/mltrading",
    "GITHUB_RUN_ID": "42",
}
LINK = "https://github.com/acme/mltrading/actions/runs/42"
SECRETS = ("SLACK_WEBHOOK", "SMTP_URL", "PAGERDUTY_KEY")
MESSAGE = Message("critical", "Deploy failed", "production stays on v12", "deploy-production")


@dataclass
class Receivers:
    slack: Script
    pagerduty: Script
    mail: Mailbox

    def environment(self, *without: str) -> dict[str, str]:
        given = {
            "SLACK_WEBHOOK": f"{self.slack.url}/services/s3cret",
            "SMTP_URL": f"smtp://127.0.0.1:{self.mail.port}",
            "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
            "PAGERDUTY_API_URL": self.pagerduty.url,
        }
        return {name: value for name, value in given.items() if name not in without}

    def got(self) -> tuple[int, int, int]:
        return len(self.slack.received), len(self.mail.raw), len(self.pagerduty.received)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with ExitStack() as opened:
        slack = opened.enter_context(scripted(Reply(200, b"ok")))
        pagerduty = opened.enter_context(scripted(Reply(202, {"status": "success"})))
        yield Receivers(slack, pagerduty, opened.enter_context(mail_server(Mailbox())))


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, *RUN, "PAGERDUTY_API_URL", "MLTRADING_CONFIG", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def give(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def without_waiting(channels: Sequence[Channel], message: Message) -> list[Outcome]:
    return deliver_all(channels, message, send=partial(deliver, sleep=lambda _: None))


def command(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    notify.configure(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("severity", "told"), [("critical", (1, 1, 1)), ("warning", (1, 1, 0)), ("info", (1, 1, 0))]
)
def test_each_severity_reaches_those_whom_the_committed_file_names(
    receivers: Receivers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    severity: str,
    told: tuple[int, int, int],
) -> None:
    give(monkeypatch, {**receivers.environment(), **RUN})
    assert notify.notify(severity, "Title", "Text", key="k") == []  # type: ignore[arg-type]
    assert receivers.got() == told
    assert LINK in json.loads(receivers.slack.received[0].content)["text"]
    assert LINK in receivers.mail.mails[0].get_content()
    assert capsys.readouterr() == ("", "")


def test_the_page_links_to_the_run_and_is_resolved_by_its_key(
    receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, {**receivers.environment(), **RUN})
    notify.notify("critical", "Rolled back", "", key="deploy-production")
    notify.notify("critical", "Healthy", "", key="deploy-production", resolved=True)
    trigger, resolve = (json.loads(one.content) for one in receivers.pagerduty.received)
    assert trigger["links"][0]["href"] == LINK
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "deploy-production"


@pytest.mark.parametrize("missing", SECRETS)
def test_a_channel_without_its_secret_is_skipped_loudly_and_the_others_are_told(
    receivers: Receivers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    give(monkeypatch, {**receivers.environment(missing), "GITHUB_ACTIONS": "true"})
    [problem] = notify.notify("critical", "Title", "Text", key="k")
    assert problem.endswith(f"skipped: {missing} is not set")
    assert sum(receivers.got()) == 2
    said = capsys.readouterr()
    assert said.err == f"delivery: warning: {problem}\n"
    assert said.out == f"::warning title=Notification::{problem}\n"


def test_one_that_fails_keeps_nothing_from_the_others(receivers: Receivers) -> None:
    receivers.slack.replies[:] = [Reply(404, b"no_service")]
    reached, problems = notify.send(MESSAGE, receivers.environment(), without_waiting)
    assert reached == ["email oncall@company.com", "pagerduty"]
    assert problems == ["slack #alerts-critical failed: answered 404: no_service"]


def test_one_that_is_busy_is_asked_again(receivers: Receivers) -> None:
    receivers.slack.replies[:] = [Reply(500), Reply(drop=True), Reply(429), Reply(200)]
    reached, problems = notify.send(MESSAGE, receivers.environment(), without_waiting)
    assert (len(reached), problems, len(receivers.slack.received)) == (3, [], 4)


def test_a_secret_of_no_use_is_a_problem_of_its_channel_alone(receivers: Receivers) -> None:
    environment = {**receivers.environment(), "SMTP_URL": "smtp://me:s3cret@host:port"}
    reached, [problem] = notify.send(MESSAGE, environment, without_waiting)
    assert len(reached) == 2
    assert problem.startswith("email oncall@company.com failed: SMTP_URL must be smtp://")
    assert "s3cret" not in problem


def test_a_wrong_file_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "alerting.yml").write_text("channels: []\n")
    environment = {"MLTRADING_CONFIG": str(tmp_path)}
    reached, [problem] = notify.send(MESSAGE, environment, without_waiting)
    assert reached == []
    assert "nobody was told: " in problem and "alerting.yml line 1" in problem


@pytest.mark.parametrize(("severity", "code"), [("critical", 1), ("warning", 0), ("info", 0)])
def test_it_fails_when_a_critical_message_reached_nobody(
    capsys: pytest.CaptureFixture[str], severity: str, code: int
) -> None:
    assert notify.run(command("--severity", severity, "--title", "T", "--key", "k")) == code
    assert "SLACK_WEBHOOK is not set" in capsys.readouterr().err


def test_it_succeeds_when_somebody_was_reached(
    receivers: Receivers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, receivers.environment("SLACK_WEBHOOK", "SMTP_URL"))
    words = ("--severity", "critical", "--title", "T", "--key", "k", "--link", "https://x/1")
    assert notify.run(command(*words)) == 0
    assert capsys.readouterr().out == "told pagerduty\n"
    assert json.loads(receivers.pagerduty.received[0].content)["client_url"] == "https://x/1"


@pytest.mark.parametrize("missing", RUN)
def test_a_laptop_has_no_run_to_link_to(missing: str) -> None:
    assert notify.run_link({**RUN, missing: ""}) is None


PLAIN = """
import sys
class Refused:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("pydantic", "pandas", "numpy", "psycopg2", "dash", "flask"):
            raise ImportError(f"{name} is not installed in the delivery jobs")
sys.meta_path.insert(0, Refused())
from delivery.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_runs_where_the_delivery_packages_alone_are_installed(receivers: Receivers) -> None:
    words = ["notify", "--severity", "critical", "--title", "T", "--key", "k"]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": "src", **receivers.environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert receivers.got() == (1, 1, 1)
    assert "s3cret" not in done.stdout
