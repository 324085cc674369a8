"""What the settings say of signing in: whether, with which keys, behind which proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from mltrading.errors import ConfigurationError
from mltrading.settings.variables import Variables
from mltrading.utils.hosts import is_loopback

SHORTEST_KEY = 32  # characters of SECRET_KEY


@dataclass(frozen=True, slots=True)
class Oidc:
    """An OpenID provider whose users may sign in. `default_role` None: only those who have an
    account here."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    default_role: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How often (times, seconds) somebody may try to sign in, by account and by IP address, and
    may fire one callback."""

    account: tuple[int, int]
    address: tuple[int, int]
    callback: tuple[int, int]


def sign_in(variables: Variables) -> bool:
    """Whether users sign in: always but in development, where MLTRADING_AUTH=on asks for it."""
    development = variables.environment == "development"
    if not development and variables.mltrading_auth == "off":
        raise ConfigurationError(
            f"MLTRADING_AUTH must not be off in {variables.environment}: everybody would be an"
            " administrator"
        )
    return not development or variables.mltrading_auth == "on"


def secret_key(variables: Variables, signs_in: bool) -> SecretStr | None:
    """ConfigurationError unless it is one that is hard to guess, where users sign in."""
    if not signs_in:
        return variables.secret_key
    key = variables.secret_key.get_secret_value() if variables.secret_key else ""
    if len(key) < SHORTEST_KEY or len(set(key)) < SHORTEST_KEY // 3:
        fault = "is too weak" if key else "is not set"
        raise ConfigurationError(
            f"SECRET_KEY {fault}: it must be {SHORTEST_KEY} or more random characters; make one"
            " with: openssl rand -hex 32"
        )
    return variables.secret_key


def proxy(variables: Variables) -> bool:
    """Heroku's router is in front wherever DYNO is set; elsewhere somebody has to say so."""
    return variables.mltrading_proxy == "on" or (
        variables.mltrading_proxy is None and variables.dyno is not None
    )


def limits(variables: Variables) -> Limits:
    def pair(rate: str) -> tuple[int, int]:
        times, _, seconds = rate.partition("/")
        return int(times), int(seconds)

    return Limits(
        pair(variables.mltrading_limit_account),
        pair(variables.mltrading_limit_address),
        pair(variables.mltrading_limit_callback),
    )


def _refuse_issuer(issuer: str, development: bool) -> None:
    """ConfigurationError unless it is the address of a provider, encrypted or of this machine."""
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or not re.fullmatch(r"[!-~]+", issuer) or "@" in parts.netloc:
        raise ConfigurationError("OIDC_ISSUER must be an address such as https://id.example.com")
    if parts.query or parts.fragment:
        raise ConfigurationError("OIDC_ISSUER must have neither ? nor #")
    near = development and is_loopback(host)
    if parts.scheme != "https" and not (near and parts.scheme == "http"):
        raise ConfigurationError("OIDC_ISSUER must begin with https://")


def oidc(variables: Variables) -> Oidc | None:
    issuer, client_id, secret = (
        variables.oidc_issuer,
        variables.oidc_client_id,
        variables.oidc_client_secret,
    )
    if issuer is None and client_id is None and secret is None:
        return None
    if issuer is None or client_id is None or secret is None:
        raise ConfigurationError(
            "OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET must be set together, or none"
        )
    _refuse_issuer(issuer, variables.environment == "development")
    return Oidc(issuer, client_id, secret, variables.oidc_default_role)
