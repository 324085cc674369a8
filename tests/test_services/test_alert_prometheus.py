"""The rules for Prometheus and Alertmanager: their own programs accept them, they say what our
rules say, they name numbers that /metrics has, and they hold no secret."""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mltrading.alerting import parse_alerting_file
from mltrading.cli import alerts as command
from mltrading.dashboard.exposition import exposition
from mltrading.domain.alerting.rules import DEFAULT_RULES, SIGNALS, Condition, Rule, rule
from mltrading.files import ROOT
from mltrading.services.alert_prometheus import (
    alertmanager_document,
    expression,
    rules_document,
    span,
)
from mltrading.services.health import Running
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.operations import MachineState
from mltrading.services.vitals import Vital
from mltrading.utils import measures
from mltrading.utils.message import Destination
from mltrading.utils.tally import Tally
from tests.prometheus_programs import run

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRETS = {
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/T0/B0/s3cretslack",
    "SMTP_URL": "smtp://oncall:s3cretmail@mail.example:587",
    "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "WEBHOOK_SECRET": "whsec_" + "c2VjcmV0" * 6,
}
EVERY_SIGNAL = [
    rule(
        f"Of{number}",
        "warning",
        Condition(name) if signal.unit == "bare" else Condition(name, True, 0.5),
    )
    for number, (name, signal) in enumerate(SIGNALS.items())
]


def parsed(argument: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser.parse_args(["export", "--prometheus", argument, "--json"])


def test_what_the_command_writes_is_accepted_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**SECRETS, "ENVIRONMENT": "development"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "alerting.yml").write_text(
        (ROOT / "alerting.yml")
        .read_text()
        .replace(
            '- pagerduty: "service-key"',
            '- pagerduty: "service-key"\n    - webhook: "https://h.example/x"',
        )
    )
    (tmp_path / "development.yml").write_text("environment: development\n")
    monkeypatch.setenv("MLTRADING_CONFIG", str(tmp_path))
    arguments = parsed(str(tmp_path / "out"))
    assert arguments.run(arguments) == 0
    written = json.loads(capsys.readouterr().out)["written"]
    rules, manager = (Path(one) for one in written)
    code, said = run("promtool", "check", "rules", str(rules))
    assert (code, "8 rules found" in said) == (0, True), said
    code, said = run("amtool", "check-config", str(manager))
    assert code == 0, said
    assert "3 inhibit rules" in said and "7 receivers" in said
    text = rules.read_text() + manager.read_text()
    assert not any(word in text for word in ("s3cret", SECRETS["PAGERDUTY_KEY"], "c2VjcmV0"))


@pytest.mark.parametrize("broken", ["expr: sum(", "for: soon", "alert: a b"])
def test_the_programs_refuse_what_is_wrong(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up == 0\n    for: 1m\n".replace(
            {"expr": "expr: up == 0", "for": "for: 1m", "alert": "alert: A"}[broken.split(":")[0]],
            broken,
        )
    )
    code, said = run("promtool", "check", "rules", str(path))
    assert (code != 0) is (broken != "alert: a b"), said  # a name with a blank is one to it


def test_each_signal_has_an_expression_that_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rules_document(EVERY_SIGNAL, "production")))
    code, said = run("promtool", "check", "rules", str(path))
    assert (code, f"{len(SIGNALS)} rules found" in said) == (0, True), said


def test_the_expressions_name_numbers_that_metrics_has_and_promtool_accepts_those() -> None:
    tally = Tally()
    tally.add(measures.REQUESTS, "/charts", "GET", "200")
    tally.add(measures.CALLBACKS, "address", "error")
    tally.add(measures.DATABASE_FAILURES, "lost")
    tally.observe(0.1, measures.REQUEST_SECONDS, "/charts")
    vital = Vital(AT, DatabaseState.OK, 0.01, MachineState(1, 0.5, 0.5, 0.5), None)
    shown = exposition(tally.own(), vital, Running("0.1.0", None, None), 1, [1])
    code, said = run("promtool", "check", "metrics", stdin=shown)
    assert (code, said) == (0, "")
    known = set(re.findall(r"^(\w+)[ {]", shown, re.MULTILINE))
    for one in EVERY_SIGNAL:
        named = set(re.findall(r"mltrading_\w+", expression(one)))
        assert named <= known, one
        labels = dict(re.findall(r'(\w+)[!=]=?~?"([^"]*)"', expression(one)))
        assert labels.keys() <= {"job", "route", "status", "kind", "outcome"}


