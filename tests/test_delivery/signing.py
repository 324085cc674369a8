"""The application as staging runs it: people sign in, behind a router that speaks HTTPS."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from mltrading.adapters.passwords import Argon2Passwords
from mltrading.adapters.postgres.identity import PostgresIdentity
from mltrading.adapters.postgres.pool import Database
from mltrading.app import create_app
from mltrading.domain.access import CONSOLE, Role
from mltrading.errors import MLTradingError
from mltrading.services.accounts import Accounts
from mltrading.services.ports.audit import Origin
from mltrading.settings import load_settings
from tests.factories import SECRET_KEY

EMAIL, PASSWORD = "smoke@example.com", "four words and a comma, at least"
SITE = "https://mltrading.example"
STAGING = """environment: staging
security:
  csrf_protection: true
  rate_limiting: true
"""


def staging(database_url: str, folder: Path, attempts: str = "1000/300") -> Flask:
    """The server of such an application, where `attempts` to sign in are let through."""
    (folder / "staging.yml").write_text(STAGING)
    variables = {
        "ENVIRONMENT": "staging",
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET_KEY,
        "MLTRADING_CONFIG": str(folder),
        "MLTRADING_HOME": str(folder),
        "MLTRADING_LIMIT_ACCOUNT": attempts,
        "MLTRADING_LIMIT_ADDRESS": "1000/300",
        "MLTRADING_PROXY": "on",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        server: Flask = create_app(load_settings(), database_url).server
    return server


def make_account(database_url: str, email: str = EMAIL) -> None:
    """An analyst's account of that address, unless it is there."""
    with closing(Database(database_url)) as database:
        accounts = Accounts(PostgresIdentity(database), Argon2Passwords())
        try:
            accounts.add_with_password(CONSOLE, email, Role.ANALYST, PASSWORD, Origin())
        except MLTradingError:
            assert accounts.find(CONSOLE, email)
