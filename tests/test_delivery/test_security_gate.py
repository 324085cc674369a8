"""The gate closes on a finding and on every report that proves nothing."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from delivery import findings, scanner_programs, security, security_gate
from delivery.__main__ import main
from delivery.security_gate import Accepted

TODAY = date(2026, 11, 23)
BANDIT: dict[str, Any] = {
    "errors": [],
    "metrics": {"_totals": {"loc": 40}, "src/mltrading/app.py": {"loc": 40}},
    "results": [],
}
BANDIT_RESULT = {
    "code": "11 def run():\n12     os.system('ls')\n13 \n",
    "filename": "./src/mltrading/app.py",
    "issue_confidence": "HIGH",
    "issue_severity": "HIGH",
    "issue_text": "Starting a process with a shell.",
    "line_number": 12,
    "line_range": [12],
    "test_id": "B605",
}
SEMGREP: dict[str, Any] = {"errors": [], "paths": {"scanned": ["src/x.py"]}, "results": []}
SEMGREP_RESULT = {
    "check_id": "delivery.rules.subprocess-shell",
    "path": "delivery/errors.py",
    "start": {"line": 1},
    "end": {"line": 1},
    "extra": {"message": "A shell\n reads.", "severity": "ERROR"},
}
PIP_AUDIT: dict[str, Any] = {"dependencies": [{"name": "flask", "version": "3.1", "vulns": []}]}
VULNERABILITY = {"id": "PYSEC-2026-1", "fix_versions": ["3.2"], "aliases": [], "description": "x"}
REPORTS = Path(__file__).with_name("reports")
"""Of the scanners that need a key; its README says where they come from."""


SKIPPED = {"skipped": "no key: X is not set"}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Every scanner ran and found nothing, or said that it was skipped."""
    for name, body in (("bandit", BANDIT), ("semgrep", SEMGREP), ("pip-audit", PIP_AUDIT)):
        (tmp_path / f"{name}.json").write_text(json.dumps(body))
    for name in ("safety", "snyk", "trivy"):
        (tmp_path / f"{name}.json").write_text(json.dumps(SKIPPED))
    return tmp_path


def put(folder: Path, name: str, body: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(body))


def judged(folder: Path, *accepted: Accepted) -> security_gate.Verdict:
    return security_gate.judge(folder, list(accepted), TODAY)


def test_clean_reports_open_it_and_the_skipped_are_told(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    nothing = tmp_path / "accepted.json"
    nothing.write_text("[]")
    assert main(["security-gate", "--folder", str(reports), "--accepted", str(nothing)]) == 0
    shown = page.read_text()
    assert "| bandit | 1 file | 0 | 0 | clean |" in shown
    assert "| snyk | - | - | - | skipped: no key: X is not set |" in shown


def _result(body: dict[str, Any], result: dict[str, Any], name: str = "results") -> dict[str, Any]:
    return {**body, name: [result]}


def real(name: str) -> Any:
    return json.loads((REPORTS / f"{name}.json").read_text())


FINDINGS: dict[str, tuple[Any, list[str]]] = {
    "bandit": (
        _result(BANDIT, BANDIT_RESULT),
        ["B605 Starting a process with a shell. (src/mltrading/app.py:12)"],
    ),
    "semgrep": (
        _result(SEMGREP, SEMGREP_RESULT),
        ["subprocess-shell: A shell reads. (delivery/errors.py:1)"],
    ),
    "pip-audit": (
        {"dependencies": [{"name": "flask", "version": "3.1", "vulns": [VULNERABILITY]}]},
        ["PYSEC-2026-1 in flask 3.1 (flask 3.1)"],
    ),
    "safety": (
        real("safety"),
        ["Safety 51340 in django (django==1.8.0)", "Safety 25714 in django (django==1.8.0)"],
    ),
    "snyk": (
        real("snyk"),
        [
            "SNYK-PYTHON-NLTK-460224 in nltk: Arbitrary File Write via Archive Extraction"
            " (Zip Slip) (nltk 3.3)"
        ],
    ),
    "trivy": (
        real("trivy"),
        [
            "CVE-2019-14806 in Werkzeug (requirements.txt: Werkzeug 0.11)",
            "CVE-2020-28724 in Werkzeug (requirements.txt: Werkzeug 0.11)",
        ],
    ),
}


@pytest.mark.parametrize("scanner", FINDINGS)
def test_a_finding_closes_it(reports: Path, scanner: str) -> None:
    body, said = FINDINGS[scanner]
    put(reports, scanner, body)
    verdict = judged(reports)
    assert verdict.faults == said
    assert {one.scanner for one in verdict.open} == {scanner}


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_text(""),
    "blank": lambda path: path.write_text("\n \n"),
    "broken off": lambda path: path.write_text(path.read_text()[:-3]),
    "a list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "an empty object": lambda path: path.write_text("{}"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "failed": lambda path: path.write_text('{"failed": "ended with 2"}'),
}


