"""What every test shares. A missing browser or database fails in CI and skips on a laptop."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.database_fixtures",
    "tests.browser_fixtures",
    "tests.live_fixtures",
    "tests.redis_fixtures",
    "tests.fault_table",
    "tests.promises",
]

# How long an example takes tells of the machine and of who else is on it, not of our code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is counted where it tells something: a property runs the same lines hundreds of
    times, and counting takes as long as running; a browser visits another process."""
    for item in items:
        is_property = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
        if is_property or "browser_page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.no_cover)
