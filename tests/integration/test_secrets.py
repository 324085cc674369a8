"""No secret of the environment is ever printed or logged, by any command, however it ends.

Each secret holds a canary, and all that each command says is searched for it.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from mltrading.__main__ import COMMANDS, build_parser, main
from mltrading.files import ROOT
from mltrading.settings.variables import Variables
from tests.factories import due_hour
from tests.test_delivery.scripted_server import Reply, scripted
from tests.waiting import held_port

pytestmark = pytest.mark.database

CANARY = "c4n4ryB1rd"
Leaf = tuple[str, ...]


def canary(name: str) -> str:
    """Of one variable, and of nothing else; long enough to be a key."""
    return f"{CANARY}{name.replace('_', '').lower()}0123456789abcdefghijklmnop"


def secrets_of(database_url: str, slack: str) -> dict[str, str]:
    """Every secret, in a form that works as far as it can."""

    def with_password(name: str) -> str:
        return database_url.replace("@", f":{canary(name)}@", 1)

    return {
        "DATABASE_URL": with_password("DATABASE_URL"),
        "DATABASE_OWNER_URL": with_password("DATABASE_OWNER_URL"),
        "REDIS_URL": f"redis://:{canary('REDIS_URL')}@127.0.0.1:1/0",
        "SECRET_KEY": canary("SECRET_KEY"),
        "OIDC_CLIENT_SECRET": canary("OIDC_CLIENT_SECRET"),
        "SLACK_WEBHOOK": f"{slack}/services/{canary('SLACK_WEBHOOK')}",
        "SMTP_URL": f"smtp://me:{canary('SMTP_URL')}@127.0.0.1:1?tls=none",
        "PAGERDUTY_KEY": canary("PAGERDUTY_KEY"),
        "PAGERDUTY_API_URL": f"http://127.0.0.1:1/{canary('PAGERDUTY_API_URL')}",
        "WEBHOOK_SECRET": f"whsec_{canary('WEBHOOK_SECRET')}",
        "METRICS_TOKEN": canary("METRICS_TOKEN"),
        "WATCHDOG_URL": f"{slack}/ping/{canary('WATCHDOG_URL')}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={canary('OTEL_EXPORTER_OTLP_HEADERS')}",
    }


MALFORMED: Mapping[str, str] = {
    "DATABASE_URL": f"postgresql://me:{CANARY}/@/x@127.0.0.1:1/d",
    "DATABASE_OWNER_URL": f"mysql://me:{CANARY}@127.0.0.1/d",
    "REDIS_URL": f"http://:{CANARY}@127.0.0.1:x",
    "SECRET_KEY": CANARY,
    "OIDC_CLIENT_SECRET": f"{CANARY}\n",
    "SLACK_WEBHOOK": f"ftp://{CANARY}",
    "SMTP_URL": f"smtp://{CANARY}:{CANARY}@[",
    "PAGERDUTY_KEY": f"{CANARY} {CANARY}",
    "PAGERDUTY_API_URL": f"nothing://{CANARY}@",
    "WEBHOOK_SECRET": f"whsec_{CANARY}!",
    "METRICS_TOKEN": CANARY,
    "WATCHDOG_URL": f"ftp://{CANARY}@",
    "OTEL_EXPORTER_OTLP_HEADERS": CANARY,
}


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A development where users sign in, everything is logged, and every channel is used."""
    (tmp_path / "development.yml").write_text(
        "environment: development\nmonitoring: {alerts: true, level: debug}\n"
    )
    channels = (ROOT / "alerting.yml").read_text()
    hooks = '    - webhook: "https://127.0.0.1:1/x"\n    - pagerduty: "service-key"\n'
    (tmp_path / "alerting.yml").write_text(channels.replace("  info:\n", f"  info:\n{hooks}", 1))
    with scripted(Reply(500, b"no")) as slack:
        yield {
            **secrets_of(database_url, slack.url),
            "OIDC_ISSUER": "http://127.0.0.1:1",
            "OIDC_CLIENT_ID": "mltrading",
            "MLTRADING_AUTH": "on",
            "MLTRADING_CONFIG": str(tmp_path),
            "MLTRADING_HOME": str(tmp_path),
        }


def test_every_secret_has_a_canary() -> None:
    known = {
        field.upper()
        for field, info in Variables.model_fields.items()
        if SecretStr in getattr(info.annotation, "__args__", (info.annotation,))
    }
    assert known == set(MALFORMED) == set(secrets_of("postgresql://me@h/d", ""))
    assert all(CANARY in value for value in secrets_of("postgresql://me@h/d", "").values())


