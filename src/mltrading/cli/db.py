"""`mltrading db upgrade`: bring the database to the schema that this program needs."""

from __future__ import annotations

import argparse
import json

from mltrading.cli.database import open_database
from mltrading.settings import load_settings
from mltrading.utils.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    one = actions.add_parser(
        "upgrade",
        help="apply the migrations that are missing; safe to repeat and to run at once",
        epilog="example: mltrading db upgrade --json",
    )
    one.add_argument("--json", action="store_true", help="report as one line of JSON")
    one.set_defaults(run=upgrade)


def upgrade(arguments: argparse.Namespace) -> int:
    from mltrading.adapters.postgres import migrate

    settings = load_settings()
    with Progress() as say:
        access = open_database(settings, say)
        try:
            applied = access.upgrade(say)
            version = migrate.version(access.url)
        finally:
            access.close()
    if arguments.json:
        print(json.dumps({"version": version, "applied": applied}))
    elif applied:
        print(f"applied {', '.join(map(str, applied))}; the schema is at version {version}")
    else:
        print(f"nothing to do: the schema is at version {version}")
    return 0
