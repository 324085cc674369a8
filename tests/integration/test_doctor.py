"""`mltrading doctor` on real servers: what it finds there, and that it changes nothing."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.access import CONSOLE, Role
from tests.certificates import Certificate
from tests.database_fixtures import execute
from tests.database_gate import gate
from tests.identities import HOME, SECRET_KEY, People
from tests.openid_provider import running_provider

pytestmark = pytest.mark.database

Checks = dict[str, dict[str, str]]
Doctor = Callable[..., Checks]
KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FILE = "environment: production\ndatabase: {ssl_required: false}\nmonitoring: {alerts: true}\n"
ALERTING = """channels:
  critical: [{pagerduty: "service-key"}, {slack: "#a"}]
  warning: [{slack: "#a"}]
  info: [{email: "team@company.com"}, {webhook: "https://hooks.example"}]
"""


@pytest.fixture
def doctor(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Doctor:
    """The checks by name, of a production over the database."""
    (tmp_path / "production.yml").write_text(FILE)
    (tmp_path / "alerting.yml").write_text(ALERTING)
    given = {"ENVIRONMENT": "production", "SECRET_KEY": KEY, "MLTRADING_PROXY": "on"}
    given |= {"DATABASE_URL": database_url, "MLTRADING_CONFIG": str(tmp_path)}

    def run(**variables: str) -> Checks:
        for name, value in {**given, "MLTRADING_HOME": str(tmp_path), **variables}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json"])
        report = json.loads(capsys.readouterr().out)
        states = [one["state"] for one in report["checks"]]
        assert ended.value.code == (1 if "error" in states else 0)
        assert report["ok"] is ("error" not in states)
        return {one["check"]: one for one in report["checks"]}

    return run


@pytest.fixture
def people(database_url: str) -> Iterator[People]:
    with closing(Database(database_url)) as database:
        yield People(database)


def test_a_deployment_that_is_well(doctor: Doctor, people: People) -> None:
    people.add("ann", "admin")
    people.enrol("ann")
    found = doctor(SLACK_WEBHOOK="https://hooks.example/x", SECRET_KEY=SECRET_KEY)
    assert {name for name, one in found.items() if one["state"] == "error"} == set()
    for name in ("settings", "database", "schema", "clock", "connections", "audit trail"):
        assert found[name]["state"] == "ok", found[name]
    assert found["administrators"]["detail"] == "1, each with a second factor"
    assert found["second factors"]["detail"] == "SECRET_KEY opens all 1"
    assert found["database"]["detail"].startswith("PostgreSQL ")
    assert found["slack #a"]["state"] == "ok"


def test_administrators_who_are_missing_disabled_or_without_a_second_factor(
    doctor: Doctor, people: People
) -> None:
    assert doctor()["administrators"]["state"] == "error"
    people.add("waits", "admin", password=None)
    people.add("gone", "admin")
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'gone'")
    people.add("ann", "analyst")
    assert doctor()["administrators"]["state"] == "error"
    people.add("bob", "admin")
    assert doctor()["administrators"]["detail"] == "1 of 1 without a second factor"


def test_an_administrator_who_has_not_used_the_link_yet(doctor: Doctor, people: People) -> None:
    token = people.accounts.add(CONSOLE, "ann@example.com", Role.ADMIN, HOME)
    people.add("gone", "admin", password=None)
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'gone'")
    [(until,)] = people.run(
        "SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')" " FROM password_links"
    )
    found = doctor()["administrators"]
    assert found["state"] == "warning"
    assert f"made for ann@example.com (until {until} UTC)" in found["detail"]
    assert found["way_out"] == "mltrading users reset ann@example.com prints a new link"
    assert token not in str(found) and "gone" not in str(found)
    people.run("UPDATE password_links SET expires_at = '2026-11-01 12:00Z'")
    found = doctor()["administrators"]
    assert found["state"] == "error"
    assert "ann@example.com (it ended 2026-11-01 12:00 UTC)" in found["detail"]
    assert found["way_out"] == "mltrading users reset ann@example.com prints a new link"
    people.run("DELETE FROM password_links")
    assert "ann@example.com (none is kept)" in doctor()["administrators"]["detail"]
    people.add("bob", "admin")
    assert doctor()["administrators"]["detail"] == "1 of 1 without a second factor"


def test_second_factors_that_another_key_sealed(doctor: Doctor, people: People) -> None:
    assert "second factors" not in doctor()
    for name in ("ann", "bob", "gone"):
        people.add(name, "admin")
        people.enrol(name)
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'gone'")
    found = doctor()["second factors"]
    assert found["state"] == "error"
    assert found["detail"].startswith("2 of 2 were sealed with another SECRET_KEY")
    assert "ann@example.com, bob@example.com" in found["detail"]
    assert "former key back" in found["way_out"] and "--second-factor" in found["way_out"]
    assert doctor(SECRET_KEY=SECRET_KEY)["second factors"]["state"] == "ok"
    for name in ("ann", "bob"):
        people.accounts.reset(CONSOLE, name, HOME, second_factor=True)
    assert "second factors" not in doctor(SECRET_KEY=KEY)


def test_a_channel_that_reaches_nobody_names_its_variable(doctor: Doctor) -> None:
    found = doctor(SMTP_URL="http://me:s3cret@mail.example")
    assert found["slack #a"]["way_out"] == "SLACK_WEBHOOK is not set; set it, or take the entry out"
    assert found["pagerduty service-key"]["state"] == "warning"
    assert found["webhook https://hooks.example"]["state"] == "warning"
    assert found["email team@company.com"]["state"] == "error"
    assert "s3cret" not in str(found)


def test_channels_are_not_looked_at_where_nothing_is_sent(doctor: Doctor, tmp_path: Path) -> None:
    doctor()
    (tmp_path / "production.yml").write_text("environment: production\n")
    found = doctor()
    assert found["channels"]["detail"] == "not needed: monitoring.alerts is off"
    assert "slack #a" not in found


def test_a_database_that_was_not_migrated_stays_so(doctor: Doctor, empty_database_url: str) -> None:
    found = doctor(DATABASE_URL=empty_database_url)
    assert found["schema"]["state"] == "warning"
    assert found["schema"]["detail"].startswith("version 0, pending: 1, 2")
    assert "administrators" not in found
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert execute(empty_database_url, tables) == [(0,)]


def test_the_owner_of_the_trail_is_told_that_it_could_change_it(
    doctor: Doctor, owner_url: str, database_url: str
) -> None:
    if owner_url == database_url:
        pytest.skip("one role for both")
    found = doctor(DATABASE_URL=owner_url)["audit trail"]
    assert found["state"] == "warning"
    assert "may UPDATE" in found["detail"] or "may DELETE" in found["detail"]
    assert "DATABASE_OWNER_URL" in found["way_out"]


def test_a_database_that_is_away_is_one_finding_without_its_password(doctor: Doctor) -> None:
    found = doctor(DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/market")
    assert found["database"]["state"] == "error"
    assert "no answer from the database at 127.0.0.1:1/market" in found["database"]["detail"]
    assert "schema" not in found and "s3cret" not in str(found)


def test_an_owner_who_does_not_answer_is_named(doctor: Doctor) -> None:
    found = doctor(DATABASE_OWNER_URL="postgresql://me:s3cret@127.0.0.1:1/market")
    assert found["owner"]["state"] == "error"
    assert found["owner"]["way_out"] == "look at DATABASE_OWNER_URL"
    assert found["database"]["state"] == "ok" and "s3cret" not in str(found)


def test_encryption_is_what_the_connection_has(
    doctor: Doctor, database_url: str, tmp_path: Path
) -> None:
    with (
        gate(database_url) as plain,
        gate(database_url, Certificate(tmp_path).server_context()) as encrypted,
    ):
        assert doctor(DATABASE_URL=plain)["encryption"]["state"] == "warning"
        assert doctor(DATABASE_URL=encrypted)["encryption"]["detail"] == "TLS is in use"


def test_more_connections_than_the_server_has(doctor: Doctor, tmp_path: Path) -> None:
    doctor()
    file = tmp_path / "production.yml"
    file.write_text("environment: production\ndatabase: {connection_pool: 400}\n")
    assert doctor()["connections"]["state"] == "error"


def test_an_openid_provider_that_answers_and_one_that_does_not(doctor: Doctor) -> None:
    client = {"OIDC_CLIENT_ID": "mltrading", "OIDC_CLIENT_SECRET": "s3cret"}
    # Only development may have one that speaks no HTTPS.
    client |= {"ENVIRONMENT": "development", "MLTRADING_CONFIG": "", "MLTRADING_AUTH": "on"}
    with running_provider() as provider:
        client["OIDC_ISSUER"] = provider.address
        found = doctor(**client)
        assert found["OpenID provider"]["detail"] == f"{provider.address} answers"
    found = doctor(**client)
    assert found["OpenID provider"]["state"] == "error"
    assert "does not answer" in found["OpenID provider"]["detail"]
    assert "s3cret" not in str(found)


class _Redis(socketserver.StreamRequestHandler):
    """Answers each command of redis-py as a server without a password does."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                self.rfile.readline()
                words.append(self.rfile.readline().strip().upper())
            info = b"redis_version:7.0.15\r\n"
            said = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}
            self.wfile.write(said.get(words[0], b"+OK\r\n"))


@contextmanager
def redis_server() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Redis) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"redis://:s3cret@127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        thread.join()


def test_a_redis_that_answers_one_that_does_not_and_no_address(doctor: Doctor) -> None:
    with redis_server() as url:
        assert doctor(REDIS_URL=url)["Redis"]["detail"] == "answers, version 7.0.15"
    found: Any = doctor(REDIS_URL=url)
    assert found["Redis"]["detail"] == "does not answer (ConnectionError)"
    found = doctor(REDIS_URL="http://s3cret")
    assert found["Redis"]["detail"] == "REDIS_URL is no address"
    assert "s3cret" not in str(found)


def test_a_first_start_has_no_database_and_the_doctor_makes_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATABASE_URL", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLTRADING_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 0
    assert "none yet: the first start makes one" in capsys.readouterr().out
    assert not (tmp_path / "home").exists()
