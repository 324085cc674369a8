"""What differs between deployments: environment variables and `<environment>.yml`, read once.

Everything is checked before anything starts. Wrong, unknown and missing settings raise one
WrongSettings: a line that names each variable, or the file and line, and what is allowed.
Neither `repr` of the settings nor any error shows a password.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError

from mltrading.errors import ConfigurationError
from mltrading.files import ROOT, read_revision
from mltrading.settings.database import complete_url, database_url, owner_url
from mltrading.settings.faults import Faults
from mltrading.settings.file import (
    DatabaseSection,
    EnvironmentFile,
    EnvironmentName,
    Features,
    Monitoring,
    Security,
    parse_environment_file,
    read_environment_file,
)
from mltrading.settings.observing import Observing, metrics_token, otlp_endpoint
from mltrading.settings.saying import LONGEST_SHOWN, found, suggest
from mltrading.settings.signing import Limits, Oidc, limits, oidc, proxy, secret_key, sign_in
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
File = tuple[EnvironmentFile, dict[str, str]]
"""What `<environment>.yml` says, and where it says each of its keys."""
CHANNEL_VARIABLES = "slack_webhook smtp_url pagerduty_key pagerduty_api_url webhook_secret".split()


@dataclass(frozen=True, slots=True)
class Protection:
    """Which protections are in force."""

    csrf_protection: bool
    rate_limiting: bool


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days sessions that are over, the addresses in the audit trail, the trail itself,
    and what alerts told traders are kept; 0: for ever."""

    sessions_days: int
    origins_days: int
    audit_days: int
    notices_days: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured, checked. `database_url` None: the embedded server's;
    `owner_url` None: migrations run as the application's own role; `sign_in`: whether users have
    to, and `secret_key` is set then; `proxy`: whether the headers of a proxy are believed;
    `config` is what MLTRADING_CONFIG names; `commit`, `app` and `release` None: nobody told what
    runs; `channels` are the variables that adapters.channels reads, those which are set; `url` is
    where this deployment is reached, and `watchdog_url` who notices that its alerts stand still.
    `sources`: by the name of each key that the file gives its name and line, by that of each
    variable that is set its name; what is not in it is a default."""

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
    sources: Mapping[str, str]

    def secrets(self) -> list[str]:
        """Everything that no log may show."""
        known = [self.database_url, self.owner_url, self.redis_url, self.secret_key]
        known += [self.observing.metrics_token, self.observing.otlp_headers]
        known += [self.oidc.client_secret] if self.oidc else []
        known += [self.watchdog_url]
        known += self.channels.values()
        return [value.get_secret_value() for value in known if value is not None]


def load_settings() -> Settings:
    """Read the process's environment variables and the file that they name. WrongSettings with
    everything that is wrong, as far as it can be known."""
    faults = Faults()
    variables = _variables(faults)
    nothing: File = EnvironmentFile(environment=variables.environment), {}
    settings = _settings(variables, faults.tried(nothing, _load_file, variables), faults)
    faults.refuse()
    return settings


def _settings(variables: Variables, read: File, faults: Faults) -> Settings:
    """What they say; worth nothing where `faults` got another one."""
    file, sources = read
    signs_in = faults.tried(True, sign_in, variables)
    return Settings(
        environment=variables.environment,
        database_url=faults.tried(None, database_url, variables, file.database),
        owner_url=faults.tried(None, owner_url, variables, file.database),
        redis_url=variables.redis_url,
        secret_key=faults.tried(None, secret_key, variables, signs_in),
        sign_in=signs_in,
        proxy=proxy(variables),
        limits=limits(variables),
        oidc=faults.tried(None, oidc, variables),
        retention=Retention(
            variables.mltrading_keep_sessions_days,
            variables.mltrading_keep_origins_days,
            variables.mltrading_keep_audit_days,
            variables.mltrading_keep_notices_days,
        ),
        connection_pool=file.database.connection_pool,
        host=variables.host,
        port=variables.port,
        debug=faults.tried(False, _debug, variables, file),
        home=faults.tried(Path(), _home, variables),
        postgres_bin=variables.mltrading_postgres_bin,
        config=variables.mltrading_config,
        commit=variables.mltrading_commit or faults.tried(None, read_revision),
        app=variables.heroku_app_name,
        release=variables.heroku_release_version,
        channels=_channels(variables),
        url=variables.mltrading_url.rstrip("/") if variables.mltrading_url else None,
        watchdog_url=variables.watchdog_url,
        observing=Observing(
            faults.tried(None, metrics_token, variables),
            variables.mltrading_timings,
            faults.tried(None, otlp_endpoint, variables),
            variables.otel_exporter_otlp_headers,
        ),
        features=file.features,
        monitoring=file.monitoring,
        security=_protection(file.security, signs_in),
        sources={**sources, **{name: name for name in _given(variables)}},
    )


def _given(variables: Variables) -> list[str]:
    return [
        field.upper() for field in Variables.model_fields if field in variables.model_fields_set
    ]


def read_variables() -> Variables:
    """The process's environment variables, checked one by one; WrongSettings names all that are
    wrong."""
    faults = Faults()
    variables = _variables(faults)
    faults.refuse()
    return variables


def _variables(faults: Faults) -> Variables:
    """The same, with the default in place of each that is wrong. WrongSettings at once where
    ENVIRONMENT is: what else has to be set depends on it."""
    faults.add(*_unknown_variables())
    try:
        return Variables()
    except ValidationError as error:
        wrong = {str(one["loc"][0]): dict(one) for one in reversed(error.errors())}
    in_order = [field for field in Variables.model_fields if field in wrong]
    faults.add(*(_explain_variable(field, wrong[field]["input"]) for field in in_order))
    if "environment" in wrong:
        faults.refuse()
    return Variables(**{field: Variables.model_fields[field].default for field in in_order})


def _debug(variables: Variables, file: EnvironmentFile) -> bool:
    debug = file.debug_mode if variables.dash_debug is None else variables.dash_debug
    if debug and variables.environment == "production":
        raise ConfigurationError("DASH_DEBUG must be off in production: it shows source code")
    return debug


def _protection(said: Security, signs_in: bool) -> Protection:
    """What the file leaves open is on wherever users sign in."""
    return Protection(
        signs_in if said.csrf_protection is None else said.csrf_protection,
        signs_in if said.rate_limiting is None else said.rate_limiting,
    )


def _channels(variables: Variables) -> dict[str, SecretStr]:
    given = {name.upper(): getattr(variables, name) for name in CHANNEL_VARIABLES}
    return {name: value for name, value in given.items() if value is not None}


def _unknown_variables() -> Iterator[str]:
    """What to say of each that begins as ours do and is none."""
    known = [name.upper() for name in Variables.model_fields]
    for name in sorted(os.environ):
        upper = name.upper()
        ours = upper.startswith(PREFIX) and not upper.startswith(TESTS_PREFIX)
        if ours and upper not in known:
            shown = one_line(name) if len(name) <= LONGEST_SHOWN else "(a long name)"
            yield f"unknown setting {shown} in the environment; {suggest(upper, known, PREFIX)}"


def _explain_variable(field: str, value: object) -> str:
    allowed = Variables.model_fields[field].description or "another value"
    return f"{field.upper()} must be {allowed}{found(value)}"


def _home(variables: Variables) -> Path:
    if variables.mltrading_home is not None:
        return variables.mltrading_home
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


def _load_file(variables: Variables) -> File:
    name, path = variables.environment, file_path(variables)
    if path is None:
        return EnvironmentFile(environment=name), {}
    file, lines = read_environment_file(path)
    if file.environment != name:
        raise ConfigurationError(
            f"{path} is for environment '{file.environment}', but ENVIRONMENT is '{name}'"
        )
    return file, {".".join(at): f"{path.name} line {line}" for at, line in lines.items()}
