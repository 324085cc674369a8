"""`mltrading audit verify`: read the whole audit trail, and say whether somebody changed it.

What is left out at the end can not be seen in the trail itself, so the newest head of each check is
remembered in the data folder, and compared with at the next; so is the one that is given, from the
daily digest say.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.cli.database import migrated_url
from mltrading.cli.start import configured
from mltrading.errors import ConfigurationError
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.ports.audit import TrailHead
    from mltrading.services.trail import AuditVerdict

REMEMBERED = "audit-heads.json"
GIVEN = "--head"


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    one = actions.add_parser(
        "verify",
        help="read the whole trail and name the first row that somebody changed or removed",
        epilog="example: mltrading audit verify --head 1204:9f86d0...",
    )
    one.add_argument(
        "--head",
        type=head,
        metavar="SEQ:HASH",
        help="a head that was kept elsewhere, as the daily digest tells it",
    )
    one.add_argument("--json", action="store_true", help="report as one line of JSON")
    one.set_defaults(run=verify)


def head(text: str) -> TrailHead:
    from mltrading.services.ports.audit import TrailHead

    found = re.fullmatch(r"([1-9]\d{0,18}):([0-9a-f]{64})", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(
            "must be a number, a colon and 64 characters of 0-9a-f, as the daily digest tells them"
        )
    return TrailHead(int(found[1]), found[2])


def verify(arguments: argparse.Namespace) -> int:
    from mltrading.adapters.postgres.audit import PostgresAudit
    from mltrading.adapters.postgres.connection import place
    from mltrading.adapters.postgres.pool import Database
    from mltrading.services.audit import Audit

    settings = configured()
    file = settings.home / REMEMBERED
    with Progress() as say, migrated_url(settings, say) as url:
        kept = remembered(file)
        heads = {GIVEN: arguments.head, str(file): kept.get(place(url))}
        known = {keeper: one for keeper, one in heads.items() if one is not None}
        database = Database(url)
        try:
            say("Reading the audit trail")
            verdict = Audit(PostgresAudit(database)).verify(known)
        finally:
            database.close()
        if verdict.broken is None and verdict.head.seq:
            remember(file, {**kept, place(url): verdict.head})
    if arguments.json:
        print(json.dumps(report(verdict, known)))
    if verdict.broken is not None:
        text = verdict.broken.text
        if str(file) in text:
            text += "; where the database was set back on purpose, remove that file"
        print(f"mltrading: the audit trail is broken: {text}", file=sys.stderr)
        return 1
    if not arguments.json:
        print(in_words(verdict, known))
    return 0


def report(verdict: AuditVerdict, known: dict[str, TrailHead]) -> dict[str, object]:
    broken = verdict.broken
    return {
        "whole": broken is None,
        "events": verdict.events,
        "head": str(verdict.head),
        "broken": broken and {"row": broken.seq, "fault": broken.fault, "text": broken.text},
        "compared": {
            keeper: {"head": str(one), "result": verdict.compared.get(keeper, "not reached")}
            for keeper, one in known.items()
        },
    }


def in_words(verdict: AuditVerdict, known: dict[str, TrailHead]) -> str:
    count = f"{verdict.events:,} event{'' if verdict.events == 1 else 's'}"
    lines = [f"the audit trail is whole: {count}, head {verdict.head}"]
    for keeper, one in known.items():
        same = verdict.compared[keeper] == "same"
        told = "is in it" if same else "is of the oldest part, which was given up"
        lines.append(f"  compared with the head of {keeper}: row {one.seq} {told}")
    if not known:
        lines.append(
            "  compared with no head that was kept elsewhere: whether rows are missing at the end"
            " is not known"
        )
    return "\n".join(lines)


def remembered(file: Path) -> dict[str, TrailHead]:
    """The newest head of earlier checks, by the database's place."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {place: head(text) for place, text in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError, argparse.ArgumentTypeError):
        raise ConfigurationError(
            f"{file} does not hold the heads of earlier checks: look who changed it, remove it, and"
            f" check with {GIVEN}"
        ) from None


def remember(file: Path, heads: dict[str, TrailHead]) -> None:
    """Keep the heads in a file of this user alone; a crash leaves the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({place: str(one) for place, one in heads.items()}, stream, indent=1)
    fresh.replace(file)
