"""`python -m delivery VERB`: what each step of the workflows runs, the same on a laptop.

An error is one line on stderr: exit code 1, or 2 where the command line itself is wrong. Each verb
is one module with `configure(parser)`, which sets `run(arguments) -> exit code`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from delivery.errors import DeliveryError

VERBS: dict[str, str] = {
    "setup": "make what a new account needs: apps, pipeline, databases, settings",
    "matrix": "print the rows of the CI matrix",
    "package": "build the wheel, the bundles and the bill of materials of a commit",
    "publish": "push the image of a commit to the registry that Kubernetes pulls from",
    "build": "put a commit on staging",
    "promote": "take what staging runs to production by way of green, with a way back",
    "rollback": "go back to the release that worked before",
    "security": "run the security scanners, each with a report",
    "security-gate": "fail on a finding, or a scanner that proves nothing",
    "issues": "keep one issue for each security finding",
    "metrics": "measure the pipeline, or estimate its time",
    "settings": "show, check or apply the settings of the repository, its branches, environments",
    "gate": "refuse a deployment that nobody else approved or whose commit is not green",
    "url": "print the address of staging, green or production",
    "smoke": "check that a deployed release works",
    "notify": "tell people over the channels that alerting.yml names",
}
INTERRUPTED = 130


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the named verb's module is imported."""
    parser = argparse.ArgumentParser(
        prog="python -m delivery",
        description="Build, gate, promote, check, roll back and measure releases of MLTrading.",
        epilog="example: python -m delivery rollback production",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, text in VERBS.items():
        one = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name in words:
            import_module(f"delivery.{name.replace('-', '_')}").configure(one)
    return parser


def main(words: Sequence[str]) -> int:
    arguments = build_parser(words).parse_args(words)
    try:
        code: int = arguments.run(arguments)
        return code
    except DeliveryError as error:
        print(f"delivery: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
