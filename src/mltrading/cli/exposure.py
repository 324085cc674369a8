"""Where nobody signs in everybody may do everything, so nobody else's machine may ask."""

from __future__ import annotations

from mltrading.errors import ConfigurationError
from mltrading.settings import Settings
from mltrading.utils.hosts import is_loopback


def refuse_open(settings: Settings, host: str) -> None:
    """ConfigurationError where nobody signs in and `host`, the address to listen on, can be reached
    from other machines."""
    if settings.sign_in or is_loopback(host):
        return
    raise ConfigurationError(
        f"nobody signs in, and {host} is open to other machines: set MLTRADING_AUTH=on and"
        " SECRET_KEY, or listen on 127.0.0.1"
    )
