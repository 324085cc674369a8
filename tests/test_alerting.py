"""alerting.yml: the committed file, and that every mistake is named with its line."""

from __future__ import annotations

import os
from datetime import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.alerting import Alerting, DigestTime, parse_alerting_file
from mltrading.alerting.live import LiveFile
from mltrading.domain.alerting.rules import DEFAULT_RULES, Condition, Rule
from mltrading.errors import ConfigurationError
from mltrading.files import ROOT, alerting_path
from mltrading.utils.message import SEVERITIES, Destination

pytestmark = pytest.mark.smoke

GOOD = """channels:
  critical:
    - slack: "#alerts"
    - webhook: "https://hooks.example/x?y=1"
  warning:
    - email: "team@company.com"
  info:
    - pagerduty: "service-key"
"""


def parse(tmp_path: Path, text: str) -> Alerting:
    path = tmp_path / "alerting.yml"
    path.write_text(text, encoding="utf-8")
    return parse_alerting_file(path)


def test_the_committed_file_is_the_one_that_was_agreed() -> None:
    alerting = parse_alerting_file(ROOT / "alerting.yml")
    assert alerting.rules == DEFAULT_RULES
    assert (alerting.digest, alerting.watchdog_seconds) == (DigestTime(time(8), "UTC"), 60)
    assert alerting.channels == {
        "critical": (
            Destination("slack", "#alerts-critical"),
            Destination("email", "oncall@company.com"),
            Destination("pagerduty", "service-key"),
        ),
        "warning": (
            Destination("slack", "#alerts-warning"),
            Destination("email", "team@company.com"),
        ),
        "info": (Destination("slack", "#deployments"), Destination("email", "team@company.com")),
    }


def test_every_kind_is_read(tmp_path: Path) -> None:
    assert parse(tmp_path, GOOD).channels == {
        "critical": (
            Destination("slack", "#alerts"),
            Destination("webhook", "https://hooks.example/x?y=1"),
        ),
        "warning": (Destination("email", "team@company.com"),),
        "info": (Destination("pagerduty", "service-key"),),
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (GOOD, "", "line 1: the file must be a block with channels, rules, digest, watchdog"),
        (GOOD, "- a", "line 1: the file must be a block with channels, rules, digest, watchdog"),
        (GOOD, "{}", "line 1: 'channels' is missing"),
        (GOOD, "channels: {}", "line 1: 'channels.critical' is missing"),
        (GOOD, "a: [", "line 1: "),
        ("channels:", "chanels:", "line 1: unknown 'chanels' in the file; nearest known:"),
        ("warning:", "warnings:", "line 5: unknown 'warnings' in channels; nearest known:"),
        ("warning:", "critical:", "line 5: 'critical' is given twice in channels"),
        ("- email:", "- mail:", "line 6: unknown 'mail' in an entry of channels.warning; nearest"),
        ('"#alerts"', "#alerts", "line 3: channels.critical: slack must be the name of a channel"),
        ('"#alerts"', "#alerts", "a text that begins with # needs quotes"),
        ('"#alerts"', "alerts", "line 3: channels.critical: slack must be the name of a channel"),
        ('"#alerts"', "12", "line 3: channels.critical: slack must be"),
        ('"#alerts"', '["#a"]', "line 3: channels.critical: slack must be"),
        ('"team@company.com"', "team", "line 6: channels.warning: email must be one e-mail"),
        ('"team@company.com"', '"a@b.c, d@e.f"', "line 6: channels.warning: email must be one"),
        ('"team@company.com"', '"a@b.c\\nBcc: d@e.f"', "line 6: channels.warning: email must be"),
        (
            "service-key",
            "0123456789abcdef",
            'line 8: channels.info: pagerduty must be "service-key"',
        ),
        ("https://hooks", "ftp://hooks", "line 4: channels.critical: webhook must be an address"),
        ("    - email", "    email", "line 6: channels.warning must be a list"),
        ('- email: "team@company.com"', "[]", "channels.warning must be a list"),
        ('- email: "team@company.com"', "- a", "line 6: an entry of channels.warning must be a"),
        (
            '- email: "team@company.com"',
            "- {}",
            "line 6: an entry of channels.warning must name one",
        ),
        (
            '- pagerduty: "service-key"',
            '- {slack: "#a", email: a@b.c}',
            "line 8: an entry of channels.info must name one channel, not 2",
        ),
        (
            '- pagerduty: "service-key"',
            '- slack: "#a"\n    - slack: "#a"',
            "line 9: 'slack: #a' is given twice",
        ),
        ("service-key", "service-key\n  x: &a [*a]", "line "),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        parse(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(caught.value)
    assert "alerting.yml line " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"can not read .*alerting\.yml: No such file"):
        parse_alerting_file(tmp_path / "alerting.yml")


def test_it_lies_beside_the_environments_file(tmp_path: Path) -> None:
    assert alerting_path(None) == ROOT / "alerting.yml"
    assert alerting_path(tmp_path) == tmp_path / "alerting.yml"
    assert alerting_path(tmp_path / "production.yml") == tmp_path / "alerting.yml"


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["channels", *SEVERITIES, "slack", "email", "pagerduty"]) | st.text(),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | TREES.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True)))
def test_garbage_is_refused_in_one_line_and_breaks_nothing(tmp_path: Path, text: str) -> None:
    try:
        parsed = parse(tmp_path, text)
    except ConfigurationError as error:
        assert str(error).isprintable()
    else:
        assert list(parsed.channels) == list(SEVERITIES)


