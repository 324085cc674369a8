"""What app.py joins of identity, by the settings."""

from __future__ import annotations

import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.app import build_services
from mltrading.domain.access import CONSOLE, Role
from mltrading.errors import SignInRefused, TooManyAttempts
from mltrading.services import Services
from mltrading.settings import load_settings
from tests.identities import HOME, NEW_PASSWORD, SECRET_KEY

OIDC = {
    "OIDC_ISSUER": "https://id.example",
    "OIDC_CLIENT_ID": "mltrading",
    "OIDC_CLIENT_SECRET": "secret",
}


def built(url: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Services:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return build_services(load_settings(), url, Database(url))


def test_nobody_signs_in_on_a_development_server(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = built(database_url, monkeypatch)
    assert services.identity is None
    assert services.accounts.users(CONSOLE) == []


def test_people_sign_in_where_it_is_on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    services = built(
        database_url,
        monkeypatch,
        MLTRADING_AUTH="on",
        SECRET_KEY=SECRET_KEY,
        MLTRADING_LIMIT_ACCOUNT="2/300",
    )
    assert services.identity is not None and services.identity.provider is None
    link = services.accounts.add(CONSOLE, "ann@example.com", Role.ANALYST, HOME)
    services.identity.set_password(link, NEW_PASSWORD, HOME)
    signed_in = services.identity.sign_in("ann@example.com", NEW_PASSWORD, "", HOME)
    assert services.identity.actor(signed_in.token) == signed_in.actor
    with pytest.raises(SignInRefused):
        services.identity.sign_in("ann@example.com", "wrong", "", HOME)
    with pytest.raises(TooManyAttempts):
        services.identity.sign_in("ann@example.com", NEW_PASSWORD, "", HOME)


def test_provider_of_the_settings_is_offered(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = built(database_url, monkeypatch, MLTRADING_AUTH="on", SECRET_KEY=SECRET_KEY, **OIDC)
    assert services.identity and services.identity.provider == "id.example"
