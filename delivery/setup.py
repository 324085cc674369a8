"""`python -m delivery setup heroku`: what a new account needs, made by one command.

Run again it changes nothing that is as it should be; `--check` changes nothing at all. The sizes of
processes and preboot need code to be there: run it once more after the first deployment.
"""

from __future__ import annotations

import argparse
import os

from delivery.errors import DeliveryError
from delivery.heroku_api import connect
from delivery.heroku_setup import Setup
from delivery.platforms import heroku_apps
from delivery.waiting import Clock


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: HEROKU_API_KEY=... python -m delivery setup heroku"
    parser.add_argument("platform", choices=["heroku"])
    parser.add_argument(
        "--check", action="store_true", help="only say what is missing; exit code 1 if anything is"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    clock = Clock()
    setup = Setup(
        connect(os.environ, clock), heroku_apps(os.environ), os.environ, arguments.check, clock
    )
    setup.run()
    if arguments.check and setup.missing:
        raise DeliveryError(
            f"missing: {'; '.join(setup.missing)}; without --check it is made (add-ons cost money)"
        )
    return 0
