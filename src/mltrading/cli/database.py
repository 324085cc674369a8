"""The database that a command works on: DATABASE_URL's, or the embedded server's in development."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mltrading.settings import Settings

if TYPE_CHECKING:
    from mltrading.adapters.postgres.embedded import EmbeddedServer

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Access:
    """One database and two roles, which may be the same: `url` is the application's, `owner_url`
    of the role that owns the tables, migrates them, and gives up the oldest of the audit trail.
    `server` is the share in the embedded server; None where another one is used."""

    url: str
    owner_url: str
    server: EmbeddedServer | None = None

    def upgrade(self, say: Say) -> list[int]:
        """Bring the schema and the rights of the application's role up to date; the versions that
        were applied."""
        from mltrading.adapters.postgres import grants, migrate

        applied = migrate.upgrade(self.owner_url, say)
        if self.server is not None:
            grants.admit(self.owner_url, grants.APPLICATION)
        elif self.owner_url != self.url:
            grants.share(self.owner_url, self.url)
        return applied

    def close(self) -> None:
        if self.server is not None:
            self.server.close()


def open_database(settings: Settings, say: Say) -> Access:
    """The database as it is; close it to give a share in the embedded server back."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        owner = settings.owner_url
        say("Connecting to the database")
        return Access(url, owner.get_secret_value() if owner else url)
    from mltrading.adapters.postgres import grants
    from mltrading.adapters.postgres.embedded import EmbeddedServer

    server = EmbeddedServer(settings.home, settings.postgres_bin)
    owner_url = server.start(say)
    return Access(grants.with_role(owner_url, grants.APPLICATION), owner_url, server)


@contextmanager
def migrated(settings: Settings, say: Say) -> Iterator[Access]:
    """A reachable database with the schema that this program needs."""
    access = open_database(settings, say)
    try:
        access.upgrade(say)
        yield access
    finally:
        access.close()


@contextmanager
def migrated_url(settings: Settings, say: Say) -> Iterator[str]:
    """The same, for those that need the application's role alone."""
    with migrated(settings, say) as access:
        yield access.url
