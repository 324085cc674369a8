"""`make scan` proves nothing where its programs were refused at the door, and says so."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.utils.clock import SystemClock
from tests import market_data
from tests.database_fixtures import clone, database_on, drop
from tests.identities import People
from tests.live_fixtures import served
from tests.visitors import SIGN_IN
from tools import scan

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def place(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The dashboard as the scan serves it, and the code of its administrator."""
    folder = tmp_path_factory.mktemp("scan")
    name = f"mlt_scan_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    database = Database(url, 1)
    people = People(database)
    people.add("scan", "admin")
    secret = people.enrol("scan")
    people.clock.moment = SystemClock().now()
    (folder / "staging.yml").write_text(scan.CONFIG)
    variables = {**SIGN_IN, **scan.UNLIMITED, **scan.BEHIND_PROXY, "MLTRADING_CONFIG": str(folder)}
    with served(url, folder, **variables) as address:
        yield address, people.code(secret)
    database.close()
    drop(server_url, name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The command lines of sqlmap, which finds nothing here."""
    started: list[list[str]] = []

    def nothing_found(words: list[str], log: str) -> None:
        started.append(words)
        (tmp_path / log).write_text("all tested parameters do not appear to be injectable")

    monkeypatch.setattr(scan, "REPORTS", tmp_path)
    monkeypatch.setattr(scan, "run", nothing_found)
    return started


def test_every_target_is_answered_by_the_application_and_not_by_its_guard(
    place: tuple[str, str], run: list[list[str]]
) -> None:
    address, code = place
    cookie, token = scan.sign_in(address, code)
    found = list(scan.targets(address, cookie, token))
    for target in found:
        assert list(scan.sqlmap(address, target)) == [], target.name
    assert len(run) == len(found) == 8
    for words, target in zip(run, found, strict=True):
        assert scan.HTTPS in words, "or every request is sent on to https:"
        assert words[words.index("--cookie") + 1] == target.cookie
        assert "*" in target.path + (target.data or "")
        assert target.data is None or json_or_form(target.data)

    signed_out = list(scan.targets(address, "", token))[:-1]
    for target in signed_out:
        [said] = scan.sqlmap(address, target)
        assert said == f"sqlmap: {target.name}: the dashboard did not let it in"
    assert len(run) == len(found), "what is refused is not tried"
    assert scan.ask(f"{address}/help", cookie)[0] == 200


def json_or_form(data: str) -> object:
    return json.loads(data) if data.startswith("{") else data.count("=")


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("sqlmap identified the following injection point(s)", "an injection"),
        ("[CRITICAL] connection refused", "did not come to an end"),
    ],
)
def test_what_a_program_says_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, finding: str
) -> None:
    def run(words: list[str], log: str) -> None:
        (tmp_path / log).write_text(said)

    monkeypatch.setattr(scan, "REPORTS", tmp_path)
    monkeypatch.setattr(scan, "run", run)
    monkeypatch.setattr(scan.Target, "let_in", lambda *_: True)
    [line] = scan.sqlmap("http://127.0.0.1:1", scan.Target("chart", "/x?a=*", "c=d"))
    assert finding in line and "sqlmap-chart.log" in line
