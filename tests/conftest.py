"""What every test shares. A missing browser or database fails in CI and skips on a laptop."""

from __future__ import annotations

pytest_plugins = [
    "tests.database_fixtures",
    "tests.browser_fixtures",
    "tests.live_fixtures",
    "tests.redis_fixtures",
    "tests.fault_table",
    "tests.promises",
]