@pytest.mark.parametrize("scanner", ["bandit", "semgrep", "pip-audit"])
@pytest.mark.parametrize("case", BAD)
def test_a_report_that_proves_nothing_closes_it(reports: Path, scanner: str, case: str) -> None:
    BAD[case](reports / f"{scanner}.json")
    (fault,) = judged(reports).faults
    assert fault.startswith(f"{scanner}: ")


@pytest.mark.parametrize("scanner", ["bandit", "semgrep", "pip-audit"])
def test_a_scanner_that_has_to_run_may_not_be_skipped(reports: Path, scanner: str) -> None:
    put(reports, scanner, SKIPPED)
    assert "has to run" in judged(reports).faults[0]


NOTHING_AUDITED = {
    "bandit": {"errors": [], "metrics": {"_totals": {"loc": 0}}, "results": []},
    "bandit without a line": {**BANDIT, "metrics": {"_totals": {"loc": 0}, "a.py": {"loc": 0}}},
    "semgrep": {"errors": [], "paths": {"scanned": []}, "results": []},
    "pip-audit": {"dependencies": []},
    "safety": {"scan_results": {"projects": []}},
    "snyk": real("snyk-nothing"),
    "trivy": real("trivy-no-packages"),
    "trivy without a target": {"SchemaVersion": 2, "ArtifactName": "."},
}


@pytest.mark.parametrize("case", NOTHING_AUDITED)
def test_a_scanner_that_audited_nothing_closes_it(reports: Path, case: str) -> None:
    put(reports, case.split()[0], NOTHING_AUDITED[case])
    assert "it audited no" in judged(reports).faults[0]


def test_a_file_or_package_left_out_closes_it(reports: Path) -> None:
    put(reports, "bandit", {**BANDIT, "errors": [{"filename": "a.py", "reason": "syntax"}]})
    put(reports, "semgrep", {**SEMGREP, "errors": [{"message": "rule broken"}]})
    skipped = {"name": "ours", "skip_reason": "Dependency not found on PyPI"}
    put(reports, "pip-audit", {"dependencies": [*PIP_AUDIT["dependencies"], skipped]})
    faults = judged(reports).faults
    assert [fault.partition(":")[0] for fault in faults] == ["bandit", "semgrep", "pip-audit"]


def test_an_identity_moves_with_its_line_and_changes_with_its_code(reports: Path) -> None:
    def identity(**changed: Any) -> str:
        put(reports, "bandit", _result(BANDIT, {**copy.deepcopy(BANDIT_RESULT), **changed}))
        (one,) = judged(reports).open
        return one.identity

    first = identity()
    moved = "40 x = 1\n41         os.system('ls')\n42 \n"
    assert identity(code=moved, line_number=41, line_range=[41]) == first
    other = "11 def run():\n12     os.system('rm')\n13 \n"
    assert identity(code=other) != first
    assert first.startswith("bandit:B605:src/mltrading/app.py:")


def accept(reports: Path, until: date) -> security_gate.Verdict:
    put(reports, "pip-audit", FINDINGS["pip-audit"][0])
    return judged(reports, Accepted("pip-audit:flask:PYSEC-2026-1", "not reached by us", until))


def test_an_accepted_finding_opens_it_until_its_day_is_over(reports: Path) -> None:
    verdict = accept(reports, TODAY)
    assert verdict.faults == []
    assert ["pip-audit", "1 package", "1", "1", "clean"] in verdict.rows
    late = accept(reports, date(2026, 11, 22))
    assert late.faults == ["pip-audit:flask:PYSEC-2026-1 was accepted until 2026-11-22"]
    assert "more than a year" in accept(reports, date(2028, 1, 1)).faults[0]


