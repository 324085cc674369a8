"""`mltrading doctor`: look at all that has to be right, and say what to do where it is not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from mltrading.cli.doctor.findings import ERROR, WARNING, Finding
from mltrading.settings.origins import Setting
from mltrading.utils.progress import Progress
from mltrading.utils.text import one_line


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from mltrading.cli.doctor.examine import examine, settings_in_force

    with Progress() as say:
        findings = list(examine(say))
    settings = settings_in_force()
    bad = sum(finding.state == ERROR for finding in findings)
    if arguments.json:
        print(json.dumps(as_json(settings, findings)))
    else:
        for line in as_lines(settings, findings):
            print(line)
    return 1 if bad else 0


def as_json(settings: Iterable[Setting], findings: Iterable[Finding]) -> dict[str, object]:
    """The whole report; no value of a secret is part of it."""
    checks = [asdict(finding) for finding in findings]
    return {
        "ok": not any(check["state"] == ERROR for check in checks),
        "settings": [asdict(setting) for setting in settings],
        "checks": checks,
    }


def as_lines(settings: list[Setting], findings: list[Finding]) -> Iterator[str]:
    """The same for people: settings, checks, and how many are not well."""
    widths = [
        max((len(getattr(one, at)) for one in settings), default=0) for at in ("name", "shown")
    ]
    for one in settings:
        yield f"{one.name:<{widths[0]}}  {one.shown:<{widths[1]}}  {one.source}".rstrip()
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        way_out = f"; {finding.way_out}" if finding.way_out else ""
        said = one_line(f"{finding.detail}{way_out}")
        yield f"{finding.state:<7}  {finding.check:<{width}}  {said}"
    states = [finding.state for finding in findings]
    yield f"{len(states)} checks: {states.count(ERROR)} errors, {states.count(WARNING)} warnings"
