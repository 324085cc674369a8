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
from mltrading.settings.observing import Observing, observing
from mltrading.settings.saying import LONGEST_SHOWN, found, suggest
from mltrading.settings.signing import Limits, Oidc, limits, oidc, proxy, sign_in
from mltrading.settings.variables import Variables
from mltrading.utils.text import one_line

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
WEB_WORKERS = 2  # processes: what a 2-core machine keeps busy
WEB_THREADS = 8  # of each
DATABASE_SLOTS = 5
"""So many threads of a process use the database at once: however slow it is, the others answer what
needs none (/health, static files, who is turned away)."""
CHANNEL_VARIABLES = "slack_webhook smtp_url pagerduty_key pagerduty_api_url webhook_secret".split()


@dataclass(frozen=True, slots=True)
class Protection:
    """Which protections are in force."""

    csrf_protection: bool
    rate_limiting: bool


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
    runs; `channels` are the variables that adapters.channels reads, those which are set; `url` is
    where this deployment is reached, and `watchdog_url` who notices that its alerts stand still."""

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
    url: str | None
    watchdog_url: SecretStr | None
    observing: Observing
    features: Features
    monitoring: Monitoring
    security: Protection

    def secrets(self) -> list[str]:
        """Everything that no log may show."""
        known = [self.database_url, self.owner_url, self.redis_url, self.secret_key]
        known += [self.observing.metrics_token, self.observing.otlp_headers]
        known += [self.oidc.client_secret] if self.oidc else []
        known += [self.watchdog_url]
        known += self.channels.values()
        return [value.get_secret_value() for value in known if value is not None]


def load_settings() -> Settings:
    """Read the process's environment variables and the file that they name."""
    variables = read_variables()
    file = _load_file(variables)
    debug = file.debug_mode if variables.dash_debug is None else variables.dash_debug
    if debug and variables.environment == "production":
        raise ConfigurationError("DASH_DEBUG must be off in production: it shows source code")
    url, signs_in = database_url(variables, file.database), sign_in(variables)
    return Settings(
        environment=variables.environment,
        database_url=url,
        owner_url=owner_url(variables, file.database),
        redis_url=variables.redis_url,
        secret_key=variables.secret_key,
        sign_in=signs_in,
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
        url=variables.mltrading_url.rstrip("/") if variables.mltrading_url else None,
        watchdog_url=variables.watchdog_url,
        observing=observing(variables),
        features=file.features,
        monitoring=file.monitoring,
        security=_protection(file.security, signs_in),
    )


def read_variables() -> Variables:
    """The process's environment variables, checked one by one."""
    _refuse_unknown_variables()
    try:
        return Variables()
    except ValidationError as error:
        raise ConfigurationError(_explain_variable(dict(error.errors()[0]))) from None


def _protection(said: Security, signs_in: bool) -> Protection:
    """What the file leaves open is on wherever users sign in."""
    return Protection(
        signs_in if said.csrf_protection is None else said.csrf_protection,
        signs_in if said.rate_limiting is None else said.rate_limiting,
    )


def _channels(variables: Variables) -> dict[str, SecretStr]:
    given = {name.upper(): getattr(variables, name) for name in CHANNEL_VARIABLES}
    return {name: value for name, value in given.items() if value is not None}


def _refuse_unknown_variables() -> None:
    known = [name.upper() for name in Variables.model_fields]
    for name in sorted(os.environ):
        upper = name.upper()
        ours = upper.startswith(PREFIX) and not upper.startswith(TESTS_PREFIX)
        if ours and upper not in known:
            shown = one_line(name) if len(name) <= LONGEST_SHOWN else "(a long name)"
            raise ConfigurationError(
                f"unknown setting {shown} in the environment; {suggest(upper, known, PREFIX)}"
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


def file_path(variables: Variables) -> Path | None:
    """Where `<environment>.yml` is; None in development, where there need not be one."""
    path = variables.mltrading_config or ROOT
    if path.is_dir():
        path /= f"{variables.environment}.yml"
    needed = variables.environment != "development" or variables.mltrading_config is not None
    return path if needed or path.exists() else None


def _load_file(variables: Variables) -> EnvironmentFile:
    name, path = variables.environment, file_path(variables)
    if path is None:
        return EnvironmentFile(environment=name)
    file = parse_environment_file(path)
    if file.environment != name:
        raise ConfigurationError(
            f"{path} is for environment '{file.environment}', but ENVIRONMENT is '{name}'"
        )
    return file
