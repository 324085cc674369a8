"""`python -m delivery security-gate`: fail on a finding, and on a scanner that proves nothing.

A report that is missing, empty, broken off or of nothing audited fails like a finding. Findings
that were looked at and accepted are in accepted-findings.json, each with its identity, the reason
and the day until which it holds; an entry that is over, or accepts nothing any more, fails as well.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.findings import (
    AT_HAND,
    FOLDER,
    SCANNERS,
    Finding,
    Report,
    Scanner,
    Unreadable,
    read,
    unreached,
)
from delivery.forge import Summary, cell, table

ACCEPTED = Path(__file__).with_name("accepted-findings.json")
LONGEST_DAYS = 370


@dataclass(frozen=True, slots=True)
class Accepted:
    identity: str
    reason: str
    until: date


@dataclass(slots=True)
class Verdict:
    """`faults` are the lines for which the gate is closed."""

    rows: list[list[str]] = field(default_factory=list)
    open: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    parser.add_argument(
        "--at-hand",
        action="store_true",
        help=f"just {', '.join(AT_HAND)}; one that can not reach its data is told as skipped",
    )
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    today = datetime.now(timezone.utc).date()
    accepted = accepted_findings(arguments.accepted)
    verdict = judge(arguments.folder, accepted, today, at_hand=arguments.at_hand)
    summary = Summary(["### Security", ""])
    summary.lines += table(["scanner", "audited", "findings", "accepted", "outcome"], verdict.rows)
    if verdict.open:
        rows = [
            [cell(one.title), cell(one.place), cell(one.detail[:300]), f"`{cell(one.identity)}`"]
            for one in verdict.open
        ]
        summary.lines += ["", *table(["finding", "where", "detail", "identity"], rows)]
    summary.lines += ["", *(f"- {cell(fault)}" for fault in verdict.faults)]
    summary.write()
    if verdict.faults:
        more = f" (and {len(verdict.faults) - 1} more)" if len(verdict.faults) > 1 else ""
        raise DeliveryError(f"the security gate is closed: {verdict.faults[0]}{more}")
    return 0


def accepted_findings(path: Path) -> list[Accepted]:
    """The list of what was accepted; an entry without a reason or an end is an error."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        accepted = [
            Accepted(entry["finding"], entry["reason"].strip(), date.fromisoformat(entry["until"]))
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeliveryError(
            f"{path.name}: each entry is an object of finding, reason and until (YYYY-MM-DD);"
            f" {error!r}"
        ) from None
    for one in accepted:
        if len(one.reason) < 20:
            raise DeliveryError(f"{path.name}: {one.identity} needs a reason, as a sentence")
    return accepted


def judge(folder: Path, accepted: list[Accepted], today: date, *, at_hand: bool = False) -> Verdict:
    """`at_hand`: of those alone that `make check` runs, where somebody else's service may be out
    of reach; CI does without."""
    verdict = Verdict()
    used: set[str] = set()
    ran: set[str] = set()
    for scanner in SCANNERS:
        if at_hand and scanner.name not in AT_HAND:
            continue
        try:
            report = read(scanner, folder)
        except Unreadable as error:
            if at_hand and unreached(scanner.name, error):
                said = f"skipped: {cell(str(error))}"
                verdict.rows.append([scanner.name, "-", "-", "-", said])
                continue
            verdict.faults.append(f"{scanner.name}: {error}")
            verdict.rows.append([scanner.name, "-", "-", "-", f"**failed**: {cell(str(error))}"])
            continue
        if report.skipped is None:
            ran.add(scanner.name)
        used |= _count(verdict, scanner, report, accepted, today)
    for one in accepted:
        if (one.until - today).days > LONGEST_DAYS:
            verdict.faults.append(f"{one.identity} is accepted for more than a year")
        if one.identity.partition(":")[0] in ran and one.identity not in used:
            verdict.faults.append(f"{one.identity} is accepted but not found; remove the entry")
    return verdict


def _count(
    verdict: Verdict, scanner: Scanner, report: Report, accepted: list[Accepted], today: date
) -> set[str]:
    """Add a report's row and its findings; the identities that were found and are listed."""
    if report.skipped is not None:
        verdict.rows.append([scanner.name, "-", "-", "-", f"skipped: {cell(report.skipped)}"])
        return set()
    until = {one.identity: one.until for one in accepted}
    over = [one for one in report.findings if until.get(one.identity, today) < today]
    unknown = [one for one in report.findings if one.identity not in until]
    for one in over:
        verdict.faults.append(f"{one.identity} was accepted until {until[one.identity]}")
    for one in unknown:
        verdict.faults.append(f"{one.title} ({one.place})")
    verdict.open += [*over, *unknown]
    left = len(over) + len(unknown)
    outcome = f"**{left} open**" if left else "clean"
    audited = f"{report.audited} {report.of}{'s' if report.audited != 1 else ''}"
    counts = [str(len(report.findings)), str(len(report.findings) - left)]
    verdict.rows.append([scanner.name, audited, *counts, outcome])
    return {one.identity for one in report.findings} & until.keys()
