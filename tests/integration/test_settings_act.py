"""Each key of `<environment>.yml` does something: the program with one value, and with another.

The table is complete by construction: a key without a row fails.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
import yaml
from pydantic import BaseModel

from mltrading.__main__ import guarded, run
from mltrading.adapters.postgres.connection import connect
from mltrading.adapters.postgres.pool import Database
from mltrading.app import create_app
from mltrading.cli.start import set_up_log
from mltrading.cli.worker import usable_config
from mltrading.errors import DatabaseUnavailable
from mltrading.files import ROOT
from mltrading.settings import DATABASE_SLOTS, Settings, load_settings
from mltrading.settings.file import EnvironmentFile
from tests.callback_client import CallbackClient
from tests.certificates import Certificate
from tests.database_fixtures import execute
from tests.database_gate import gate
from tests.factories import SECRET_KEY
from tests.identities import People
from tests.visitors import CALLBACK, Visitor
from tests.waiting import wait_until

pytestmark = pytest.mark.database


@dataclass
class Deployment:
    """A program with a file of its own, over a database of its own."""

    folder: Path
    url: str
    patch: pytest.MonkeyPatch

    def settings(self, text: str, **variables: str) -> Settings:
        (self.folder / "development.yml").write_text(f"environment: development\n{text}\n")
        (self.folder / "alerting.yml").write_text((ROOT / "alerting.yml").read_text())
        given = {"DATABASE_URL": self.url, "MLTRADING_CONFIG": str(self.folder), **variables}
        for name, value in {**given, "MLTRADING_HOME": str(self.folder)}.items():
            self.patch.setenv(name, value)
        return load_settings()

    def server(self, text: str, **variables: str) -> Any:
        return create_app(self.settings(text, **variables), self.url).server


@pytest.fixture
def deployment(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    yield Deployment(tmp_path, database_url, monkeypatch)
    logging.getLogger("mltrading").setLevel(logging.NOTSET)


def environment(at: Deployment, name: str) -> object:
    """What a stranger is answered."""
    (at.folder / "staging.yml").write_text("environment: staging\n")
    server = at.server("", ENVIRONMENT=name, SECRET_KEY=SECRET_KEY)
    return server.test_client().get("/_dash-layout", base_url="https://localhost").status_code


def debug_mode(at: Deployment, text: str) -> object:
    page = at.server(text).test_client().get("/").get_data(as_text=True)
    return '"ui":true' in page


def place(at: Deployment, text: str) -> object:
    """Whether a URL that leaves host or name out leads to the database."""
    known = psycopg2.extensions.parse_dsn(at.url)
    user, host, name = (known[part] for part in ("user", "host", "dbname"))
    file = text.replace("HERE", host).replace("NAME", name)
    given = f"@/{name}" if "host" in text else f"@/?host={quote(host)}"
    settings = at.settings(file, DATABASE_URL=f"postgresql://{user}{given}")
    return reached(settings)


def reached(settings: Settings) -> str:
    assert settings.database_url is not None
    try:
        with closing(connect(settings.database_url.get_secret_value())):
            return "connected"
    except DatabaseUnavailable as error:
        return str(error)


def ssl_required(at: Deployment, text: str) -> object:
    """How it goes with a server that speaks no TLS, and with one that does."""
    context = Certificate(at.folder).server_context()
    with gate(at.url) as plain, gate(at.url, context) as encrypted:
        return [reached(at.settings(text, DATABASE_URL=url)) for url in (plain, encrypted)]


def connection_pool(at: Deployment, text: str) -> object:
    """How many connections a worker has for twelve questions at once, while none is answered."""
    server = at.server(text)
    clients = [CallbackClient(server) for _ in range(12)]
    address = {"address.data": {"path": "/charts", "search": "?symbol=AAPL", "n": 1}}

    def ask(client: CallbackClient) -> None:
        client.fire("chart-answer.data", "address.data", **address)

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    with locked(at.url, "symbols"):
        for thread in threads:
            thread.start()
        wait_until(
            lambda: sum(one.is_alive() for one in threads) == waiting(at.url) < len(threads),
            "each waits for an answer, or was turned away",
        )
        found = waiting(at.url)
    for thread in threads:
        thread.join()
    return found


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def waiting(url: str) -> int:
    ((count,),) = execute(
        url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'mltrading' AND wait_event_type = 'Lock'",
    )
    assert isinstance(count, int)
    return count


def advanced_charts(at: Deployment, text: str) -> object:
    """Which controls Charts has, whether it says that it left something out, and what becomes of a
    file of that (of a symbol that nobody has)."""
    client = CallbackClient(at.server(text))
    address = {"path": "/charts", "search": "?indicators=sma:20&scale=log", "n": 1}
    page = client.fire("page.children", "address.data", **{"address.data": address})
    layout = json.dumps(page["page.children"])
    controls = tuple(f'"id": "{name}"' in layout for name in CONTROLS)
    drawn = client.fire("chart-answer.data", "address.data", **{"address.data": address})
    note = json.dumps(drawn["chart-note.children"])
    said = "left out: scale, indicators; advanced charts are switched off here" in note
    file = client.http.get("/export/chart.csv?symbol=AAPL&indicators=sma:20")
    return controls, said, file.status_code


CONTROLS = ("interval-picker", "range-buttons", "chart-type", "scale-picker", "indicator-picker")


def comparison_mode(at: Deployment, text: str) -> object:
    """The page, the link to it, and whether a file of it is refused by a line or is no address."""
    client = at.server(text).test_client()
    links = json.dumps(client.get("/_dash-layout").get_json())
    file = client.get("/export/compare.csv?symbols=AAPL,IBM")
    return client.get("/compare").status_code, '"href": "/compare"' in links, file.mimetype


def test_mode(at: Deployment, text: str) -> object:
    """Whether invented and old prices may be loaded."""
    at.settings(text)
    code = guarded(lambda: run(["sample"]))
    return code, execute(at.url, "SELECT count(*) > 0 FROM symbols")[0][0]


test_mode.__test__ = False  # type: ignore[attr-defined]  # the name of a key


def channels(at: Deployment, text: str) -> object:
    """How many the daily digest goes to."""
    config = usable_config(at.settings(text, SLACK_WEBHOOK="https://hooks.example/x"))
    return len(config.digest_channels()) if config else 0


def level(at: Deployment, text: str) -> object:
    """Which levels are logged."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        set_up_log(at.settings(text))
        log = logging.getLogger("mltrading.dashboard.edge")
        return [name for name in ("debug", "info", "warning", "error") if logs(log, name)]
    finally:
        root.handlers[:], root.level = handlers, level