RULES = """
rules:
  DiskTight:
    severity: warning
    when: disk_free < 12.5%
    for: 5m
    over: 2m
    resolve_after: 30s
  Failing:
    severity: critical
    when: error_rate > 2%
    least_requests: 5
    mutes: [DiskTight]
  Gone:
    severity: critical
    when: app_down
    mutes: all
digest:
  at: 06:30
  timezone: Europe/Berlin
watchdog:
  every: 2m
"""


def test_rules_are_read_with_what_follows_from_severity_and_signal(tmp_path: Path) -> None:
    alerting = parse(tmp_path, GOOD + RULES)
    assert alerting.rules == (
        Rule("DiskTight", "warning", Condition("disk_free", False, 0.125), 300, 120, 30),
        Rule(
            "Failing",
            "critical",
            Condition("error_rate", True, 0.02),
            window_seconds=300,
            least_requests=5,
            mutes=("DiskTight",),
        ),
        Rule("Gone", "critical", Condition("app_down"), window_seconds=90, mutes=("all",)),
    )
    assert alerting.digest == DigestTime(time(6, 30), "Europe/Berlin")
    assert alerting.watchdog_seconds == 120


def test_without_rules_the_conditions_that_were_agreed_hold(tmp_path: Path) -> None:
    assert parse(tmp_path, GOOD).rules == DEFAULT_RULES
    assert [
        (one.name, one.severity, str(one.condition), one.for_seconds) for one in DEFAULT_RULES
    ] == [
        ("AppDown", "critical", "app_down", 0),
        ("DatabaseDown", "critical", "database_down", 0),
        ("ErrorRateHigh", "critical", "error_rate > 5%", 0),
        ("ResponseSlow", "critical", "response_time > 10 s", 0),
        ("MemoryHigh", "warning", "memory > 80%", 900),
        ("CpuHigh", "warning", "cpu > 80%", 900),
        ("DiskLow", "warning", "disk_free < 10%", 900),
        ("ErrorRateRaised", "warning", "error_rate > 1%", 900),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("rules:", "rule:", 10, "unknown 'rule' in the file; nearest known: 'rules'"),
        ("  Failing:", "  DiskTight:", 17, "'DiskTight' is given twice in rules"),
        ("  Gone:", "  gone:", 22, "'gone' can not be the name of a rule"),
        ("  Gone:", "  DeliveryFailed:", 22, "'DeliveryFailed' can not be the name of a rule"),
        ("severity: warning", "severity: info", 12, "must be critical or warning; what informs"),
        ("severity: warning", "severity:", 12, "rules.DiskTight.severity must be critical or"),
        ("    severity: warning\n", "", 12, "'rules.DiskTight.severity' is missing"),
        ("    when: app_down\n", "", 23, "'rules.Gone.when' is missing"),
        ("for: 5m", "fro: 5m", 14, "unknown 'fro' in rules.DiskTight; nearest known: 'for'"),
        ("for: 5m", "for: 5", 14, "rules.DiskTight.for must be a span from 0s to 1d such as 30s"),
        ("for: 5m", "for: 2d", 14, "rules.DiskTight.for must be a span from 0s to 1d"),
        ("over: 2m", "over: 5s", 15, "rules.DiskTight.over must be a span from 30s to 1d"),
        ("disk_free < 12.5%", "disk_free", 13, "disk_free needs > or < and a limit such as 80%"),
        ("disk_free < 12.5%", "disk_free < 12", 13, "disk_free needs > or <"),
        ("disk_free < 12.5%", "disk_free < 101%", 13, "disk_free needs > or <"),
        ("disk_free < 12.5%", "disc_free < 5%", 13, "unknown signal 'disc_free'; nearest known:"),
        ("disk_free < 12.5%", "disk_free = 5%", 13, "when must be a signal with its limit"),
        ("disk_free < 12.5%", "[a]", 13, "when must be a signal with its limit"),
        ("when: app_down", "when: app_down > 1", 24, "app_down is true or not and has no limit"),
        ("when: app_down", "when: engine", 24, "unknown signal 'engine'"),
        ("least_requests: 5", "least_requests: -1", 20, "must be a whole number from 0 to"),
        ("for: 5m", "least_requests: 5", 14, "disk_free does not depend on requests"),
        ("[DiskTight]", "[DiskTigt]", 21, "'DiskTigt' is no other rule; nearest known: 'DiskTi"),
        ("[DiskTight]", "[Failing]", 21, "'Failing' is no other rule"),
        ("[DiskTight]", "some", 21, "rules.Failing.mutes must be 'all', or a list of rules"),
        ("[DiskTight]", "all", 17, "rules Failing and Gone would mute each other in a circle"),
        ("06:30", "24:00", 27, 'digest.at must be a time of day such as "08:00"'),
        ("06:30", "6:30", 27, "digest.at must be a time of day"),
        ("Europe/Berlin", "Europe/Berln", 28, "digest.timezone must be a time zone such as"),
        ("Europe/Berlin", "../etc/passwd", 28, "digest.timezone must be a time zone such as"),
        ("every: 2m", "every: 1s", 30, "watchdog.every must be a span from 30s to 1h"),
        ("every: 2m", "url: https://x", 30, "unknown 'url' in watchdog"),
    ],
)
def test_a_mistake_in_the_rules_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in RULES
    with pytest.raises(ConfigurationError) as caught:
        parse(tmp_path, GOOD + RULES.replace(old, new, 1))
    assert f"alerting.yml line {line}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rules_that_are_none_are_refused(tmp_path: Path) -> None:
    for text in ("rules: {}\n", "rules:\n", "rules: []\n"):
        with pytest.raises(ConfigurationError, match="line 9: rules must be a block of rules"):
            parse(tmp_path, GOOD + text)


