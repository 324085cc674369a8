"""The 25 injections, what is expected of each, and the table of figures after a run.

A test is of the injection whose number is in its name (`test_fault_07_...`) and says its figure by
the fixture `figure` (others: promises.py). Also under xdist: figures travel with the reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

FAULTS: dict[int, tuple[str, str]] = {
    1: ("database away at the start", "boots; live 200, /health 500; migrates when it comes"),
    2: ("backend terminated in a query", "a read runs once more; a write is 503"),
    3: ("kill -9 of a backend", "healthy within 5 s"),
    4: ("database restarted under load", "no error later than 5 s after it"),
    5: ("database 5 s slow, frozen, or hung", "/health <= 2 s; queries end at their deadline"),
    6: ("database read-only", "reads work, banner, writes 503"),
    7: ("pool exhausted", "waits <= 0.5 s, then 503 with Retry-After"),
    8: ("disk of the database full", "stays up; warned below 10 % free; restarted by itself"),
    9: ("clock 2 h ahead and behind", "nobody signed out, no early alert"),
    10: ("kill -9 of the worker", "no alert lost; duplicates <= in flight"),
    11: ("SIGTERM in a request of 4 s", "it is answered; exit 0 within 30 s"),
    12: ("Slack 500, 429, hangs", "tried again, later each time; e-mail and PagerDuty undelayed"),
    13: ("PagerDuty 429, 503, then 400", "tried again; after 400 dead letter and audit"),
    14: ("SMTP down or refusing", "kept for 24 h, visible"),
    15: ("alerting.yml wrong", "start refused with its line; a running worker keeps the last"),
    16: ("DATABASE_URL wrong or missing", "one line, exit code, no password"),
    17: ("four migrations at once", "one applies"),
    18: ("bad rows", "stored once, bad ones in quarantine"),
    19: ("source answers nonsense", "the last good data stays, marked stale"),
    20: ("huge requests and files", "413 or 400; memory + <= 50 MiB"),
    21: ("hostile symbols", "text, or 400; = neutralised in files"),
    22: ("old and forged cookies", "401; the role is the database's"),
    23: ("callbacks of strangers", "401, 403 or 400, audited, never 5xx"),
    24: ("flood of sign-ins", "429 by address and by account"),
    25: ("request smuggling", "4xx, 501 or closed: never two answers"),
}
_NAME = re.compile(r"test_fault_(\d\d)_")
KEY = "fault figure"
Figure = Callable[[str], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Say what was measured; it stands in the table if the test passes."""
    return lambda text: request.node.user_properties.append((KEY, text))


def number_of(nodeid: str) -> int | None:
    """The injection that a test is of."""
    found = _NAME.search(nodeid)
    return int(found[1]) if found else None


def table(reports: Iterable[Any]) -> list[str]:
    """One line for each injection that was tried, and how many of all passed."""
    figures: dict[int, list[str]] = {}
    outcomes: dict[int, set[str]] = {}
    for report in reports:
        number = number_of(report.nodeid)
        if number is None or (report.when != "call" and report.outcome == "passed"):
            continue
        said = [text for key, text in report.user_properties if key == KEY]
        outcomes.setdefault(number, set()).add(report.outcome)
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            said = [f"skipped: {report.longrepr[2].removeprefix('Skipped: ')}"]
        figures.setdefault(number, []).extend(said)
    if not outcomes:
        return []
    lines = []
    for number in sorted(outcomes):
        fault, expected = FAULTS[number]
        worst = "" if outcomes[number] == {"passed"} else "NOT SHOWN: "
        lines.append(f"{number:2} {fault}: {expected}: {worst}{'; '.join(figures[number])}")
    passed = sum(found == {"passed"} for found in outcomes.values())
    return [*lines, f"{passed} of {len(FAULTS)}"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table, where any was tried."""
    kinds = ("passed", "failed", "skipped", "error")
    reports = [one for kind in kinds for one in terminalreporter.stats.get(kind, [])]
    if lines := table(reports):
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
