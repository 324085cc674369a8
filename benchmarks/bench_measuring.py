"""What it costs to measure a request: the same app with and without what measures it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from unittest.mock import patch

from benchmarks.callbacks import Caller
from benchmarks.report import Row, row
from mltrading.app import create_app
from mltrading.settings import Settings

ROUNDS = 300
WARM = 20
MICROSECONDS = 1_000_000
CHART = {"path": "/charts", "search": "?symbol=10k&range=1W"}
HELP = {"path": "/help", "search": ""}  # the smallest that a page asks for: no database behind it


def measure(url: str, settings: Settings) -> list[Row]:
    """Both in turn, so that each ratio is of the same moments."""
    measured = create_app(settings, url)
    with patch("mltrading.observing.measuring.install"):
        plain = create_app(settings, url)
    rows = []
    for name, output, address in (
        ("chart, measured", "chart-answer.data", CHART),
        ("smallest callback, measured", "page.children", HELP),
    ):
        ours, other = (
            _asking(Caller(app, output), {**address, "n": 1}) for app in (measured, plain)
        )
        with_it, without = _medians(ours, other)
        bound = "<= 1.05" if output == "chart-answer.data" else ""
        rows.append(row(f"{name}, us", with_it, without, "the same not measured", bound))
    return rows


def _asking(caller: Caller, address: dict[str, object]) -> Callable[[], float]:
    return lambda: caller(address=address).seconds * MICROSECONDS


def _medians(*asked: Callable[[], float]) -> list[float]:
    spent: list[list[float]] = [[] for _ in asked]
    for number in range(WARM + ROUNDS):
        # The first of a pair finds other caches than the second.
        for n in range(len(asked)) if number % 2 else reversed(range(len(asked))):
            seconds = asked[n]()
            if number >= WARM:
                spent[n].append(seconds)
    return [statistics.median(one) for one in spent]