def test_a_running_program_reads_the_file_again_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "alerting.yml"
    path.write_text(GOOD)
    live = LiveFile(path)
    first = live.current()
    assert live.current() is first
    path.write_text(GOOD + "watchdog: {every: 2m}\n")
    assert (live.current().watchdog_seconds, live.problem) == (120, "")
    path.write_text(GOOD.replace("channels", "chanels"))
    assert live.current().watchdog_seconds == 120
    assert "alerting.yml line 1: unknown 'chanels'" in live.problem
    path.unlink()
    assert live.current().watchdog_seconds == 120
    assert "can not read" in live.problem
    path.write_text(GOOD)
    assert (live.current().watchdog_seconds, live.problem) == (60, "")


def test_a_change_that_leaves_no_trace_is_read_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "alerting.yml"
    path.write_text(GOOD)
    live = LiveFile(path)
    before = path.stat()
    path.write_text(GOOD.replace("#alerts", "#alarms"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert live.current().channels["critical"][0].target == "#alerts"
    live.read_again()
    assert live.current().channels["critical"][0].target == "#alarms"


def test_a_file_that_is_wrong_at_the_start_stops_it(tmp_path: Path) -> None:
    (tmp_path / "alerting.yml").write_text("channels: []\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        LiveFile(tmp_path / "alerting.yml")
