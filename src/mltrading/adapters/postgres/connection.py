"""How every connection to PostgreSQL is made, and how its failures are told.

No session state is set at connect: behind pgbouncer in transaction mode `options` is refused and
one client's SET is seen by the next. Nothing here ever shows a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import parse_dsn

from mltrading.errors import ConfigurationError, DatabaseUnavailable

Connect = Callable[[], Connection]

# The server or the way to it went away; a new connection may work.
GONE = (psycopg2.OperationalError, psycopg2.InterfaceError)

DEFAULTS: dict[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "mltrading",
}

# Stricter than libpq: with a bare @ or / in a password, or no host, it would take a part of the
# password for a host or a port, and print that.
_URL = re.compile(
    r"""postgres(?:ql)?(?:\+psycopg2)?://
        (?:[^:/?#@\s]*(?::[^/?#@\s]*)?@)?   # user:password@
        (?:(?:\[[\w:.%]+\]|[^:/?#@\s,\[\]]*)(?::\d+)?(?:,|(?=[/?]|$)))*   # hosts and ports
        (?:/[^/?#@\s]*)?                    # database
        (?:\?[^#\s]*)?$                     # parameters""",
    re.VERBOSE,
)


def parameters(url: str) -> dict[str, Any]:
    """The libpq parameters of a `postgresql://` or `postgres://` URL, with our defaults."""
    if not _URL.match(url):
        raise ConfigurationError(
            "DATABASE_URL is not of the form postgresql://user:password@host:5432/database; a"
            " special character inside a part is written as % and its hex code, @ as %40"
        )
    try:
        parts = parse_dsn(url.replace("+psycopg2", "", 1))
    except psycopg2.ProgrammingError:
        # Its message quotes the part it could not read, which may be the password.
        raise ConfigurationError(
            "DATABASE_URL has a parameter that PostgreSQL does not know, or a wrong % code"
        ) from None
    return {**DEFAULTS, **parts}


def place(url: str) -> str:
    """Which database a URL names, in words without user or password."""
    parts = parameters(url)
    host = parts.get("host", "the local socket")
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{host}{port}/{parts.get('dbname', '')}".rstrip("/")


def connect(url: str) -> Connection:
    """A new connection; DatabaseUnavailable with host and reason where there is none."""
    known = parameters(url)
    try:
        connection: Connection = psycopg2.connect(**known)
        return connection
    except psycopg2.OperationalError as error:
        raise unavailable(url, error) from None


def unavailable(url: str, error: Exception) -> DatabaseUnavailable:
    """What to tell of a lost or refused connection."""
    return DatabaseUnavailable(
        f"no answer from the database at {place(url)}: {reason(error)}; check that it runs"
        " and that DATABASE_URL is right"
    )


def reason(error: Exception) -> str:
    """The first telling line of an error of psycopg2."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = re.sub(r"^.*?failed: ", "", text)
    return re.sub(r"^FATAL:\s*", "", text)
