"""The pages for operators know every rule, signal and key there is, and nothing else."""

from __future__ import annotations

import re

import pytest

from mltrading.alerting import parse_alerting_file
from mltrading.alerting.rules import KEYS
from mltrading.domain.alerting.rules import DEFAULT_RULES, OWN_RULES, SIGNALS
from mltrading.domain.alerting.words import RUNBOOK, anchor
from mltrading.files import ROOT
from tools.bootstrap import ROOT as CHECKOUT

pytestmark = pytest.mark.smoke

PAGE = (CHECKOUT / RUNBOOK).read_text(encoding="utf-8")
OPERATOR = (CHECKOUT / "docs" / "operator.md").read_text(encoding="utf-8")
NAMES = {one.name for one in (*DEFAULT_RULES, *OWN_RULES)}


def section(name: str) -> str:
    """The text below the heading of a rule."""
    return PAGE.split(f"\n### {name}\n", 1)[1].split("\n##", 1)[0]


def test_each_rule_has_a_section_and_each_section_a_rule() -> None:
    part = PAGE.split("\n## What an alert says\n", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^### (\w+)$", part, re.MULTILINE)) == NAMES
    named = {one.name for one in parse_alerting_file(ROOT / "alerting.yml").rules}
    assert named <= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    text = section(name)
    for word in ("Means", "Look", "do"):
        assert re.search(rf"\*\*{word}\*\*", text, re.IGNORECASE), word
    assert anchor(name) == name.lower()


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.name)
def test_a_section_knows_severity_and_limit(rule: object) -> None:
    text = section(rule.name)  # type: ignore[attr-defined]
    assert f"({rule.severity})" in text  # type: ignore[attr-defined]
    condition = str(rule.condition)  # type: ignore[attr-defined]
    limit = condition.partition(" ")[2].lstrip("<> ")
    assert limit in text


def test_every_key_and_signal_is_explained() -> None:
    table = OPERATOR.split("| Key of a rule |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(KEYS)
    assert all(re.search(rf"`{name}\b", table) for name in SIGNALS)
