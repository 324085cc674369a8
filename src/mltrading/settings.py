"""What differs between deployments: environment variables and `<environment>.yml`, read once.

Everything is checked before anything starts. A wrong, unknown or missing setting raises
ConfigurationError: one line that names the variable, or the file and line, and what is allowed.
Neither `repr` of the settings nor any error shows a password.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mltrading.errors import ConfigurationError
from mltrading.files import COMMIT, ROOT, compose, explained, read_revision
from mltrading.utils.text import nearest

PREFIX = "MLTRADING_"
TESTS_PREFIX = "MLTRADING_TEST_"  # what the test suite tells itself
WEB_WORKERS = 2  # processes of 4 threads: what a 2-core machine keeps busy
EnvironmentName = Literal["development", "staging", "production"]
Switch = Annotated[bool, Field(description="true or false")]
Text = Annotated[str, Field(min_length=1, description="a text")]
SSL_MODES = ("require", "verify-ca", "verify-full")
CHANNEL_VARIABLES = "slack_webhook smtp_url pagerduty_key pagerduty_api_url webhook_secret".split()


class Section(BaseModel):
    """A block of the file: no unknown key, no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Features(Section):
    """What this deployment shows. Development shows everything."""

    advanced_charts: Switch = True
    comparison_mode: Switch = True
    test_mode: Switch = True


class DatabaseSection(Section):
    """`host` and `name` fill what DATABASE_URL leaves out; `connection_pool` counts connections
    of all web workers together."""

    host: Text | None = None
    name: Text | None = None
    ssl_required: Switch = False
    connection_pool: Annotated[
        int, Field(ge=2, le=500, description="a whole number from 2 to 500")
    ] = 16


class Monitoring(Section):
    enabled: Switch = True
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="one of debug, info, warning, error"),
    ] = "warning"
    alerts: Switch = False


class Security(Section):
    csrf_protection: Switch = False
    rate_limiting: Switch = False


class EnvironmentFile(Section):
    """The whole of staging.yml or production.yml."""

    environment: Annotated[
        EnvironmentName, Field(description="one of development, staging, production")
    ]
    debug_mode: Switch = False
    database: DatabaseSection = DatabaseSection()
    features: Features = Features()
    monitoring: Monitoring = Monitoring()
    security: Security = Security()


class Variables(BaseSettings):
    """The environment variables that are read; an empty one counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    environment: Annotated[
        EnvironmentName, Field(description="one of development, staging, production")
    ] = "development"
    database_url: SecretStr | None = None
    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="a whole number from 1 to 65535")] = 8050
    dash_debug: Annotated[bool | None, Field(description="true or false")] = None
    mltrading_home: Path | None = None
    mltrading_config: Path | None = None
    mltrading_postgres_bin: Path | None = None
    mltrading_commit: Annotated[
        str | None,
        Field(pattern=f"^{COMMIT}$", description="the hash of a commit (7 to 64 of 0-9a-f)"),
    ] = None
    heroku_app_name: Text | None = None
    heroku_release_version: Text | None = None
    slack_webhook: SecretStr | None = None
    smtp_url: SecretStr | None = None
    pagerduty_key: SecretStr | None = None
    pagerduty_api_url: SecretStr | None = None
    webhook_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured, checked. `database_url` None: the embedded server's;
    `config` is what MLTRADING_CONFIG names; `commit`, `app` and `release` None: nobody told what
    runs; `channels` are the variables that adapters.channels reads, those which are set."""

    environment: EnvironmentName
    database_url: SecretStr | None
    connection_pool: int
    host: str
    port: int
    debug: bool
    home: Path
    postgres_bin: Path | None
    config: Path | None
    commit: str | None
    app: str | None
    release: str | None
    channels: dict[str, SecretStr]
    features: Features
    monitoring: Monitoring
    security: Security


def load_settings() -> Settings:
    """Read the process's environment variables and the file that they name."""
    _refuse_unknown_variables()
    try:
        variables = Variables()
    except ValidationError as error:
        raise ConfigurationError(_explain_variable(dict(error.errors()[0]))) from None
    file = _load_file(variables)
    debug = file.debug_mode if variables.dash_debug is None else variables.dash_debug
    if debug and variables.environment == "production":
        raise ConfigurationError("DASH_DEBUG must be off in production: it shows source code")
    return Settings(
        environment=variables.environment,
        database_url=_database_url(variables, file.database),
        connection_pool=file.database.connection_pool,
        host=variables.host,
        port=variables.port,
        debug=debug,
        home=variables.mltrading_home or _default_home(),
        postgres_bin=variables.mltrading_postgres_bin,
        config=variables.mltrading_config,
        commit=variables.mltrading_commit or read_revision(),
        app=variables.heroku_app_name,
        release=variables.heroku_release_version,
        channels=_channels(variables),
        features=file.features,
        monitoring=file.monitoring,
        security=file.security,
    )


def _channels(variables: Variables) -> dict[str, SecretStr]:
    given = {name.upper(): getattr(variables, name) for name in CHANNEL_VARIABLES}
    return {name: value for name, value in given.items() if value is not None}


