"""`mltrading release`: migrate the database, then record what runs now. Staging gets its test data
with its first release; accounts that a backup brought back are erased again."""

from __future__ import annotations

import argparse
import json

from mltrading.cli.database import migrated
from mltrading.cli.privacy import erase_again
from mltrading.cli.sample import load_if_empty
from mltrading.settings import load_settings
from mltrading.utils.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release",
        metavar="NAME",
        help="the platform's name of the release (default: HEROKU_RELEASE_VERSION)",
    )
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from mltrading import __version__
    from mltrading.adapters.postgres.operations import PostgresDeployments
    from mltrading.adapters.postgres.pool import Database

    settings = load_settings()
    commit, named = settings.commit or "", arguments.release or settings.release
    # Two apps may share a database (production and its twin), and count their releases alike.
    release = " ".join(filter(None, (settings.app, named))) if named else ""
    with Progress() as say, migrated(settings, say) as access:
        erase_again(settings, access)
        database = Database(access.url)
        try:
            new = PostgresDeployments(database).record(
                settings.environment, __version__, commit, release
            )
        finally:
            database.close()
        if settings.environment == "staging" and settings.features.test_mode:
            load_if_empty(access.url, say)
    shown = {
        "environment": settings.environment,
        "version": __version__,
        "commit": commit or None,
        "release": release or None,
    }
    if arguments.json:
        print(json.dumps({**shown, "recorded": new}))
    else:
        words = " ".join(filter(None, shown.values()))
        print(f"{'recorded' if new else 'was recorded already'}: {words}")
    return 0