def leaves(parser: argparse.ArgumentParser, before: Leaf = ()) -> Iterator[Leaf]:
    """Every command line that does something."""
    groups = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not groups:
        yield before
    for group in groups:
        for name, one in group.choices.items():
            yield from leaves(one, (*before, name))


EVERY = list(leaves(build_parser([command.name for command in COMMANDS])))
ANN = "ann@example.com"
RUNS: dict[Leaf, tuple[str, ...]] = {
    ("worker",): ("--once", "--digest-hour", due_hour()),
    ("release",): ("--json",),
    ("db", "upgrade"): (),
    ("import",): ("BARS",),
    ("users", "add"): (ANN,),
    ("users", "list"): (),
    ("users", "role"): (ANN, "analyst"),
    ("users", "disable"): (ANN,),
    ("users", "enable"): (ANN,),
    ("users", "reset"): (ANN,),
    ("doctor",): (),
    ("sample",): (),
    ("audit", "verify"): (),
    ("privacy", "export"): (ANN,),
    ("privacy", "erase"): (ANN,),
    ("privacy", "retain"): ("--dry-run",),
    ("alerts", "test"): (),
    ("alerts", "list"): (),
    ("alerts", "silence"): ("MemoryHigh", "--for", "2h", "--reason", "a bigger machine comes"),
    ("alerts", "unsilence"): ("1",),
    ("alerts", "preview"): (),
    ("alerts", "export"): ("--prometheus", "FOLDER"),
    ("pipeline",): ("FIGURES",),
}
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def said(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Say:
    """Exit code and all that a command line writes."""
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    root = logging.getLogger()

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(words)
        for handler in [*root.handlers]:  # of the command, which would have ended with its process
            if getattr(handler, "ours", False):
                root.removeHandler(handler)
        root.setLevel(logging.WARNING)
        written = capfd.readouterr()
        return int(ended.value.code or 0), written.out + written.err

    return run


def test_every_command_is_tried() -> None:
    assert set(EVERY) == {*RUNS, ("serve",)}


@pytest.mark.parametrize("leaf", EVERY, ids="-".join)
def test_the_help_of_a_command_shows_no_secret(said: Say, leaf: Leaf) -> None:
    code, text = said(*leaf, "--help")
    assert code == 0 and "example: mltrading" in text
    assert CANARY not in text


def test_what_commands_say_holds_no_secret(said: Say, tmp_path: Path) -> None:
    """One after the other, in the order of the table: some need what others made."""
    bars = tmp_path / "AAPL.csv"
    bars.write_text("Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,5\n")
    figures = tmp_path / "metrics.json"
    figures.write_text('{"measured_at": "2026-03-04T12:00:00+00:00", "now": []}')
    places = {"BARS": bars, "FIGURES": figures, "FOLDER": tmp_path / "rules"}
    codes = {}
    for leaf, arguments in RUNS.items():
        words = [str(places.get(word, word)) for word in arguments]
        codes[leaf], text = said(*leaf, *words)
        assert text and CANARY not in text, leaf
    # Nothing listens where the digest should go, and nobody is an administrator.
    failed = {leaf for leaf, code in codes.items() if code}
    assert failed == {("worker",), ("doctor",), ("alerts", "test")}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_secret_of_no_use_is_not_shown_either(
    said: Say, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, MALFORMED[name])
    for words in (("doctor",), ("doctor", "--json"), ("db", "upgrade"), ("worker", "--once")):
        code, text = said(*words)
        assert CANARY not in text, words
        assert "Traceback" not in text


def test_what_the_server_logs_holds_no_secret(environment: dict[str, str], tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    log = tmp_path / "log"
    with held_port() as port, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mltrading", "serve"],
            env={**kept, **environment, "PORT": str(port), "DASH_DEBUG": "1"},
            stdout=subprocess.PIPE,
            stderr=output,
        )
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        assert address == f"http://127.0.0.1:{port}", log.read_text()
        answers = [ask(f"{address}{path}") for path in ("/login", "/openid/begin", "/x", "/health")]
        token = re.search(r'name="csrf_token" value="([^"]+)"', answers[0])
        form = {"email": ANN, "password": f"{CANARY} and more words", "csrf_token": ""}
        answers.append(ask(f"{address}/login", {**form, "csrf_token": token[1] if token else ""}))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
    assert "Booting worker" in log.read_text()
    assert CANARY not in log.read_text()
    assert not [text for text in answers if CANARY in text]


def ask(url: str, form: dict[str, str] | None = None) -> str:
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, data, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())
