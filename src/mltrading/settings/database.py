"""The address of the database, as libpq takes it."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import SecretStr

from mltrading.errors import ConfigurationError
from mltrading.settings.file import DatabaseSection
from mltrading.settings.variables import Variables

SSL_MODES = ("require", "verify-ca", "verify-full")


def database_url(variables: Variables, database: DatabaseSection) -> SecretStr | None:
    if variables.database_url is None:
        if variables.environment != "development":
            raise ConfigurationError(
                f"DATABASE_URL is not set; {variables.environment} needs a PostgreSQL server:"
                " an address such as postgresql://user@host:5432/database, with its password"
            )
        return None
    return SecretStr(complete_url(variables.database_url.get_secret_value(), database))


def owner_url(variables: Variables, database: DatabaseSection) -> SecretStr | None:
    owner = variables.database_owner_url
    if owner is None:
        return None
    if variables.database_url is None:
        raise ConfigurationError(
            "DATABASE_OWNER_URL needs DATABASE_URL, the application's own role"
        )
    url = complete_url(owner.get_secret_value(), database, "DATABASE_OWNER_URL")
    return SecretStr(url)


def complete_url(url: str, database: DatabaseSection, name: str = "DATABASE_URL") -> str:
    """The URL as libpq takes it, with the file's host, name and encryption filled in. `name` is the
    variable that said it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - parsed on access, and refused here when it is no number
    except ValueError:
        raise ConfigurationError(f"{name} is not a valid URL") from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise ConfigurationError(f"{name} must start with postgresql:// or postgres://")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if database.host and not parts.hostname and "host" not in query:
        query["host"] = database.host
    if database.ssl_required and query.setdefault("sslmode", "require") not in SSL_MODES:
        raise ConfigurationError(
            f"{name} says sslmode={query['sslmode']}, but database.ssl_required is true;"
            f" use one of {', '.join(SSL_MODES)}"
        )
    named = parts.path if parts.path.strip("/") else f"/{quote(database.name or '')}"
    path = "" if named == "/" and not parts.path else named
    options = f"?{urlencode(query, safe='/,', quote_via=quote)}" if query else ""
    return f"postgresql://{parts.netloc}{path}{options}"
