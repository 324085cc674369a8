"""The environment variables that are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from mltrading.files import COMMIT
from mltrading.settings.file import EnvironmentName, Text

Rate = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{0,5}/[1-9][0-9]{0,5}$",
        description="how often in how many seconds, such as 10/300",
    ),
]
Days = Annotated[
    int,
    Field(
        ge=0, le=36_500, description="a whole number of days from 0, which is for ever, to 36500"
    ),
]


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
    database_owner_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    secret_key: SecretStr | None = None
    mltrading_auth: Annotated[Literal["on", "off"] | None, Field(description="on or off")] = None
    mltrading_proxy: Annotated[Literal["on", "off"] | None, Field(description="on or off")] = None
    dyno: Text | None = None
    mltrading_limit_account: Rate = "10/300"
    mltrading_limit_address: Rate = "60/300"
    mltrading_limit_callback: Rate = "240/60"
    mltrading_keep_sessions_days: Days = 30
    mltrading_keep_origins_days: Days = 90
    mltrading_keep_audit_days: Days = 2557
    mltrading_keep_notices_days: Days = 365
    oidc_issuer: Text | None = None
    oidc_client_id: Text | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_default_role: Annotated[
        Literal["viewer", "analyst"] | None, Field(description="viewer or analyst")
    ] = None
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
    watchdog_url: SecretStr | None = None
    mltrading_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s/?#@]{1,250}(/[^\s?#]{0,1000})?$",
            description="an address such as https://mltrading.example, without user or ?",
        ),
    ] = None
    metrics_token: SecretStr | None = None
    mltrading_timings: Annotated[
        float, Field(ge=0, le=1, description="a share from 0 to 1, such as 0.2")
    ] = 0.2
    otel_exporter_otlp_endpoint: Text | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
