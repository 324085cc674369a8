"""`mltrading privacy`: what is kept about a person is shown, erased, or let go in time. Who can
reach the database may do this."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mltrading.cli.database import Access, migrated
from mltrading.cli.start import configured
from mltrading.domain.access import CONSOLE
from mltrading.settings import Settings
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.privacy import Privacy
    from mltrading.services.retention import Retained


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    export = actions.add_parser(
        "export",
        help="print all that is kept about a user, as JSON",
        epilog="example: mltrading privacy export ann@example.com > ann.json",
    )
    erase = actions.add_parser(
        "erase",
        help="remove an account and all that leads to the person; there is no way back",
        epilog="example: mltrading privacy erase ann@example.com",
    )
    retain = actions.add_parser(
        "retain",
        help="let go what was kept for long enough (MLTRADING_KEEP_...), and erase again what a"
        " backup brought back",
        epilog="example: mltrading privacy retain --dry-run",
    )
    for one, run in ((export, run_export), (erase, run_erase), (retain, run_retain)):
        one.add_argument("--json", action="store_true", help="report as one line of JSON")
        one.set_defaults(run=run)
    for one in (export, erase):
        one.add_argument("email", metavar="EMAIL")
    retain.add_argument("--dry-run", action="store_true", help="count only, and change nothing")
    retain.add_argument(
        "--erased",
        metavar="NAME",
        type=subject,
        nargs="+",
        default=[],
        help="accounts that were erased since the backup was made, as the daily digest names them",
    )


def subject(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text, re.ASCII):
        raise argparse.ArgumentTypeError("must be a name as the daily digest and the trail use it")
    return text


def run_export(arguments: argparse.Namespace) -> int:
    from mltrading.services.ports.audit import Origin

    with Progress() as say, opened_privacy(configured(), say) as privacy:
        user_id = privacy.find(CONSOLE, arguments.email)
        found = privacy.export_of(CONSOLE, user_id, Origin())
    print(json.dumps(found, ensure_ascii=False, indent=None if arguments.json else 2))
    return 0


def run_erase(arguments: argparse.Namespace) -> int:
    from mltrading.services.ports.audit import Origin

    with Progress() as say, opened_privacy(configured(), say) as privacy:
        user_id = privacy.find(CONSOLE, arguments.email)
        privacy.erase(CONSOLE, user_id, Origin())
    if arguments.json:
        print(json.dumps({"erased": user_id}))
    else:
        print(f"erased; the audit trail goes on to name {user_id}, which leads to nobody")
    return 0


def run_retain(arguments: argparse.Namespace) -> int:
    with Progress() as say, opened_privacy(configured(), say) as privacy:
        outcome = privacy.retain(CONSOLE, arguments.dry_run, arguments.erased, say)
    if arguments.json:
        print(json.dumps(report(outcome, arguments.dry_run)))
        return 0
    verb = "would be let go" if arguments.dry_run else "let go"
    for kind, count in outcome.gone.items():
        print(f"{kind}: {count:,} {verb}")
    for kind, reason in outcome.skipped.items():
        print(f"{kind}: skipped, {reason}")
    return 0


def report(outcome: Retained, dry_run: bool) -> dict[str, object]:
    return {"dry_run": dry_run, "rows": outcome.gone, "skipped": outcome.skipped}


def erase_again(settings: Settings, access: Access) -> None:
    """Accounts that were erased, and that a backup brought back, go again."""
    with privacy_of(settings, access) as privacy:
        for user_id, reason in privacy.erase_again(CONSOLE).skipped.items():
            print(f"mltrading: warning: {user_id} skipped: {reason}", file=sys.stderr)


@contextmanager
def opened_privacy(settings: Settings, say: Progress) -> Iterator[Privacy]:
    """The service over the database that the settings name."""
    with migrated(settings, say) as access, privacy_of(settings, access) as privacy:
        yield privacy


@contextmanager
def privacy_of(settings: Settings, access: Access) -> Iterator[Privacy]:
    """The service over a database that is open."""
    from mltrading.adapters.postgres.audit import PostgresAudit
    from mltrading.adapters.postgres.pool import Database
    from mltrading.adapters.postgres.privacy import PostgresPrivacy
    from mltrading.services.privacy import Privacy
    from mltrading.services.retention import Retainer

    database = Database(access.url, 1)
    owner = Database(access.owner_url, 1)
    try:
        store = PostgresPrivacy(database, owner)
        retainer = Retainer(store, settings.retention)
        yield Privacy(store, PostgresAudit(database), None, retainer)
    finally:
        database.close()
        owner.close()
