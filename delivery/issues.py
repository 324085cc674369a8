"""`python -m delivery issues`: one issue for each open security finding, closed when it is gone.

An issue is ours by three signs together: the label, the marker with the finding's identity in its
body, and that our own account wrote it; whatever people wrote is left alone. What is there already
is not written again, a finding that comes back opens its old issue again. A scanner that proves
nothing closes nothing. Run it for one branch alone (main), or branches would take turns.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError
from delivery.findings import FOLDER, SCANNERS, Finding, Unreadable, read
from delivery.forge import Forge, need
from delivery.security_gate import ACCEPTED, accepted_findings

LABEL = "security-finding"
AUTHOR = "github-actions[bot]"
MARKER = re.compile(r"<!-- finding: (\S+) -->")
MOST_OPENED = 20
LONGEST_TITLE = 200


@dataclass(slots=True)
class Outcome:
    opened: list[str] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    left_for_next: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = (
            f"{len(self.opened)} opened, {len(self.reopened)} opened again,"
            f" {len(self.updated)} updated, {len(self.closed)} closed"
        )
        more = f"; {len(self.left_for_next)} more are left for the next run"
        return counts + (more if self.left_for_next else "")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    parser.add_argument("--author", default=AUTHOR, help="whose issues are ours: %(default)s")
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="default: %(default)s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    today = datetime.now(timezone.utc).date()
    accepted = {one.identity for one in accepted_findings(arguments.accepted) if one.until >= today}
    found, proved, failed = findings(arguments.folder)
    open_ones = [one for one in found if one.identity not in accepted]
    outcome = keep(Forge.from_environment(), open_ones, proved, arguments.author)
    print(f"issues of security findings: {outcome}")
    if failed:
        raise DeliveryError(f"issues are kept for the other scanners; {'; '.join(failed)}")
    return 0


def findings(folder: Path) -> tuple[list[Finding], set[str], list[str]]:
    """What was found, by which scanners that proved something, and why the others did not."""
    found: list[Finding] = []
    proved: set[str] = set()
    failed: list[str] = []
    for scanner in SCANNERS:
        try:
            report = read(scanner, folder)
        except Unreadable as error:
            failed.append(f"{scanner.name}: {error}")
            continue
        if report.skipped is None:
            proved.add(scanner.name)
            found += report.findings
    return found, proved, failed


def keep(forge: Forge, found: Iterable[Finding], proved: set[str], author: str = AUTHOR) -> Outcome:
    """Make the issues agree with the findings of the scanners in `proved`."""
    outcome = Outcome()
    wanted = {one.identity: one for one in found}
    ours = _ours(forge, author)
    for identity, finding in sorted(wanted.items()):
        if identity in ours:
            _refresh(forge, ours[identity], finding, outcome)
        elif len(outcome.opened) < MOST_OPENED:
            # Sent again after a silence it might be there twice: the next run tells.
            forge.client.post(forge.path("issues"), {**_content(finding), "labels": [LABEL]})
            outcome.opened.append(identity)
        else:
            outcome.left_for_next.append(identity)
    for identity, issue in sorted(ours.items()):
        gone = identity not in wanted and identity.partition(":")[0] in proved
        if gone and issue["state"] == "open":
            _change(forge, issue, {"state": "closed", "state_reason": "completed"})
            outcome.closed.append(identity)
    return outcome


def _ours(forge: Forge, author: str) -> dict[str, dict[str, Any]]:
    """Our issues by identity, the oldest of each."""
    listed = forge.pages("issues", state="all", labels=LABEL, sort="created", direction="desc")
    ours = {}
    for issue in listed:
        user = issue.get("user")
        marker = MARKER.search(issue.get("body") or "")
        mine = isinstance(user, dict) and user.get("login") == author
        if marker and mine and "pull_request" not in issue:
            need(issue, "number", int)
            need(issue, "state", str)
            ours[marker.group(1)] = issue
    return ours


def _refresh(forge: Forge, issue: dict[str, Any], finding: Finding, outcome: Outcome) -> None:
    content = _content(finding)
    changed = {name: text for name, text in content.items() if issue.get(name) != text}
    if issue["state"] == "closed":
        _change(forge, issue, {**changed, "state": "open", "state_reason": "reopened"})
        outcome.reopened.append(finding.identity)
    elif changed:
        _change(forge, issue, changed)
        outcome.updated.append(finding.identity)


def _change(forge: Forge, issue: dict[str, Any], changes: dict[str, Any]) -> None:
    forge.client.patch(forge.path("issues", issue["number"]), changes, repeat=True)


def _content(finding: Finding) -> dict[str, Any]:
    body = [
        f"{finding.scanner} found at `{_plain(finding.place)}`:",
        "",
        f"> {_plain(finding.title)}",
        ">",
        f"> {_plain(finding.detail)}",
        "",
        "This issue closes by itself when the finding is gone. To accept it, add its identity"
        f" `{finding.identity}` with a reason and an end to `delivery/{ACCEPTED.name}`.",
        "",
        f"<!-- finding: {finding.identity} -->",
    ]
    return {"title": _plain(finding.title)[:LONGEST_TITLE], "body": "\n".join(body)}


def _plain(text: str) -> str:
    """Words of others: one line, no mention, no link to another issue, no marker."""
    flat = " ".join(text.split()).replace("<!--", "").replace("`", "'")
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", flat)
