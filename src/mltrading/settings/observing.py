"""What the settings say of measuring: who may read the numbers, and where traces go."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from mltrading.errors import ConfigurationError
from mltrading.settings.variables import Variables

SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Observing:
    """`metrics_token` None: nobody may read /metrics. `timings`: which share of page loads reports
    how long it took. `otlp_endpoint` None: nothing is traced; the exporter itself reads it, and the
    headers, from the environment."""

    metrics_token: SecretStr | None = None
    timings: float = 0.2
    otlp_endpoint: str | None = None
    otlp_headers: SecretStr | None = None


def metrics_token(variables: Variables) -> SecretStr | None:
    token = variables.metrics_token
    if token is not None and len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"METRICS_TOKEN is too weak: it must be {SHORTEST_TOKEN} or more random characters;"
            " make one with: openssl rand -hex 32"
        )
    return token


def otlp_endpoint(variables: Variables) -> str | None:
    endpoint = variables.otel_exporter_otlp_endpoint
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT must begin with https:// or http://, such as"
            " http://127.0.0.1:4318"
        )
    return endpoint
