"""What differs between deployments: environment variables and `<environment>.yml`, read once.

Everything is checked before anything starts. A wrong, unknown or missing setting raises
ConfigurationError: one line that names the variable, or the file and line, and what is allowed.
Neither `repr` of the settings nor any error shows a password.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from mltrading.errors import ConfigurationError
from mltrading.files import ROOT, read_revision
from mltrading.settings.database import complete_url, database_url, owner_url
from mltrading.settings.file import (
    DatabaseSection,
    EnvironmentFile,
    EnvironmentName,
    Features,
    Monitoring,
    Security,
    parse_environment_file,
)
from mltrading.settings.saying import found, suggest
from mltrading.settings.signing import Limits, Oidc, limits, oidc, proxy, sign_in
from mltrading.settings.variables import Variables

__all__ = [
    "DatabaseSection",
    "Settings",
    "Variables",
    "complete_url",
    "load_settings",
    "parse_environment_file",
]

PREFIX = "MLTRADING_"
TESTS_PREFIX = "MLTRADING_TEST_"  # what the test suite tells itself
WEB_WORKERS = 2  # processes of 4 threads: what a 2-core machine keeps busy
CHANNEL_VARIABLES = "slack_webhook smtp_url pagerduty_key pagerduty_api_url webhook_secret".split()


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days sessions that are over, the addresses in the audit trail, and the trail
    itself are kept; 0: for ever."""

    sessions_days: int
    origins_days: int
    audit_days: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured, checked. `database_url` None: the embedded server's;
    `owner_url` None: migrations run as the application's own role; `sign_in`: whether users have
    to, and `secret_key` is set then; `proxy`: whether the headers of a proxy are believed;
    `config` is what MLTRADING_CONFIG names; `commit`, `app` and `release` None: nobody told what
    runs; `channels` are the variables that adapters.channels reads, those which are set."""

    environment: EnvironmentName
    database_url: SecretStr | None
    owner_url: SecretStr | None
    redis_url: SecretStr | None
    secret_key: SecretStr | None
    sign_in: bool
    proxy: bool
    limits: Limits
    oidc: Oidc | None
    retention: Retention
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
        database_url=database_url(variables, file.database),
        owner_url=owner_url(variables, file.database),
        redis_url=variables.redis_url,
        secret_key=variables.secret_key,
        sign_in=sign_in(variables),
        proxy=proxy(variables),
        limits=limits(variables),
        oidc=oidc(variables),
        retention=Retention(
            variables.mltrading_keep_sessions_days,
            variables.mltrading_keep_origins_days,
            variables.mltrading_keep_audit_days,
        ),
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
                f"unknown setting {name} in the environment; {suggest(name, known, PREFIX)}"
            )


def _explain_variable(error: dict[str, Any]) -> str:
    field = str(error["loc"][0])
    allowed = Variables.model_fields[field].description or "another value"
    return f"{field.upper()} must be {allowed}{found(error['input'])}"


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
