"""Files over HTTP, out of a real database and into one again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from flask import Flask, g
from werkzeug.test import TestResponse

from mltrading.__main__ import main
from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.app import create_app
from mltrading.dashboard import exports as dashboard_exports
from mltrading.dashboard.exports import exports_blueprint
from mltrading.domain.access import DEVELOPER, Actor, Permission, Role, Scope
from mltrading.domain.bars import HOUR, Bars, Interval, Symbol
from mltrading.errors import DatabaseUnavailable
from mltrading.settings import load_settings
from mltrading.settings.file import Features
from tests.factories import SOURCE, make_bars, make_sessions, make_symbol_details
from tests.test_adapters.store_model import Sql

HOSTILE = "'; DROP TABLE \u00e9"
PARTNER = frozenset({Permission.VIEW_SHARED_DATA, Permission.EXPORT_DATA})
STORED = {
    "DAYS": (Interval.D1, make_sessions(300, seed=1, adjustment=0.25)),
    "MINUTES": (Interval.M1, make_bars(400, "2024-01-02T14:30", seed=2)),
    "HOURS": (Interval.H1, make_bars(60, "2024-01-02T14:00", Interval.H1, 3, step=HOUR)),
    HOSTILE: (Interval.D1, make_sessions(30, seed=4)),
}


@pytest.fixture
def server(database_url: str) -> Iterator[Flask]:
    """The application over a database with the bars of STORED."""
    database = Database(database_url)
    with PostgresBarWriter(database).transaction() as opened:
        for code, (interval, bars) in STORED.items():
            details = make_symbol_details(code, name=f"=Name of {code}")
            opened.write(details, interval, bars, SOURCE)
    database.close()
    yield create_app(load_settings(), database_url).server


@pytest.fixture
def get(server: Flask) -> Callable[[str], TestResponse]:
    return server.test_client().get


def as_actor(monkeypatch: pytest.MonkeyPatch, permissions: frozenset[Permission]) -> None:
    """Every request is of somebody with these rights."""
    actor = Actor("somebody", permissions)
    monkeypatch.setattr(dashboard_exports, "current_actor", lambda: actor)


FILES = {
    "/export/chart.csv?symbol=DAYS&range=1M&indicators=sma:20": "timestamp,open,high,low,close,",
    "/export/overview.csv?sort=close&order=desc": "symbol,name,exchange,currency,sector,",
    "/export/compare.csv?symbols=DAYS,HOURS&range=ALL": "timestamp,DAYS percent,HOURS percent,",
    "/export/compare-metrics.csv?symbols=DAYS,HOURS": "symbol,name,exchange,currency,sessions,",
}


@pytest.mark.parametrize("address", FILES)
def test_a_file_is_a_download_that_nobody_keeps(get: Callable[..., Any], address: str) -> None:
    answer = get(address)
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
    rows = list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))
    assert answer.text.startswith(FILES[address]) and len(rows) > 1


REFUSED = {
    "/export/chart.csv": (400, "name the symbol to export, as in ?symbol=AAPL"),
    "/export/chart.csv?symbol=DAYS&interval=7m": (400, "interval='7m' ignored: known are 1m"),
    "/export/chart.csv?symbol=DAYS&indicators=nope": (400, "nope"),
    "/export/chart.csv?symbol=A%0D%0ASet-Cookie:%20a=b": (400, "printable characters"),
    "/export/chart.csv?symbol=DAYZ": (404, "unknown symbol 'DAYZ'; nearest known: 'DAYS'"),
    "/export/chart.csv?symbol=" + "A" * 5000: (400, "longer than 4000 characters"),
    "/export/overview.csv?page=x": (400, "a page is a number"),
    "/export/compare.csv": (400, "nothing to compare"),
    "/export/compare.csv?symbols=ZZZZZZ": (404, "unknown symbol"),
    "/export/compare-metrics.csv?symbols=DAYS&mode=x": (400, "mode='x' ignored"),
}


@pytest.mark.parametrize("address", REFUSED)
def test_a_view_that_can_not_be_had_as_it_is_gets_one_line(
    get: Callable[..., Any], sql: Sql, address: str
) -> None:
    answer = get(address)
    status, said = REFUSED[address]
    assert (answer.status_code, answer.mimetype) == (status, "text/plain")
    assert said in answer.text and answer.text.count("\n") == 1
    assert "Set-Cookie" not in answer.headers
    assert sql("SELECT * FROM audit WHERE action = 'data.export'") == []


def test_a_lost_database_is_said_so() -> None:
    class Lost:
        def overview(self, *asked: object) -> None:
            raise DatabaseUnavailable("the database\ndoes not answer")

    server = Flask(__name__)
    server.before_request(lambda: setattr(g, "actor", DEVELOPER))
    lost: Any = Lost()
    server.register_blueprint(exports_blueprint(lost, lost, Features()))
    answer = server.test_client().get("/export/overview.csv")
    assert (answer.status_code, answer.text) == (
        503,
        "the database does not answer; try again in a moment\n",
    )
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("address", FILES)
def test_a_viewer_takes_nothing_along(
    get: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    as_actor(monkeypatch, Role.VIEWER.permissions)
    answer = get(address)
    assert (answer.status_code, answer.text.count("\n")) == (403, 1)
    assert "can_export_data" in answer.text


def test_an_unshared_symbol_is_refused_as_an_unknown_one(
    get: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    as_actor(monkeypatch, PARTNER)
    sql("INSERT INTO shared_symbols (symbol_id) SELECT id FROM symbols WHERE code = 'HOURS'")
    said = {code: get(f"/export/chart.csv?symbol={code}") for code in ("DAYS", "DAYZ")}
    assert {answer.status_code for answer in said.values()} == {404}
    assert said["DAYS"].text.replace("DAYS", "?") == said["DAYZ"].text.replace("DAYZ", "?")
    overview = get("/export/overview.csv").text
    assert "HOURS" in overview and "DAYS" not in overview and "DROP" not in overview


def test_the_trail_has_the_file_before_it_leaves(get: Callable[..., Any], sql: Sql) -> None:
    get("/export/chart.csv?symbol=DAYS&range=1M", headers={"User-Agent": "a browser"})
    [(actor, target, outcome, details, address, browser)] = sql(
        "SELECT actor, target, outcome, details, address, browser FROM audit"
        " JOIN audit_origins USING (seq) WHERE action = 'data.export'"
    )
    assert (actor, target, outcome) == ("developer", "DAYS", "done")
    assert json.loads(str(details)).keys() == {"what", "of", "rows"}
    assert (address, browser) == ("127.0.0.1", "a browser")


def test_no_byte_leaves_while_the_trail_can_not_be_written(
    get: Callable[..., Any], sql: Sql
) -> None:
    sql("ALTER TABLE audit RENAME TO audit_elsewhere")
    answer = get("/export/chart.csv?symbol=DAYS")
    assert answer.status_code == 500 and "timestamp" not in answer.text


def test_a_hostile_code_reaches_neither_the_header_nor_a_formula(get: Callable[..., Any]) -> None:
    answer = get(f"/export/chart.csv?symbol={quote(HOSTILE)}")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="chart_DROP-TABLE_1d_2022-01-03_2022-02-11.csv"'
    )
    [row, *_] = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (row["symbol"], row["name"]) == (HOSTILE, f"'=Name of {HOSTILE}")


# -- and in again ---------------------------------------------------------------------------------


@pytest.fixture
def imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[[str, str], dict[str, Any]]:
    """What `mltrading import` says of a file, imported into the database at the URL."""

    def run(url: str, text: str) -> dict[str, Any]:
        path = tmp_path / "export.csv"
        path.write_text(text, encoding="utf-8", newline="")
        monkeypatch.setenv("DATABASE_URL", url)
        with pytest.raises(SystemExit) as ended:
            main(["import", str(path), "--json"])
        assert ended.value.code == 0
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    return run


def known(url: str, code: str, interval: Interval) -> tuple[Symbol, Bars]:
    database = Database(url)
    reader = PostgresBars(database)
    found = reader.stored(Scope.ALL, code)
    assert found is not None
    bars = reader.between(found.symbol.id, interval, 0, 2**52)
    database.close()
    return found.symbol, bars


@pytest.mark.parametrize("code", STORED)
def test_an_exported_file_imports_as_the_same_bars(
    get: Callable[..., Any],
    imported: Callable[..., dict[str, Any]],
    database_url: str,
    empty_database_url: str,
    code: str,
) -> None:
    interval, bars = STORED[code]
    window = f"interval={interval.value}&range=ALL&indicators=sma:20,stoch,vwap"
    answer = get(f"/export/chart.csv?symbol={quote(code)}&{window}")
    again = imported(database_url, answer.text)
    assert (again["read"], again["unchanged"]) == (len(bars), len(bars))
    fresh = imported(empty_database_url, answer.text)
    assert (fresh["inserted"], fresh["quarantined"]) == (len(bars), 0)
    before, mine = known(database_url, code, interval)
    after, theirs = known(empty_database_url, code, interval)
    for name in Bars.__slots__:
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
    assert (after.code, after.exchange, after.currency, after.timezone) == (
        before.code,
        before.exchange,
        before.currency,
        before.timezone,
    )
