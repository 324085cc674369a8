"""`mltrading alerts` and the verbs behind it, on a real database and real channels."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.samples import PostgresSamples
from mltrading.domain.access import CONSOLE, PERMISSIONS, Actor, Role
from mltrading.domain.alerting.turns import Changes
from mltrading.errors import Forbidden, InvalidSilence
from mltrading.services.alerts import AlertHistoryJob, Alerts
from mltrading.services.ports.audit import Origin
from mltrading.utils.message import DELIVERED
from tests.alerts_made import NOON, SLACK, firing, make_alert, make_ruleset, queued, told
from tests.console import Done, typed
from tests.smtp_server import Mailbox, mail_server
from tests.test_delivery.scripted_server import Reply, Script, scripted

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
FILE = """channels:
  critical: [{slack: "#a"}, {pagerduty: service-key}]
  warning: [{slack: "#a"}, {email: team@company.com}]
  info: [{webhook: "https://hooks.example"}]
"""


@pytest.fixture
def slack() -> Iterator[Script]:
    with scripted(Reply(200, b"ok")) as server:
        yield server


@pytest.fixture
def pager() -> Iterator[Script]:
    with scripted(Reply(202, {"status": "success"})) as server:
        yield server


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


@pytest.fixture
def environment(
    database_url: str, slack: Script, pager: Script, mail: Mailbox, tmp_path: Path
) -> dict[str, str]:
    (tmp_path / "development.yml").write_text("environment: development\n")
    (tmp_path / "alerting.yml").write_text(FILE)
    return {
        **os.environ,
        "ENVIRONMENT": "development",
        "DATABASE_URL": database_url,
        "MLTRADING_CONFIG": str(tmp_path),
        "MLTRADING_HOME": str(tmp_path),
        "SLACK_WEBHOOK": f"{slack.url}/services/s3cret",
        "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
        "PAGERDUTY_API_URL": pager.url,
        "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
    }


def command(environment: dict[str, str], *words: str) -> Done:
    return typed(environment, "alerts", *words)


def report(environment: dict[str, str], *words: str) -> dict[str, Any]:
    code, out, err = command(environment, *words, "--json")
    assert code == 0, err
    shown: dict[str, Any] = json.loads(out)
    return shown


def test_a_test_reaches_each_channel_once_and_says_which_it_does_not(
    environment: dict[str, str], slack: Script, pager: Script, mail: Mailbox
) -> None:
    code, out, err = command(environment, "test")
    assert code == 1
    assert out.splitlines() == [
        "slack #a: delivered",
        "pagerduty: delivered",
        "email team@company.com: delivered",
        "webhook https://hooks.example: skipped: WEBHOOK_SECRET is not set",
    ]
    assert (len(slack.received), len(mail.raw)) == (1, 1)
    events = [json.loads(one.content) for one in pager.received]
    assert [one["event_action"] for one in events] == ["trigger", "resolve"]
    assert len({one["dedup_key"] for one in events}) == 1
    assert "s3cret" not in out + err


def test_a_test_of_one_severity_leaves_the_others_alone(
    environment: dict[str, str], slack: Script, pager: Script, mail: Mailbox
) -> None:
    slack.replies[:] = [Reply(404, b"no_service")]
    code, out, _ = command(environment, "test", "--severity", "warning", "--json")
    assert (code, json.loads(out)) == (
        1,
        {"slack #a": "answered 404: no_service", "email team@company.com": "delivered"},
    )
    assert pager.received == []
    [message] = mail.mails
    assert message["Subject"] == "[warning] development: a test of email team@company.com"


def test_what_is_known_is_listed(environment: dict[str, str], database: Database) -> None:
    assert command(environment, "list")[1] == (
        "nothing was evaluated yet: does `mltrading worker` run?\n"
    )
    store = PostgresAlerts(database)
    now = store.lead("me", 60)
    assert now is not None
    alert = firing("ErrorRateHigh", now, muted_by="AppDown")
    fine = make_alert("CpuHigh", severity="warning", said="3% used", evaluated_at=now)
    store.turn(
        "me",
        lambda book, at: Changes(
            (fine, alert), told=(told(alert),), messages=(queued(SLACK, alert.key),)
        ),
    )
    _, out, _ = command(environment, "list")
    lines = out.splitlines()
    assert lines[0].startswith("evaluated ")
    assert lines[1:3] == [
        "firing    critical ErrorRateHigh (muted by AppDown): ErrorRateHigh said",
        "inactive  warning  CpuHigh: 3% used",
    ]
    assert re.fullmatch(
        r"slack #critical: 1 waiting for up to \d+ s, 0 given up in a day", lines[3]
    )
    shown = report(environment, "list")
    assert [one["state"] for one in shown["alerts"]] == ["firing", "inactive"]  # type: ignore
    assert [one["waiting"] for one in shown["queue"]] == [1]  # type: ignore[attr-defined]


def test_an_alert_whose_condition_has_cleared_says_so_until_it_is_over(
    environment: dict[str, str], database: Database
) -> None:
    store = PostgresAlerts(database)
    now = store.lead("me", 60)
    assert now is not None
    since, over = now - timedelta(seconds=30), now + timedelta(seconds=90)
    cleared = firing("ErrorRateHigh", now, false_since=since, said="0% failed")
    store.turn("me", lambda book, at: Changes((cleared, firing("AppDown", now))))
    assert command(environment, "list")[1].splitlines()[1:] == [
        "firing    critical AppDown: AppDown said",
        f"firing    critical ErrorRateHigh: condition cleared at {since:%H:%M:%S}, over at"
        f" {over:%H:%M:%S} UTC if it stays so: 0% failed",
    ]
    [down, high] = report(environment, "list")["alerts"]
    assert (down["cleared_at"], down["over_at"]) == (None, None)
    assert (high["cleared_at"], high["over_at"]) == (since.isoformat(), over.isoformat())


def test_a_silence_is_set_shown_ended_and_audited(environment: dict[str, str], sql: Sql) -> None:
    made = report(environment, "silence", "Memory*", "--for", "2h", "--reason", "new machine")
    assert made["matchers"] == "rule=Memory*"
    ends = datetime.fromisoformat(str(made["ends_at"])) - datetime.now(UTC)
    assert timedelta(minutes=118) < ends < timedelta(minutes=121)
    [shown] = report(environment, "list")["silences"]
    assert (shown["reason"], shown["author"]) == ("new machine", "console")
    report(environment, "unsilence", str(made["id"]))
    code, _, err = command(environment, "unsilence", str(made["id"]))
    assert (code, "no silence '1' lasts" in err) == (1, True)
    assert sql("SELECT actor, action, target, details FROM audit ORDER BY seq") == [
        (
            "console",
            "alerts.silence",
            "1",
            json.dumps({"ends_at": made["ends_at"], "matchers": "rule=Memory*"}),
        ),
        ("console", "alerts.unsilence", "1", "{}"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("silence", "x=1", "--for", "2h", "--reason", "a"), 1, "'x=1' is no matcher"),
        (("silence", "A", "--for", "31d", "--reason", "a"), 1, "at most 30 days"),
        (("silence", "A", "--for", "2h", "--reason", " "), 1, "needs a reason"),
        (("silence", "A", "--for", "2 h", "--reason", "a"), 2, "must be a span such as 30m"),
        (("silence", "A", "--for", "2h"), 2, "--reason"),
        (("preview", "--days", "9"), 2, "at most 8"),
        (("export",), 2, "--prometheus"),
        (("test", "--severity", "bad"), 2, "invalid choice"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    environment: dict[str, str], words: tuple[str, ...], code: int, said: str
) -> None:
    returned, out, err = command(environment, *words)
    assert (returned, out, err.count("\n")) == (code, "", 1)
    assert said in err


def test_preview_reads_what_processes_handed_over(environment: dict[str, str], sql: Sql) -> None:
    columns = [
        name
        for (name, needed) in sql(
            "SELECT column_name, is_nullable = 'NO' AND column_default IS NULL"
            " AND is_identity = 'NO' FROM information_schema.columns"
            " WHERE table_name = 'web_samples' ORDER BY ordinal_position"
        )
        if needed
    ]
    given = {"kind": "'web'", "instance": "'a'", "latency": "'{}'", "requests": "100"}
    failing = {**given, "errors_5xx": "50"}
    for minutes, values in ((40, given), (30, failing), (20, given), (1, given)):
        row = ", ".join(values.get(str(name), "0") for name in columns)
        sql(
            f"INSERT INTO web_samples (at, {', '.join(map(str, columns))})"
            f" VALUES (now() - interval '{minutes} min', {row})"
        )
    shown = report(environment, "preview", "--days", "1")
    found = {one["rule"]: one for one in shown["rules"]}  # type: ignore[attr-defined]
    assert found["ErrorRateHigh"]["fired"] == 1
    assert found["ErrorRateRaised"]["fired"] == 0  # not for 15 minutes
    assert found["MemoryHigh"]["evaluations"] >= 38
    assert "ErrorRateHigh: 1 times, " in command(environment, "preview")[1]


class Config:
    def ruleset(self) -> object:
        return make_ruleset()

    def problem(self) -> str:
        return ""


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return Alerts(PostgresAlerts(database), Config(), PostgresSamples(database))  # type: ignore


ANALYST = Actor("analyst", PERMISSIONS[Role.ANALYST])


@pytest.mark.parametrize(
    "ask",
    [
        lambda alerts: alerts.current(ANALYST),
        lambda alerts: alerts.history(ANALYST, NOON),
        lambda alerts: alerts.silences(ANALYST),
        lambda alerts: alerts.silence(ANALYST, "A", 60, "b"),
        lambda alerts: alerts.unsilence(ANALYST, "1"),
        lambda alerts: alerts.preview(ANALYST, 1),
        lambda alerts: alerts.rules(ANALYST),
    ],
)
def test_every_verb_needs_the_right_to_change_settings(
    alerts: Alerts, sql: Sql, ask: Callable[[Alerts], object]
) -> None:
    with pytest.raises(Forbidden, match="can_modify_settings"):
        ask(alerts)
    assert sql("SELECT count(*) FROM audit") == [(0,)]


def test_the_verbs_for_a_page(alerts: Alerts, database: Database, sql: Sql) -> None:
    made = alerts.silence(CONSOLE, "severity=warning", 3600, " by\n hand ", Origin("10.0.0.1", "x"))
    assert alerts.silences(CONSOLE) == (made,)
    assert (made.reason, made.author) == ("by hand", "console")
    now = alerts.current(CONSOLE)
    assert (now.silences, now.alerts, now.evaluated_at) == ((made,), (), None)
    alerts.unsilence(CONSOLE, made.id)
    with pytest.raises(InvalidSilence):
        alerts.unsilence(CONSOLE, made.id)
    assert alerts.history(CONSOLE, now.at - timedelta(days=1)) == []
    assert sql("SELECT address FROM audit_origins") == [("10.0.0.1",)]
    assert [one.name for one in alerts.rules(CONSOLE)][0] == "AppDown"


def test_history_is_given_up_each_day(database: Database) -> None:
    job = AlertHistoryJob(PostgresAlerts(database))
    assert job.due(NOON) == NOON.replace(hour=4)
    assert job.due(NOON.replace(hour=3)) == NOON.replace(hour=4) - timedelta(days=1)
    assert job.perform("database", NOON) == DELIVERED
