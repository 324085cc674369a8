"""What the program logs: at monitoring.level, and nothing but errors where monitoring is off."""

from __future__ import annotations

import logging

from mltrading.settings.file import Monitoring

QUIET = "error"


def level_of(monitoring: Monitoring) -> str:
    """The name of the level from which on something is logged."""
    return monitoring.level if monitoring.enabled else QUIET


def log_to_stderr(monitoring: Monitoring) -> None:
    """Have this process log so; asked for again it changes the level."""
    log = logging.getLogger("mltrading")
    log.setLevel(level_of(monitoring).upper())
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
