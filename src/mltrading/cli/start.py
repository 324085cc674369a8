"""What every process of ours does first: read the settings, and set up the log by them."""

from __future__ import annotations

from mltrading.settings import Settings, load_settings
from mltrading.settings.file import Monitoring
from mltrading.utils import logs

QUIET = "error"


def configured() -> Settings:
    """The settings, with the log set up as they say; gunicorn's workers inherit both."""
    settings = load_settings()
    set_up_log(settings)
    return settings


def set_up_log(settings: Settings) -> None:
    """Have this process log so; asked for again it replaces what was."""
    logs.set_up(
        level_of(settings.monitoring),
        plain=settings.environment == "development",
        secrets=settings.secrets(),
    )


def level_of(monitoring: Monitoring) -> str:
    """The name of the level from which on something is logged: nothing but errors where monitoring
    is off."""
    return monitoring.level if monitoring.enabled else QUIET