UNIT_TESTS = """
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
- interval: 15s
  input_series:
  - series: up{job="mltrading"}
    values: 1x200
  - series: mltrading_database_up
    values: 1x40 0x20 1x140
  - series: mltrading_http_requests_total{route="/charts",method="GET",status="200"}
    values: 0+9x200
  - series: mltrading_http_requests_total{route="/charts",method="GET",status="500"}
    values: 0+1x200
  - series: mltrading_http_requests_total{route="/charts",method="GET",status="404"}
    values: 0+50x200
  - series: mltrading_http_requests_total{route="/health",method="GET",status="500"}
    values: 0+50x200
  - series: mltrading_memory_used_ratio
    values: 0.9x200
  - series: mltrading_disk_free_ratio
    values: 0.5x200
  alert_rule_test:
  - {eval_time: 9m, alertname: DatabaseDown, exp_alerts: []}
  - eval_time: 11m
    alertname: DatabaseDown
    exp_alerts: [{exp_labels: {severity: critical, environment: production}}]
  - {eval_time: 14m, alertname: MemoryHigh, exp_alerts: []}
  - eval_time: 16m
    alertname: MemoryHigh
    exp_alerts: [{exp_labels: {severity: warning, environment: production}}]
  - eval_time: 10m
    alertname: ErrorRateHigh
    exp_alerts: [{exp_labels: {severity: critical, environment: production}}]
  - {eval_time: 30m, alertname: DiskLow, exp_alerts: []}
  - {eval_time: 30m, alertname: AppDown, exp_alerts: []}
  promql_expr_test:
  - expr: RATE
    eval_time: 10m
    exp_samples: [{labels: '{}', value: 0.1}]
- interval: 15s
  input_series:
  - series: mltrading_http_requests_total{route="/charts",method="GET",status="500"}
    values: 0 1 2 3 4 5 5x100
  alert_rule_test:
  - {eval_time: 3m, alertname: ErrorRateHigh, exp_alerts: []}
  - eval_time: 3m
    alertname: AppDown
    exp_alerts: [{exp_labels: {severity: critical, environment: production}}]
"""


def test_prometheus_fires_where_our_rules_do(tmp_path: Path) -> None:
    """Run by Prometheus' own engine: 1 of 10 requests fails (404 and /health do not count), the
    database is down for 5 minutes, memory is at 90% from the start, and 5 requests are too few."""
    rules = [*DEFAULT_RULES]
    document = rules_document(rules, "production")
    for group in document["groups"]:  # type: ignore[attr-defined]
        for one in group["rules"]:
            del one["annotations"]  # the tests would have to repeat them
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document))
    [high] = [one for one in rules if one.name == "ErrorRateHigh"]
    rate = expression(high).split(" > ")[0]
    tests = UNIT_TESTS.replace("RATE", json.dumps(rate))
    (tmp_path / "tests.yml").write_text(tests)
    code, said = run("promtool", "test", "rules", str(tmp_path / "tests.yml"))
    assert (code, "SUCCESS" in said) == (0, True), said


def test_routes_wait_and_repeat_as_ours_do() -> None:
    alerting = parse_alerting_file(ROOT / "alerting.yml")
    document = alertmanager_document(alerting.rules, alerting.channels)
    route = document["route"]
    assert isinstance(route, dict)
    assert (route["group_by"], route["group_interval"]) == (["alertname"], "5m")
    assert [(one["group_wait"], one["repeat_interval"]) for one in route["routes"]] == [
        *(("0s", "1h"), ("0s", "1h"), ("0s", "365d")),
        *(("30s", "4h"), ("30s", "4h")),
    ]


@pytest.mark.parametrize(
    ("severity", "firing", "receivers"),
    [
        ("critical", "AppDown", "critical-1-slack,critical-2-email,critical-3-pagerduty"),
        ("warning", "MemoryHigh", "warning-1-slack,warning-2-email"),
        ("info", "Other", "nobody"),
    ],
)
def test_alertmanager_tells_whom_we_tell(
    tmp_path: Path, severity: str, firing: str, receivers: str
) -> None:
    alerting = parse_alerting_file(ROOT / "alerting.yml")
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alertmanager_document(alerting.rules, alerting.channels)))
    labels = (f"alertname={firing}", f"severity={severity}")
    code, said = run("amtool", "config", "routes", "test", f"--config.file={path}", *labels)
    assert (code, said.splitlines()[-1]) == (0, receivers), said


def test_a_rule_of_ones_own_keeps_its_numbers() -> None:
    mine = Rule("Mine", "warning", Condition("disk_free", False, 0.125), 300, 120, 30)
    [group] = rules_document([mine], "staging")["groups"]  # type: ignore[misc]
    assert group["rules"][0] == {
        "alert": "Mine",
        "expr": "min(mltrading_disk_free_ratio) < 0.125",
        "for": "5m",
        "keep_firing_for": "30s",
        "labels": {"severity": "warning", "environment": "staging"},
        "annotations": {
            "summary": "staging Mine: disk_free < 12.5%",
            "runbook": "docs/runbook.md#mine",
        },
    }
    assert [span(one) for one in (0, 45, 90, 120, 7_200, 172_800)] == [
        *("0s", "45s", "90s", "2m", "2h", "2d")
    ]
    webhook = {"critical": (Destination("webhook", "https://h.example/x"),)}
    receivers = alertmanager_document([mine], webhook)["receivers"]  # type: ignore[arg-type]
    assert receivers[1]["webhook_configs"] == [  # type: ignore[index]
        {"send_resolved": True, "url": "https://h.example/x"}
    ]
