"""Reports that Safety, Snyk and Trivy really wrote (reports/) are read as they are meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from delivery.findings import SCANNERS, Report, Unreadable, read

REPORTS = Path(__file__).with_name("reports")
SCANNER = {scanner.name: scanner for scanner in SCANNERS}


def report(folder: Path, scanner: str, name: str | None = None) -> Report:
    shutil.copyfile(REPORTS / f"{name or scanner}.json", folder / f"{scanner}.json")
    return read(SCANNER[scanner], folder)


def altered(folder: Path, scanner: str, change: Any) -> Report:
    body = json.loads((REPORTS / f"{scanner}.json").read_text())
    change(body)
    (folder / f"{scanner}.json").write_text(json.dumps(body))
    return read(SCANNER[scanner], folder)


@pytest.mark.parametrize(
    "scanner, audited, identities, detail",
    [
        (
            "safety",
            1,
            ["safety:django:51340", "safety:django:25714"],
            "vulnerable is <3.2.16",
        ),
        (
            "snyk",
            2,
            ["snyk:nltk:SNYK-PYTHON-NLTK-460224"],
            "severity medium, repaired in 3.4.5",
        ),
        (
            "trivy",
            3,
            ["trivy:Werkzeug:CVE-2019-14806", "trivy:Werkzeug:CVE-2020-28724"],
            "severity high, repaired in 0.15.3",
        ),
    ],
)
def test_a_report_is_read_whole(
    tmp_path: Path, scanner: str, audited: int, identities: list[str], detail: str
) -> None:
    found = report(tmp_path, scanner)
    assert (found.audited, found.of) == (audited, "package")
    assert [one.identity for one in found.findings] == identities
    assert found.findings[0].detail == detail


def test_a_path_more_to_a_package_is_no_finding_more(tmp_path: Path) -> None:
    def twice(body: Any) -> None:
        first = body["vulnerabilities"][0]
        body["vulnerabilities"].append({**first, "from": ["app@0.0.0", "other@1", "nltk@3.3"]})

    assert len(altered(tmp_path, "snyk", twice).findings) == 1


def test_an_organisation_s_rule_about_a_licence_is_no_fault_of_a_package(tmp_path: Path) -> None:
    def licences(body: Any) -> None:
        body["vulnerabilities"] = body["vulnerabilities"][1:]
        assert {one["type"] for one in body["vulnerabilities"]} == {"license"}

    assert altered(tmp_path, "snyk", licences).findings == ()


def test_what_was_ignored_in_safety_is_no_finding_and_a_file_of_no_project_is_read(
    tmp_path: Path,
) -> None:
    def loose(body: Any) -> None:
        project = body["scan_results"]["projects"].pop()
        body["scan_results"]["files"] = project["files"]
        package = project["files"][0]["results"]["dependencies"][0]
        known = package["specifications"][0]["vulnerabilities"]["known_vulnerabilities"]
        known[0]["ignored"] = {"code": "manual", "reason": "not reached", "expires": None}

    found = altered(tmp_path, "safety", loose)
    assert [one.identity for one in found.findings] == ["safety:django:25714"]


@pytest.mark.parametrize(
    "scanner, name, said",
    [
        ("snyk", "snyk-error", "it broke off: Missing node_modules folder: we can't test without"),
        ("snyk", "snyk-nothing", "it audited no package"),
        ("trivy", "trivy-no-packages", "it audited no package"),
        ("trivy", "snyk", "another shape"),
        ("snyk", "trivy", "another shape"),
        ("safety", "snyk", "another shape"),
    ],
)
def test_a_report_that_proves_nothing_is_refused(
    tmp_path: Path, scanner: str, name: str, said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        report(tmp_path, scanner, name)


def test_another_schema_of_trivy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="schema 3, not 2"):
        altered(tmp_path, "trivy", lambda body: body.update(SchemaVersion=3))


@pytest.mark.parametrize("nothing", [[], None])
def test_a_clean_report_of_trivy_is_clean_however_it_says_so(tmp_path: Path, nothing: Any) -> None:
    found = altered(
        tmp_path, "trivy", lambda body: body["Results"][0].update(Vulnerabilities=nothing)
    )
    assert (found.audited, found.findings) == (3, ())
