"""Other services that the settings name: channels, OpenID provider, Redis."""

from __future__ import annotations

from collections.abc import Iterator

from mltrading.adapters.channels import NotSet, open_channel
from mltrading.alerting import parse_alerting_file
from mltrading.cli.doctor.findings import Finding, error, ok, told, warning
from mltrading.errors import MLTradingError
from mltrading.files import alerting_path
from mltrading.settings import Settings
from mltrading.utils.clock import SystemClock
from mltrading.utils.message import Destination

REDIS_SECONDS = 2.0


def examine(settings: Settings) -> Iterator[Finding]:
    yield from channels(settings)
    if settings.oidc is not None:
        yield provider(settings)
    if settings.redis_url is not None:
        yield redis(settings.redis_url.get_secret_value())


def channels(settings: Settings) -> Iterator[Finding]:
    """Whether each channel of alerting.yml could be used; nothing is sent."""
    if not (settings.monitoring.enabled and settings.monitoring.alerts):
        yield ok("channels", "not needed: monitoring.alerts is off")
        return
    try:
        alerting = parse_alerting_file(alerting_path(settings.config))
    except MLTradingError:
        return  # said already
    every = [one for entries in alerting.channels.values() for one in entries]
    environment = {name: value.get_secret_value() for name, value in settings.channels.items()}
    for one in dict.fromkeys(every):
        yield channel(one, environment)


def channel(one: Destination, environment: dict[str, str]) -> Finding:
    name = f"{one.kind} {one.target}"
    try:
        open_channel(one.kind, one.target, environment)
    except NotSet as missing:
        return warning(name, "reaches nobody", f"{missing}; set it, or take the entry out")
    except MLTradingError as failure:
        return told(name, failure)
    return ok(name, "can be used")


def provider(settings: Settings) -> Finding:
    """Its discovery document, asked for with bounded patience."""
    from mltrading.adapters.openid import OpenIdConnect

    assert settings.oidc is not None
    known = settings.oidc
    asked = OpenIdConnect(
        known.issuer, known.client_id, known.client_secret.get_secret_value(), SystemClock()
    )
    try:
        asked.authorization_url("https://localhost/openid/back", "doctor", "doctor", "doctor")
    except MLTradingError as failure:
        return error("OpenID provider", str(failure).partition(";")[0], "look at OIDC_ISSUER")
    return ok("OpenID provider", f"{known.issuer} answers")


def redis(url: str) -> Finding:
    from redis import Redis
    from redis.exceptions import RedisError

    patience = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
    advice = "look at REDIS_URL; until then PostgreSQL counts attempts"
    try:
        client = Redis.from_url(url, protocol=2, retry=None, **patience)
    except (ValueError, TypeError):
        return error(
            "Redis",
            "REDIS_URL is no address",
            "redis://:password@host:6379/0, or rediss:// for TLS",
        )
    try:
        client.ping()
        version = str(client.info("server").get("redis_version", "of an unknown version"))
    except RedisError as failure:
        return error("Redis", f"does not answer ({type(failure).__name__})", advice)
    finally:
        client.close()
    return ok("Redis", f"answers, version {version}")
