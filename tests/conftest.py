"""What every test shares. A missing browser or database fails in CI and skips on a laptop."""

from __future__ import annotations

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
