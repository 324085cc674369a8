"""/health over HTTP beside a real PostgreSQL that is stopped, frozen, restarted and shot at."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mltrading.adapters.postgres.health import PostgresProbe
from mltrading.adapters.postgres.migrate import migrations, upgrade
from mltrading.dashboard.health import health_blueprint
from mltrading.services.health import Health, Running
from mltrading.utils.clock import SystemClock
from tests.database_fixtures import execute
from tests.postgres_server import Server
from tests.waiting import wait_until, within

SCHEMA = len(migrations())
LIMIT_SECONDS = 2.0
RUNNING = Running("1.2.3", "0123456789abcdef", None)
Sql = Callable[[str], list[tuple[object, ...]]]


def make_client(url: str, schema: int = SCHEMA) -> FlaskClient:
    """HTTP to a server with nothing but health, whose answers are never reused."""
    ticks = iter(range(0, 10**9, 10))
    health = Health(PostgresProbe(url, schema), SystemClock(), lambda: float(next(ticks)))
    server = Flask("health")
    server.register_blueprint(health_blueprint(health, RUNNING))
    return server.test_client()


@pytest.fixture
def server(tmp_path: Path, binaries: Path | None) -> Iterator[Server]:
    server = Server(tmp_path / "home", binaries)
    upgrade(server.url)
    yield server
    server.stop()


@pytest.mark.smoke
def test_healthy_answer_has_the_promised_shape(database_url: str) -> None:
    answer = make_client(database_url).get("/health")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    assert body.keys() == {"status", "timestamp", "checks"}
    assert body["status"] == "healthy"
    assert body["checks"] == {"database": "ok", "external_apis": "not_configured"}
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$", body["timestamp"])


def test_live_and_ready_answer(database_url: str) -> None:
    client = make_client(database_url)
    for path in ("/health/live", "/health/ready"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/health/nonsense").status_code == 404


def test_live_says_what_runs(database_url: str) -> None:
    assert make_client(database_url).get("/health/live").get_json() == {
        "status": "live",
        "version": "1.2.3",
        "commit": "0123456789abcdef",
        "release": None,
    }


def test_a_database_without_migrations_is_healthy_but_not_ready(empty_database_url: str) -> None:
    client = make_client(empty_database_url)
    assert client.get("/health").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["error"] == "database_schema_outdated"


def test_an_older_schema_is_not_ready_and_a_newer_one_is(database_url: str) -> None:
    assert make_client(database_url, SCHEMA + 1).get("/health/ready").status_code == 503
    assert make_client(database_url, SCHEMA - 1).get("/health/ready").status_code == 200


def test_a_schema_that_lost_what_the_program_needs_is_healthy_but_not_ready(
    database_url: str,
    sql: Sql,
) -> None:
    sql(f"UPDATE schema_version SET version = {SCHEMA + 5}, oldest = {SCHEMA}")
    client = make_client(database_url)
    assert client.get("/health/ready").status_code == 200
    sql(f"UPDATE schema_version SET oldest = {SCHEMA + 1}")
    assert client.get("/health").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["error"] == "database_schema_too_new"


def test_a_schema_of_before_the_oldest_was_kept_is_outdated(database_url: str, sql: Sql) -> None:
    sql("ALTER TABLE schema_version DROP COLUMN oldest")
    sql("UPDATE schema_version SET version = 1")
    answer = make_client(database_url).get("/health/ready")
    assert answer.get_json()["error"] == "database_schema_outdated"


def test_checks_share_one_connection(database_url: str) -> None:
    client = make_client(database_url)
    count = (
        "SELECT count(*), count(DISTINCT pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name"
    )
    for _ in range(5):
        assert client.get("/health").status_code == 200
    assert execute(database_url, f"{count} = 'mltrading-health'") == [(1, 1)]


def test_a_terminated_connection_is_renewed_within_the_same_check(database_url: str) -> None:
    client = make_client(database_url)
    assert client.get("/health").status_code == 200
    killed = execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'mltrading-health'",
    )
    assert killed == [(True,)]
    assert client.get("/health").status_code == 200


def test_stopped_server_is_unhealthy_and_its_return_is_seen(server: Server) -> None:
    client = make_client(server.url)
    assert client.get("/health").status_code == 200
    server.stop()
    answer = client.get("/health")
    assert answer.status_code == 500
    assert answer.get_json()["status"] == "unhealthy"
    assert answer.get_json()["error"] == "database_unreachable"
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    server.start()
    wait_until(lambda: client.get("/health").status_code == 200, "healthy again")


def test_frozen_server_costs_two_seconds_at_most_and_its_thaw_is_seen(server: Server) -> None:
    client = make_client(server.url)
    assert client.get("/health").status_code == 200
    server.signal(signal.SIGSTOP)
    try:
        for _ in range(2):  # a frozen kept connection, then a frozen attempt to connect
            answer = within(LIMIT_SECONDS, lambda: client.get("/health"))
            assert answer.status_code == 500
            assert answer.get_json()["error"] == "database_timeout"
    finally:
        server.signal(signal.SIGCONT)
    wait_until(lambda: client.get("/health").status_code == 200, "healthy again")


def test_a_port_that_accepts_and_never_speaks_costs_two_seconds_at_most() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        client = make_client(f"postgresql://me:s3cret@127.0.0.1:{port}/db")
        answer = within(LIMIT_SECONDS, lambda: client.get("/health"))
    assert answer.status_code == 500
    assert answer.get_json()["error"] == "database_timeout"


def test_an_unhealthy_answer_holds_a_code_and_nothing_of_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = make_client(f"postgresql://some_user:s3cret@127.0.0.1:{port}/some_db")
    answer = client.get("/health")
    assert answer.status_code == 500
    assert answer.get_json()["error"] == "database_unreachable"
    for leak in ("s3cret", "some_user", "some_db", "127.0.0.1", str(port)):
        assert leak not in answer.get_data(as_text=True)
