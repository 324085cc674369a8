"""Each of our own semgrep rules finds its planted case and leaves the clean one beside it alone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from delivery.security import RULES
from tests.test_delivery.programs import ROOT, tool

pytestmark = pytest.mark.tools
PLANTED = Path(__file__).parent / "planted"
CASES = sorted(PLANTED.glob("*_cases.*"))


def planted(kind: str = "bad") -> set[tuple[str, str, int]]:
    """File, rule and line of everything that has to be found, or (good) must not be."""
    return {
        (path.name, marked[1], number + 1)
        for path in CASES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (marked := re.search(rf"(?:#|//) {kind}: ([\w-]+)", line))
        and marked[1] != "RULE"  # the files' own first lines
    }


def test_the_rules_find_what_is_planted_and_nothing_else(tmp_path: Path) -> None:
    report = tmp_path / "semgrep.json"
    done = subprocess.run(
        [tool("semgrep"), "scan", "--metrics=off", "--disable-version-check", "--quiet"]
        + ["--no-git-ignore", "--config", RULES, "--json", "--output", str(report)]
        + [str(path.relative_to(ROOT)) for path in CASES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(report.read_text())
    assert body["errors"] == []
    found = {
        (Path(one["path"]).name, one["check_id"].rpartition(".")[2], one["start"]["line"])
        for one in body["results"]
    }
    assert found - planted() == set()
    assert planted() - found == set()
    assert not {case[::2] for case in found} & {case[::2] for case in planted("good")}


def test_every_rule_has_a_planted_case_and_a_clean_one() -> None:
    rules = {
        rule["id"]
        for path in (ROOT / RULES).glob("*.yml")
        for rule in yaml.safe_load(path.read_text())["rules"]
    }
    assert rules == {rule for _, rule, _ in planted()} == {rule for _, rule, _ in planted("good")}
