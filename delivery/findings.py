"""What the security scanners reported: each report read strictly, each finding with an identity.

An identity stays the same while the code (or the package) does, wherever its line moves to:
`bandit:B104:src/mltrading/cli/serve.py:0f3a9c21`, `pip-audit:flask:PYSEC-2026-17`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "security"
TRIVY_SCHEMA = 2


AT_HAND = ("bandit", "semgrep", "pip-audit", "safety")
"""What `make check` runs too."""
NEED_DATA = ("pip-audit", "safety")
"""Those of them that ask a service of others for what is known of packages."""
UNREACHED = re.compile(
    r"could not be audited|connect|resolve|unreachable|timed out|timeout|max retries|proxy"
    r"|broken off|\b(?:403|429|5\d\d)\b",
    re.IGNORECASE,
)


class Unreadable(Exception):
    """A report that proves nothing, and why."""


def unreached(scanner: str, why: Unreadable) -> bool:
    """Whether it only lacks the data of others, which a laptop may not reach."""
    return scanner in NEED_DATA and UNREACHED.search(str(why)) is not None


@dataclass(frozen=True, slots=True)
class Finding:
    identity: str
    scanner: str
    title: str
    place: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """`audited` counts what was looked at, `of` says what that is; `skipped` is the reason why
    the scanner did not run."""

    scanner: str
    audited: int = 0
    of: str = ""
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Scanner:
    """`keys`: any of these variables allows it to run; none: it always has to."""

    name: str
    read: Callable[[Any], tuple[int, str, list[Finding]]]
    keys: tuple[str, ...] = ()


def read(scanner: Scanner, folder: Path = FOLDER) -> Report:
    """Unreadable: missing, empty, of another shape, broken off, or nothing was audited."""
    path = folder / f"{scanner.name}.json"
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unreadable("there is no report: it did not run") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"its report can not be read: {error}") from None
    if not content.strip():
        raise Unreadable("its report is empty: it was broken off")
    try:
        body = json.loads(content)
        if isinstance(body, dict) and isinstance(body.get("skipped"), str):
            if not scanner.keys:
                raise Unreadable(f"it was skipped ({body['skipped']}), and has to run")
            return Report(scanner.name, skipped=body["skipped"])
        if isinstance(body, dict) and isinstance(body.get("failed"), str):
            raise Unreadable(f"it failed: {body['failed']}")
        audited, of, found = scanner.read(body)
    except (ValueError, RecursionError):
        raise Unreadable("its report is no JSON: it was broken off") from None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise Unreadable(f"its report has another shape than known ({error!r})") from None
    if audited < 1:
        raise Unreadable(f"it audited no {of}, so it proves nothing")
    return Report(scanner.name, audited, of, tuple(found))


def _bandit(body: Any) -> tuple[int, str, list[Finding]]:
    if body["errors"]:
        first = body["errors"][0]
        raise Unreadable(f"it could not read {first['filename']}: {first['reason']}")
    files = [name for name, counts in body["metrics"].items() if name != "_totals" and counts]
    found = []
    for one in body["results"]:
        numbered = (line.partition(" ") for line in one["code"].splitlines())
        lines = [text for number, _, text in numbered if int(number) in one["line_range"]]
        path = _relative(one["filename"])
        found.append(
            Finding(
                f"bandit:{one['test_id']}:{path}:{_digest(lines)}",
                "bandit",
                f"{one['test_id']} {one['issue_text']}",
                f"{path}:{one['line_number']}",
                f"severity {one['issue_severity'].lower()},"
                f" confidence {one['issue_confidence'].lower()}",
            )
        )
    lines_read = body["metrics"]["_totals"]["loc"]
    return (len(files) if lines_read else 0), "file", found


def _semgrep(body: Any) -> tuple[int, str, list[Finding]]:
    for error in body["errors"]:
        raise Unreadable(
            f"it broke off: {' '.join(str(error.get('message', error)).split())[:200]}"
        )
    found = []
    for one in body["results"]:
        rule, path = one["check_id"].rpartition(".")[2], _relative(one["path"])
        first, last = one["start"]["line"], one["end"]["line"]
        found.append(
            Finding(
                f"semgrep:{rule}:{path}:{_digest(_lines(path, first, last))}",
                "semgrep",
                f"{rule}: {' '.join(one['extra']['message'].split())}",
                f"{path}:{first}",
                f"severity {one['extra']['severity'].lower()}",
            )
        )
    return len(body["paths"]["scanned"]), "file", found


def _pip_audit(body: Any) -> tuple[int, str, list[Finding]]:
    found = []
    for package in body["dependencies"]:
        if "skip_reason" in package:
            raise Unreadable(f"it skipped {package['name']}: {package['skip_reason']}")
        for one in package["vulns"]:
            repaired = ", ".join(one["fix_versions"]) or "no version yet"
            found.append(
                Finding(
                    f"pip-audit:{package['name']}:{one['id']}",
                    "pip-audit",
                    f"{one['id']} in {package['name']} {package['version']}",
                    f"{package['name']} {package['version']}",
                    f"repaired in {repaired}. {' '.join(str(one.get('description', '')).split())}",
                )
            )
    return len(body["dependencies"]), "package", found


def _safety(body: Any) -> tuple[int, str, list[Finding]]:
    scanned = body["scan_results"]
    files = [file for project in scanned["projects"] for file in project["files"]]
    files += scanned.get("files", [])  # those that belong to no project
    packages = [package for file in files for package in file["results"]["dependencies"]]
    found = {}
    for package in packages:
        for given in package["specifications"]:
            for one in given["vulnerabilities"]["known_vulnerabilities"]:
                if not one.get("ignored"):
                    name, number = package["name"], str(one["id"])
                    found[name, number] = Finding(
                        f"safety:{name}:{number}",
                        "safety",
                        f"Safety {number} in {name}",
                        given["raw"],
                        f"vulnerable is {one.get('vulnerable_spec') or 'every version'}",
                    )
    return len(packages), "package", list(found.values())


def _snyk(body: Any) -> tuple[int, str, list[Finding]]:
    """A path to a package is an entry of its own, so one finding comes several times."""
    if "error" in body:
        raise Unreadable(f"it broke off: {' '.join(str(body['error']).split())[:200]}")
    found = {
        (one["packageName"], one["id"]): Finding(
            f"snyk:{one['packageName']}:{one['id']}",
            "snyk",
            f"{one['id']} in {one['packageName']}: {one['title']}",
            f"{one['packageName']} {one['version']}",
            f"severity {one['severity']}, repaired in"
            f" {', '.join(one.get('fixedIn') or ()) or 'no version yet'}",
        )
        for one in body["vulnerabilities"]
        if one.get("type") != "license"  # the organisation's rules about licences are no faults
    }
    return int(body["dependencyCount"]), "package", list(found.values())


def _trivy(body: Any) -> tuple[int, str, list[Finding]]:
    """Lists it has nothing for are left out by some versions, and null in others."""
    if body["SchemaVersion"] != TRIVY_SCHEMA:
        raise Unreadable(f"its report has schema {body['SchemaVersion']}, not {TRIVY_SCHEMA}")
    targets = body.get("Results") or []
    found = {}
    for target in targets:
        for one in target.get("Vulnerabilities") or []:
            found[one["PkgName"], one["VulnerabilityID"]] = Finding(
                f"trivy:{one['PkgName']}:{one['VulnerabilityID']}",
                "trivy",
                f"{one['VulnerabilityID']} in {one['PkgName']}",
                f"{target['Target']}: {one['PkgName']} {one['InstalledVersion']}",
                f"severity {one['Severity'].lower()}, repaired in"
                f" {one.get('FixedVersion') or 'no version yet'}",
            )
    audited = sum(len(target.get("Packages") or []) for target in targets)
    return audited, "package", list(found.values())


SCANNERS = (
    Scanner("bandit", _bandit),
    Scanner("semgrep", _semgrep),
    Scanner("pip-audit", _pip_audit),
    Scanner("safety", _safety, ("SECURITY_TOKEN", "SAFETY_API_KEY")),
    Scanner("snyk", _snyk, ("SNYK_TOKEN",)),
    Scanner("trivy", _trivy, ("TRIVY_TOKEN",)),
)


def _relative(path: str) -> str:
    whole = (ROOT / path).resolve()
    return whole.relative_to(ROOT).as_posix() if whole.is_relative_to(ROOT) else path


def _lines(path: str, first: int, last: int) -> list[str]:
    try:
        return (ROOT / path).read_text(encoding="utf-8").splitlines()[first - 1 : last]
    except (OSError, UnicodeDecodeError):
        return []


def _digest(lines: list[str]) -> str:
    text = re.sub(r"\s+", "", "".join(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