def _refuse_unknown_variables() -> None:
    known = [name.upper() for name in Variables.model_fields]
    for name in sorted(os.environ):
        ours = name.startswith(PREFIX) and not name.startswith(TESTS_PREFIX)
        if ours and name not in known:
            raise ConfigurationError(
                f"unknown setting {name} in the environment; {_suggest(name, known, PREFIX)}"
            )


def _suggest(name: str, known: list[str], prefix: str = "") -> str:
    found = nearest(name, known)
    allowed = ", ".join(sorted(item for item in known if item.startswith(prefix)))
    return f"nearest known: '{found}' (known: {allowed})" if found else f"known: {allowed}"


def _explain_variable(error: dict[str, Any]) -> str:
    field = str(error["loc"][0])
    allowed = Variables.model_fields[field].description or "another value"
    return f"{field.upper()} must be {allowed}{_found(error['input'])}"


def _found(value: object) -> str:
    """What was found instead, unless it might hold a password."""
    text = repr(value)
    safe = isinstance(value, bool | int | float | str) and len(text) <= 40 and "@" not in text
    return f", not {text}" if safe else ""


def _default_home() -> Path:
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        raise ConfigurationError(
            "there is no home folder for the data; set MLTRADING_HOME"
        ) from None
    return Path(base) / "mltrading"


def _load_file(variables: Variables) -> EnvironmentFile:
    name = variables.environment
    path = variables.mltrading_config or ROOT
    if path.is_dir():
        path /= f"{name}.yml"
    if name == "development" and variables.mltrading_config is None and not path.exists():
        return EnvironmentFile(environment=name)
    file = parse_environment_file(path)
    if file.environment != name:
        raise ConfigurationError(
            f"{path} is for environment '{file.environment}', but ENVIRONMENT is '{name}'"
        )
    return file


def parse_environment_file(path: Path) -> EnvironmentFile:
    """Read one file strictly; ConfigurationError names the line of what is wrong."""
    lines: dict[tuple[str, ...], int] = {(): 1}
    with explained(path):
        values = _plain(compose(path), (), lines, path)
    try:
        return EnvironmentFile.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain_key(dict(error.errors()[0]), lines, path)) from None


def _plain(
    node: object, at: tuple[str, ...], lines: dict[tuple[str, ...], int], path: Path
) -> object:
    """The values of a YAML node; fills `lines` and refuses a key given twice."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return yaml.SafeLoader("").construct_object(node, deep=True) if node else None
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in values:
            raise ConfigurationError(
                f"{path} line {line}: '{key}' is given twice (first on line {lines[*at, key]})"
            )
        lines[*at, key] = line
        values[key] = _plain(value_node, (*at, key), lines, path)
    return values


def _explain_key(error: dict[str, Any], lines: dict[tuple[str, ...], int], path: Path) -> str:
    at = tuple(map(str, error["loc"]))
    known = max((place for place in lines if at[: len(place)] == place), key=len)
    where = f"{path} line {lines[known]}"
    section = _section(at[:-1])
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{'.'.join(at)}'; {_suggest(at[-1], list(section))}"
    if error["type"] == "missing":
        return f"{where}: '{'.'.join(at)}' is missing"
    description = section[at[-1]] if at and at[-1] in section else "a block of settings"
    return f"{where}: {'.'.join(at) or 'the file'} must be {description}{_found(error['input'])}"


def _section(at: tuple[str, ...]) -> dict[str, str]:
    """Each key that is allowed in the block at that place, with what its value may be."""
    model: type[BaseModel] = EnvironmentFile
    for key in at:
        annotation = model.model_fields[key].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        model = annotation
    return {
        name: field.description or "a block of settings"
        for name, field in model.model_fields.items()
    }


def _database_url(variables: Variables, database: DatabaseSection) -> SecretStr | None:
    if variables.database_url is None:
        if variables.environment != "development":
            raise ConfigurationError(
                f"DATABASE_URL is not set; {variables.environment} needs a PostgreSQL server"
            )
        return None
    return SecretStr(complete_url(variables.database_url.get_secret_value(), database))


def complete_url(url: str, database: DatabaseSection) -> str:
    """The URL as libpq takes it, with the file's host, name and encryption filled in."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - parsed on access, and refused here when it is no number
    except ValueError:
        raise ConfigurationError("DATABASE_URL is not a valid URL") from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise ConfigurationError("DATABASE_URL must start with postgresql:// or postgres://")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if database.host and not parts.hostname and "host" not in query:
        query["host"] = database.host
    if database.ssl_required and query.setdefault("sslmode", "require") not in SSL_MODES:
        raise ConfigurationError(
            f"DATABASE_URL says sslmode={query['sslmode']}, but database.ssl_required is true;"
            f" use one of {', '.join(SSL_MODES)}"
        )
    name = parts.path if parts.path.strip("/") else f"/{quote(database.name or '')}"
    path = "" if name == "/" and not parts.path else name
    options = f"?{urlencode(query, safe='/,', quote_via=quote)}" if query else ""
    return f"postgresql://{parts.netloc}{path}{options}"
