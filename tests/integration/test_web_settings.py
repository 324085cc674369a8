"""What the settings say of the network is what the running application does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.app import create_app
from mltrading.errors import ConfigurationError
from mltrading.settings import load_settings
from tests.identities import PASSWORD, SECRET_KEY, People
from tests.visitors import CALLBACK, SIGN_IN, Visitor

pytestmark = pytest.mark.database

Start = Callable[..., Visitor]


@pytest.fixture
def start(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the application with a file and variables; a visitor who may sign in as vera."""
    with closing(Database(database_url, 1)) as database:
        People(database).add("vera")

    def start(environment: str, security: str, **variables: str) -> Visitor:
        file = f"environment: {environment}\nsecurity: {{{security}}}\n"
        (tmp_path / f"{environment}.yml").write_text(file)
        more = {"ENVIRONMENT": environment, "MLTRADING_CONFIG": str(tmp_path), **variables}
        for name, value in (more | {"DATABASE_URL": database_url}).items():
            monkeypatch.setenv(name, value)
        server = create_app(load_settings(), database_url).server
        exposed = environment != "development"
        if exposed:
            server.config["PREFERRED_URL_SCHEME"] = "https"  # as the test client asks
        return Visitor(server, prefix="__Host-" if exposed else "")

    yield start


def fire(visitor: Visitor, **headers: str) -> int:
    search = {"id": "search-enter", "property": "data", "value": None}
    output = {"id": "search-found", "property": "data"}
    body = {"output": "search-found.data", "outputs": output, "inputs": [search]}
    return visitor.http.post(CALLBACK, json=body, headers=headers).status_code


def test_csrf_protection_acts(start: Start) -> None:
    off = start("development", "csrf_protection: false", **SIGN_IN)
    off.sign_in("vera")
    assert fire(off) == 204
    on = start("development", "csrf_protection: true", **SIGN_IN)
    on.sign_in("vera")
    assert fire(on) == 400
    assert fire(on, **on.headers()) == 204


def test_rate_limiting_acts(start: Start) -> None:
    limit = {"MLTRADING_LIMIT_CALLBACK": "3/600", **SIGN_IN}
    off = start("development", "csrf_protection: false, rate_limiting: false", **limit)
    off.sign_in("vera")
    assert [fire(off) for _ in range(5)] == [204] * 5
    on = start("development", "csrf_protection: false, rate_limiting: true", **limit)
    on.sign_in("vera")
    assert [fire(on) for _ in range(5)] == [204] * 3 + [429] * 2


def test_staging_is_reached_by_https_with_cookies_of_this_host(start: Start) -> None:
    both = "csrf_protection: true, rate_limiting: true"
    visitor = start("staging", both, SECRET_KEY=SECRET_KEY)
    form = {**visitor.form("/login"), "email": "vera@example.com", "password": PASSWORD}
    answer = visitor.http.post("/login", data=form)
    assert answer.status_code == 303 and visitor.session
    assert fire(visitor, **visitor.headers()) == 204
    plain = visitor.http.get("/help", base_url="http://dashboard.example")
    assert plain.headers["Location"] == "https://dashboard.example/help"
    health = visitor.http.get("/health/live", base_url="http://10.1.2.3:8050")
    assert health.status_code == 200
    assert "no-sign-in" not in visitor.get("/_dash-layout").text


def test_a_proxy_is_believed_where_the_settings_say_so(start: Start) -> None:
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"}
    for proxy, status in (("off", 308), ("on", 302)):
        visitor = start("staging", "", SECRET_KEY=SECRET_KEY, MLTRADING_PROXY=proxy)
        answer = visitor.http.get("/help", base_url="http://localhost", headers=said)
        assert answer.status_code == status, proxy


def test_tokens_are_not_signed_with_a_key_that_nobody_set(start: Start) -> None:
    with pytest.raises(
        ConfigurationError, match="csrf_protection signs its tokens: set SECRET_KEY"
    ):
        start("development", "csrf_protection: true")


def test_the_signing_key_is_not_the_secret_itself(start: Start) -> None:
    visitor = start("development", "csrf_protection: true", **SIGN_IN)
    assert SECRET_KEY not in str(visitor.http.application.secret_key)
