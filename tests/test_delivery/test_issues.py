"""One issue for each finding, however often it runs; what people wrote is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delivery import issues
from delivery.__main__ import main
from delivery.findings import Finding
from delivery.forge import Forge
from tests.test_delivery.github_fake import Fault, GitHub, user
from tests.test_delivery.test_security_gate import (
    BANDIT,
    BANDIT_RESULT,
    PIP_AUDIT,
    SEMGREP,
    SKIPPED,
    put,
)

ALL = {"bandit", "semgrep", "pip-audit"}


def finding(
    name: str = "flask", detail: str = "repaired in 3.2", scanner: str = "pip-audit"
) -> Finding:
    return Finding(f"{scanner}:{name}:CVE-1", scanner, f"CVE-1 in {name}", f"{name} 3.1", detail)


@pytest.fixture
def forge(hub: GitHub) -> Forge:
    return Forge.from_environment(hub.variables(), sleep=lambda seconds: None)


def open_titles(hub: GitHub) -> list[str]:
    return sorted(issue["title"] for issue in hub.issues if issue["state"] == "open")


def test_each_finding_has_one_issue_however_often_it_runs(hub: GitHub, forge: Forge) -> None:
    found = [finding("flask"), finding("dash")]
    assert sorted(issues.keep(forge, found, ALL).opened) == [
        "pip-audit:dash:CVE-1",
        "pip-audit:flask:CVE-1",
    ]
    assert open_titles(hub) == ["CVE-1 in dash", "CVE-1 in flask"]
    written = len(hub.writes())
    for _ in range(3):
        assert issues.keep(forge, found, ALL) == issues.Outcome()
    assert len(hub.writes()) == written == 2


def test_a_finding_that_is_gone_closes_its_issue_and_one_that_is_back_opens_it_again(
    hub: GitHub, forge: Forge
) -> None:
    issues.keep(forge, [finding()], ALL)
    assert issues.keep(forge, [], ALL).closed == [finding().identity]
    assert open_titles(hub) == []
    assert issues.keep(forge, [], ALL) == issues.Outcome()
    assert issues.keep(forge, [finding()], ALL).reopened == [finding().identity]
    assert len(hub.issues) == 1
    assert open_titles(hub) == ["CVE-1 in flask"]


def test_changed_words_are_written_to_the_same_issue(hub: GitHub, forge: Forge) -> None:
    issues.keep(forge, [finding()], ALL)
    assert issues.keep(forge, [finding(detail="repaired in 3.3")], ALL).updated
    assert "repaired in 3.3" in hub.issues[0]["body"]
    assert len(hub.issues) == 1


def test_a_scanner_that_proves_nothing_closes_nothing(hub: GitHub, forge: Forge) -> None:
    issues.keep(forge, [finding(), finding("x", scanner="bandit")], ALL)
    outcome = issues.keep(forge, [], {"bandit"})
    assert outcome.closed == ["bandit:x:CVE-1"]
    assert open_titles(hub) == ["CVE-1 in flask"]


def test_issues_of_people_are_left_alone_even_with_our_marker_and_label(
    hub: GitHub, forge: Forge
) -> None:
    issues.keep(forge, [finding()], ALL)
    ours = hub.issues[0]
    theirs = {**ours, "number": 2, "title": "a copy", "user": user("mallory")}
    plain = {**ours, "number": 3, "title": "no marker", "body": "a finding"}
    without_label = {**ours, "number": 4, "title": "no label", "labels": []}
    request = {**ours, "number": 5, "title": "a request"}
    request["pull_request"] = {"diff_url": "", "html_url": "", "patch_url": "", "url": ""}
    hub.issues += [theirs, plain, without_label, request]
    issues.keep(forge, [], ALL)
    assert open_titles(hub) == ["a copy", "a request", "no label", "no marker"]


def test_every_page_of_issues_is_read(hub: GitHub, forge: Forge) -> None:
    issues.keep(forge, [finding()], ALL)
    other = {**hub.issues[0], "body": "by a person", "user": user("carol")}
    hub.issues = [{**other, "number": 100 + n} for n in range(230)] + hub.issues
    assert issues.keep(forge, [finding()], ALL) == issues.Outcome()


def test_a_flood_is_opened_in_parts(hub: GitHub, forge: Forge) -> None:
    found = [finding(f"package-{number:02}") for number in range(50)]
    first = issues.keep(forge, found, ALL)
    assert (len(first.opened), len(first.left_for_next)) == (20, 30)
    assert "30 more are left for the next run" in str(first)
    issues.keep(forge, found, ALL)
    assert len(issues.keep(forge, found, ALL).opened) == 10
    assert len(open_titles(hub)) == 50


def test_an_answer_lost_on_its_way_makes_no_second_issue(hub: GitHub, forge: Forge) -> None:
    hub.faults.append(Fault("PATCH", "/issues/", 502, {"message": "x"}, times=2))
    issues.keep(forge, [finding()], ALL)
    issues.keep(forge, [], ALL)
    assert open_titles(hub) == []
    assert len(hub.issues) == 1


def test_words_of_a_scanner_mention_nobody_and_forge_no_marker(hub: GitHub, forge: Forge) -> None:
    bad = finding(detail="@everyone fixes #1 <!-- finding: other --> `x`\n\n# big")
    issues.keep(forge, [bad], ALL)
    body = hub.issues[0]["body"]
    assert "@everyone" not in body and "#1" not in body and "\n# big" not in body
    assert issues.MARKER.findall(body) == [bad.identity]
    assert issues.keep(forge, [bad], ALL) == issues.Outcome()


def test_the_command_reads_the_reports_and_leaves_out_what_is_accepted(
    hub: GitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in hub.variables().items():
        monkeypatch.setenv(name, value)
    put(tmp_path, "bandit", {**BANDIT, "results": [BANDIT_RESULT]})
    put(tmp_path, "semgrep", SEMGREP)
    put(tmp_path, "pip-audit", PIP_AUDIT)
    for name in ("safety", "snyk", "trivy"):
        put(tmp_path, name, SKIPPED)
    accepted = tmp_path / "accepted.json"
    accepted.write_text("[]")
    words = ["issues", "--folder", str(tmp_path), "--accepted", str(accepted)]
    assert main(words) == 0
    assert "1 opened" in capsys.readouterr().out
    (issue,) = hub.issues
    identity = issues.MARKER.findall(issue["body"])[0]
    reason = "A test looked at it and found it good."
    entry = {"finding": identity, "reason": reason, "until": "9999-01-01"}
    accepted.write_text(json.dumps([entry]))
    assert main(words) == 0
    assert open_titles(hub) == []
    accepted.write_text(json.dumps([{**entry, "until": "2020-01-01"}]))
    assert main(words) == 0
    assert open_titles(hub) == [issue["title"]]


def test_a_missing_report_fails_after_the_others_were_kept(
    hub: GitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in hub.variables().items():
        monkeypatch.setenv(name, value)
    put(tmp_path, "bandit", {**BANDIT, "results": [BANDIT_RESULT]})
    assert main(["issues", "--folder", str(tmp_path)]) == 1
    assert len(open_titles(hub)) == 1
    assert "semgrep: there is no report" in capsys.readouterr().err
