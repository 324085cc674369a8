"""The WSGI object for a process manager: `gunicorn mltrading.wsgi:server`.

Importing this opens no connection. In development without DATABASE_URL the first request starts
the embedded database; elsewhere a missing DATABASE_URL stops the import.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from mltrading.cli.exposure import refuse_open
from mltrading.cli.start import configured
from mltrading.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask


class StartsWhenAsked:
    """Stands for the Flask server until the first use, which starts the embedded database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._server: Flask | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._started().wsgi_app(environ, start_response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._started(), name)

    def _started(self) -> Flask:
        with self._lock:
            if self._server is None:
                from mltrading.cli.database import open_database

                self._database = open_database(self._settings, lambda _: None)
                self._database.upgrade(lambda _: None)
                self._server = _create(self._settings, self._database.url)
            return self._server


def _create(settings: Settings, url: str) -> Flask:
    from mltrading.app import create_app

    server: Flask = create_app(settings, url).server
    return server


def _server() -> Flask | StartsWhenAsked:
    settings = configured()
    refuse_open(settings, settings.host)
    if settings.database_url is None:
        return StartsWhenAsked(settings)
    return _create(settings, settings.database_url.get_secret_value())


server = _server()
