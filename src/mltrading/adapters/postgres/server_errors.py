"""The one line that a server which does not start deserves, from what it wrote."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from mltrading.errors import ConfigurationError, DatabaseUnavailable, MLTradingError


def last_line(text: str) -> str:
    """The line that says why: not the refusals that our own attempts to connect caused."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if "the database system is" not in line]
    marked = [line for line in lines if re.search(r"(FATAL|PANIC|error):", line)]
    found = (marked or lines or ["it said nothing"])[-1]
    return re.sub(r"^.*?(?:FATAL|PANIC|error):\s*", "", found)


def explain_output(text: str, folder: Path) -> MLTradingError:
    """The one line that a failed initdb or server start deserves."""
    if "No space left on device" in text:
        return _disk_full(folder)
    return DatabaseUnavailable(
        f"the embedded PostgreSQL did not start: {last_line(text)} (log: {folder}/server.log)"
    )


def explain_refusal(error: OSError, folder: Path) -> MLTradingError:
    if error.errno == errno.ENOSPC:
        return _disk_full(folder)
    return ConfigurationError(
        f"can not use the database folder {folder}: {error.strerror or error}; set MLTRADING_HOME"
        " to a folder of your own, or DATABASE_URL to a server"
    )


def _disk_full(folder: Path) -> DatabaseUnavailable:
    free = shutil.disk_usage(folder).free // 1_000_000
    return DatabaseUnavailable(
        f"no space left on the disk of {folder} ({free} MB free): make room for at least 200"
        " MB and start again"
    )
