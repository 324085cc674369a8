"""Rows of the CI matrix as JSON: `python -m delivery matrix`.

A pull request and a push to develop get the fewest rows that hold every pair of values; main every
combination; the night (or a run by hand) also the Python that is only previewed.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, product

PYTHONS = ("3.11", "3.12", "3.13")
# Every locked requirement has a wheel for it, but no run of ours has proved it: a failure is shown
# and stops nothing.
PREVIEWED = ("3.14",)
POSTGRES = ("12", "13", "14", "15", "16", "17", "18")
BROWSERS = ("chromium", "firefox")
MAIN = "refs/heads/main"


@dataclass(frozen=True, slots=True)
class Row:
    """One job of the matrix; a `preview` may fail."""

    python: str
    postgres: str
    browser: str
    preview: bool = False


def rows(event: str, ref: str) -> list[Row]:
    """The rows of a workflow run of that event (`push`, `pull_request` ...) on that ref."""
    if event in ("schedule", "workflow_dispatch"):
        previewed = product(PREVIEWED, POSTGRES, BROWSERS)
        return [*_combinations(), *(Row(*values, preview=True) for values in previewed)]
    if event == "push" and ref == MAIN:
        return _combinations()
    pairwise = every_pair([PYTHONS, POSTGRES, BROWSERS])
    return [Row(python, postgres, browser) for python, postgres, browser in pairwise]


def _combinations() -> list[Row]:
    return [Row(*values) for values in product(PYTHONS, POSTGRES, BROWSERS)]


def every_pair(parameters: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Few rows in which each two values of two parameters meet, always the same ones.

    Greedy: the next row is the one with most pairs that have not met yet. With three parameters of
    which the third has two values that is the least there can be: the product of the longest two.
    """
    candidates = list(product(*parameters))
    missing = {pair for row in candidates for pair in _pairs(row)}
    chosen = []
    while missing:
        best = max(candidates, key=lambda row: len(missing & _pairs(row)))
        chosen.append(best)
        missing -= _pairs(best)
    return chosen


def _pairs(row: tuple[str, ...]) -> set[tuple[tuple[int, str], ...]]:
    return set(combinations(enumerate(row), 2))


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m delivery matrix --event push --ref refs/heads/main"
    parser.add_argument(
        "--event",
        default=os.environ.get("GITHUB_EVENT_NAME", "pull_request"),
        help="of the workflow (default GITHUB_EVENT_NAME, else pull_request)",
    )
    parser.add_argument(
        "--ref", default=os.environ.get("GITHUB_REF", ""), help="default GITHUB_REF"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print(json.dumps([asdict(row) for row in rows(arguments.event, arguments.ref)]))
    return 0