def logs(log: logging.Logger, name: str) -> bool:
    return log.isEnabledFor(getattr(logging, name.upper()))


def csrf_protection(at: Deployment, text: str) -> object:
    """What a callback answers that brings no token of a page of ours."""
    visitor = signed_in(at, text)
    return visitor.http.post(CALLBACK, json=SEARCH).status_code


def rate_limiting(at: Deployment, text: str) -> object:
    """What the third callback in a minute answers, where two are allowed."""
    visitor = signed_in(at, text, MLTRADING_LIMIT_CALLBACK="2/60")
    asked = [visitor.http.post(CALLBACK, json=SEARCH, headers=visitor.headers()) for _ in range(3)]
    return asked[2].status_code


SEARCH = {
    "output": "symbol-options.children",
    "outputs": {"id": "symbol-options", "property": "children"},
    "inputs": [{"id": "search-text", "property": "data", "value": {"text": "A"}}],
    "changedPropIds": ["search-text.data"],
}


def signed_in(at: Deployment, text: str, **variables: str) -> Visitor:
    server = at.server(text, MLTRADING_AUTH="on", SECRET_KEY=SECRET_KEY, **variables)
    with closing(Database(at.url)) as database:
        if not execute(at.url, "SELECT 1 FROM users"):
            People(database).add("ann", "analyst")
    visitor = Visitor(server)
    assert visitor.sign_in("ann").status_code == 303
    return visitor


Act = Callable[[Deployment, str], object]
ON, OFF = (True,) * 5, (True, True, False, False, False)
ALL_LEVELS = ["debug", "info", "warning", "error"]
ROWS: dict[str, tuple[Act, tuple[tuple[str, object], tuple[str, object]]]] = {
    "environment": (environment, (("development", 200), ("staging", 401))),
    "debug_mode": (debug_mode, (("true", True), ("false", False))),
    "database.host": (place, (("HERE", "connected"), ("/nowhere", "no answer from"))),
    "database.name": (place, (("NAME", "connected"), ("nothing", "no answer from"))),
    "database.ssl_required": (
        ssl_required,
        (("true", "not support SSL, but SSL was required"), ("false", ["connected"] * 2)),
    ),
    "database.connection_pool": (connection_pool, (("4", 2), ("16", DATABASE_SLOTS))),
    "features.advanced_charts": (
        advanced_charts, (("true", (ON, False, 404)), ("false", (OFF, True, 400))),
    ),
    "features.comparison_mode": (
        comparison_mode,
        (("true", (200, True, "text/plain")), ("false", (404, False, "text/html"))),
    ),
    "features.test_mode": (test_mode, (("false", (1, False)), ("true", (0, True)))),
    "monitoring.enabled": (channels, (("true", 1), ("false", 0))),
    "monitoring.level": (level, (("debug", ALL_LEVELS), ("error", ["error"]))),
    "monitoring.alerts": (channels, (("true", 1), ("false", 0))),
    "security.csrf_protection": (csrf_protection, (("true", 400), ("false", 200))),
    "security.rate_limiting": (rate_limiting, (("true", 429), ("false", 200))),
}  # fmt: skip


def keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def text_of(key: str, value: str) -> str:
    """The lines of a file that say so; alerts are on where nothing else is asked."""
    base = {"monitoring": {"alerts": True}} if key == "monitoring.enabled" else {}
    section, _, name = key.rpartition(".")
    read = yaml.safe_load(value)
    said = {**base.get(section, {}), name: read}
    return yaml.safe_dump({section: said} if section else said) if key != "environment" else value


@pytest.mark.parametrize("key", ROWS)
def test_a_setting_acts(deployment: Deployment, key: str) -> None:
    act, outcomes = ROWS[key]
    for value, wanted in outcomes:
        found = act(deployment, text_of(key, value))
        if isinstance(wanted, str):
            assert wanted in str(found)
        else:
            assert found == wanted, f"{key}: {value}"


def test_every_setting_of_the_file_has_its_row() -> None:
    assert list(keys(EnvironmentFile)) == list(ROWS)


def test_where_monitoring_is_off_errors_alone_are_logged(deployment: Deployment) -> None:
    assert level(deployment, "monitoring: {enabled: false, level: debug}") == ["error"]


def test_protections_that_the_file_leaves_open_are_on_where_users_sign_in(
    deployment: Deployment,
) -> None:
    assert csrf_protection(deployment, "") == 400
    assert rate_limiting(deployment, "") == 429
    alone = deployment.settings("", MLTRADING_AUTH="off")
    assert not alone.security.csrf_protection and not alone.security.rate_limiting
