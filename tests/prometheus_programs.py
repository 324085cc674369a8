"""The real promtool and amtool for tests; missing ones fail in CI and skip on a laptop."""

from __future__ import annotations

import subprocess

from tests.browser_fixtures import refuse_or_skip
from tools.prometheus import missing, program


def run(name: str, *words: str, stdin: str | None = None) -> tuple[int, str]:
    """Exit code and all that the program said."""
    reason = missing(name)
    if reason:
        refuse_or_skip(reason)
    done = subprocess.run(
        [program(name), *words],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout
