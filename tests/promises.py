"""What is promised with a number says that number after the run, whoever ran the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

KEY = "promise"
Promise = Callable[[str], None]


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Promise:
    """Say what was measured of a promise; also of one that is broken."""
    return lambda text: request.node.user_properties.append((KEY, text))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Figures travel with the reports, so that they arrive from every worker of xdist."""
    said = [
        f"{'' if report.passed else 'BROKEN: '}{text}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
        for key, text in report.user_properties
        if key == KEY
    ]
    if said:
        terminalreporter.section("promises")
        for text in sorted(said):
            terminalreporter.write_line(text)
