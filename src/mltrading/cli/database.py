"""The database that a command works on: DATABASE_URL's, or the embedded server's in development."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mltrading.settings import Settings

if TYPE_CHECKING:
    from mltrading.adapters.postgres.embedded import EmbeddedServer

Say = Callable[[str], None]


def start_embedded(settings: Settings, say: Say) -> tuple[EmbeddedServer, str]:
    """The running server of the data folder and its URL; close it to give it back."""
    from mltrading.adapters.postgres.embedded import EmbeddedServer

    server = EmbeddedServer(settings.home, settings.postgres_bin)
    return server, server.start(say)


@contextmanager
def migrated_url(settings: Settings, say: Say) -> Iterator[str]:
    """The URL of a reachable database with the schema that this program needs."""
    from mltrading.adapters.postgres import migrate

    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        say("Connecting to the database")
        migrate.upgrade(url, say)
        yield url
        return
    server, url = start_embedded(settings, say)
    with server:
        migrate.upgrade(url, say)
        yield url
