"""What every process of ours does first: read the settings, and set up the log by them."""

from __future__ import annotations

from mltrading.settings import Settings, load_settings
from mltrading.utils import logs


def configured() -> Settings:
    """The settings, with the log set up as they say; gunicorn's workers inherit both."""
    settings = load_settings()
    logs.set_up(
        settings.monitoring.level,
        plain=settings.environment == "development",
        secrets=settings.secrets(),
    )
    return settings