def test_an_acceptance_of_nothing_is_removed_unless_its_scanner_did_not_run(reports: Path) -> None:
    gone = Accepted("bandit:B1:src/x.py:00000000", "a reason", TODAY)
    assert judged(reports, gone).faults == [
        f"{gone.identity} is accepted but not found; remove the entry"
    ]
    assert judged(reports, Accepted("snyk:flask:SNYK-1", "a reason", TODAY)).faults == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}x",
        '["x"]',
        '[{"finding": "x", "until": "2027-01-01"}]',
        '[{"finding": "x", "reason": "because", "until": "2027-01-01"}]',
        '[{"finding": "x", "reason": "a reason that is long enough", "until": "soon"}]',
    ],
)
def test_an_entry_needs_its_reason_and_its_end(
    reports: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "accepted.json"
    file.write_text(content)
    assert main(["security-gate", "--folder", str(reports), "--accepted", str(file)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_our_own_list_is_in_order() -> None:
    ours = security_gate.accepted_findings(security_gate.ACCEPTED)
    assert len({one.identity for one in ours}) == len(ours) <= 12


def test_words_of_a_report_can_not_break_the_page(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    bad = {**VULNERABILITY, "description": "<img src=x> | `x`\n# @team"}
    put(reports, "pip-audit", {"dependencies": [{"name": "f", "version": "1", "vulns": [bad]}]})
    assert main(["security-gate", "--folder", str(reports)]) == 1
    shown = page.read_text()
    assert "<img" not in shown and "\n# @team" not in shown and "@team" not in shown
    assert "&lt;img src=x&gt; \\| 'x' # " in shown


def write_program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    path.chmod(0o755)


def snyk(tmp_path: Path, body: str, **known: str) -> tuple[str, Path]:
    """The scanner snyk, played by a program of ours."""
    write_program(tmp_path, "snyk", body)
    (scanner,) = [one for one in findings.SCANNERS if one.name == "snyk"]
    report = tmp_path / "snyk.json"
    return security.scan(scanner, report, {"MLTRADING_TEST_TOOLS": str(tmp_path), **known}), report


WRITES = "open(sys.argv[-1].partition('=')[2], 'w').write(json.dumps(os.environ['SNYK_TOKEN']))"


def test_a_scanner_without_its_key_says_so_and_is_not_started(tmp_path: Path) -> None:
    outcome, report = snyk(tmp_path, "raise SystemExit('started')")
    assert outcome == "skipped, no key: SNYK_TOKEN is not set"
    assert json.loads(report.read_text()) == {"skipped": "no key: SNYK_TOKEN is not set"}


def test_a_key_goes_by_the_environment_alone(tmp_path: Path) -> None:
    outcome, report = snyk(tmp_path, f"assert 'k3y' not in sys.argv\n{WRITES}", SNYK_TOKEN="k3y")
    assert (outcome, report.read_text()) == ("ended with 0", '"k3y"')


def test_a_scanner_that_writes_nothing_leaves_its_last_words(tmp_path: Path) -> None:
    outcome, report = snyk(tmp_path, "sys.exit('no network')", SNYK_TOKEN="k")
    assert outcome == "ended with 1, no report, saying: no network"
    with pytest.raises(findings.Unreadable, match="no network"):
        findings.read([one for one in findings.SCANNERS if one.name == "snyk"][0], report.parent)


def test_a_scanner_that_can_not_be_had_fails_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = tmp_path / "pinned.json"
    nothing.write_text("{}")
    monkeypatch.setattr(scanner_programs, "PINNED", nothing)
    (scanner,) = [one for one in findings.SCANNERS if one.name == "trivy"]
    report = tmp_path / "trivy.json"
    outcome = security.scan(scanner, report, {"TRIVY_TOKEN": "k", "PATH": str(tmp_path)})
    assert outcome.startswith("trivy is not installed")
    with pytest.raises(findings.Unreadable, match="not installed"):
        findings.read(scanner, tmp_path)


def test_a_scanner_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "LONGEST_SECONDS", 0.5)
    outcome, report = snyk(tmp_path, f"{WRITES}\nimport signal\nsignal.pause()", SNYK_TOKEN="k")
    assert outcome.startswith("broken off after")
    assert "failed" in json.loads(report.read_text())


UNREACHED = (
    "ended with 1, no report, saying: x not found on PyPI and could not be audited: x (1.0)",
    "ended with 1, no report, saying: Max retries exceeded with url: /pypi/dash/json",
    "ended with 1, no report, saying: Failed to resolve 'pypi.org'",
    "broken off after 100 s",
    "ended with 1, no report, saying: 503 Server Error: Service Unavailable",
)


@pytest.mark.parametrize("why", UNREACHED)
def test_on_a_laptop_data_that_can_not_be_reached_are_told_and_are_no_fault(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    put(reports, "pip-audit", {"failed": why})
    for name in ("snyk", "trivy"):
        (reports / f"{name}.json").unlink()
    nothing = tmp_path / "accepted.json"
    nothing.write_text("[]")
    words = ["security-gate", "--folder", str(reports), "--accepted", str(nothing)]
    assert main([*words, "--at-hand"]) == 0
    shown = capsys.readouterr().out
    assert f"| pip-audit | - | - | - | skipped: it failed: {why} |" in shown
    assert "snyk" not in shown and "| bandit | 1 file | 0 | 0 | clean |" in shown
    assert main(words) == 1  # as CI asks


@pytest.mark.parametrize(
    ("scanner", "body"),
    [
        ("pip-audit", {"failed": "ended with 2, no report, saying: unrecognized arguments: -S"}),
        ("pip-audit", {"dependencies": []}),
        (
            "pip-audit",
            {"dependencies": [{"name": "flask", "version": "3", "vulns": [VULNERABILITY]}]},
        ),
        ("bandit", {"failed": "broken off after 100 s"}),
        ("semgrep", {**SEMGREP, "paths": {"scanned": []}}),
    ],
)
def test_on_a_laptop_all_else_closes_it(reports: Path, scanner: str, body: Any) -> None:
    put(reports, scanner, body)
    verdict = security_gate.judge(reports, [], TODAY, at_hand=True)
    assert len(verdict.faults) == 1, verdict.rows


def test_at_hand_runs_just_what_a_laptop_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, float | None] = {}

    def scan(scanner: findings.Scanner, report: Path, patience: float | None = None) -> str:
        asked[scanner.name] = patience
        return "ended with 0"

    monkeypatch.setattr(security, "scan", scan)
    assert main(["security", "--at-hand", "--folder", str(tmp_path)]) == 0
    assert set(asked) == {"bandit", "semgrep", "pip-audit", "safety"}
    assert set(asked.values()) == {security.SHORT_SECONDS}
