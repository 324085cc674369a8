"""alerting.yml: the committed file, and that every mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.alerting import Destination, parse_alerting_file
from mltrading.errors import ConfigurationError
from mltrading.files import ROOT, alerting_path
from mltrading.utils.message import SEVERITIES

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


def parse(tmp_path: Path, text: str) -> object:
    path = tmp_path / "alerting.yml"
    path.write_text(text, encoding="utf-8")
    return parse_alerting_file(path)


def test_the_committed_file_is_the_one_that_was_agreed() -> None:
    assert parse_alerting_file(ROOT / "alerting.yml") == {
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
    assert parse(tmp_path, GOOD) == {
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
        (GOOD, "", "line 1: the file must be a block with channels"),
        (GOOD, "- a", "line 1: the file must be a block with channels"),
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
        assert list(parsed) == list(SEVERITIES)  # type: ignore[call-overload]
