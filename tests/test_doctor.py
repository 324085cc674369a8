"""`mltrading doctor`: what each check says, and how it is reported; without a database."""

from __future__ import annotations

import json
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres import migrate
from mltrading.adapters.postgres.diagnosis import Diagnosis, Schema
from mltrading.cli.doctor import as_lines, database, machine, protection
from mltrading.cli.doctor.findings import Finding, error, ok, warning
from mltrading.files import ROOT
from mltrading.settings import Settings, load_settings
from mltrading.settings.file import EnvironmentFile
from mltrading.settings.origins import Setting, leaves, near_misses
from mltrading.settings.variables import Variables
from tests.factories import SECRET_KEY

KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
WELL = Diagnosis(
    version=170002,
    named="17.2",
    encrypted=True,
    local=False,
    ahead_seconds=0.1,
    read_only=False,
    connections=97,
    others=3,
    administrators=2,
    second_factor=2,
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Variables.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MLTRADING_HOME", str(tmp_path))


def settings_of(
    monkeypatch: pytest.MonkeyPatch, environment: str = "production", **variables: str
) -> Settings:
    given = {"ENVIRONMENT": environment, "SECRET_KEY": KEY, "DATABASE_URL": "postgresql://h/d"}
    for name, value in {**given, **variables}.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "ok", "PostgreSQL 17.2, db/x"),
        ({"version": 110022, "named": "11.22"}, "error", "12 or newer is needed"),
        ({"version": 190000, "named": "19beta1"}, "warning", "nobody tried newer than 18 yet"),
    ],
)
def test_a_server_of_another_age(changes: dict[str, Any], state: str, said: str) -> None:
    assert_says(database.version(replace(WELL, **changes), "db/x"), state, said)


def assert_says(finding: Finding, state: str, said: str) -> None:
    assert finding.state == state, finding
    assert said in f"{finding.detail}; {finding.way_out}"


PENDING = ", ".join(str(number) for number, _ in enumerate(migrate.migrations(), 1) if number > 2)


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "ok", "nothing pending"),
        ({"version": 2}, "warning", f"version 2, pending: {PENDING}; mltrading db upgrade"),
        ({"version": 99, "oldest": 98}, "error", "needs a program that knows 98 or newer"),
        ({"version": 99, "oldest": 3}, "ok", "version 99"),
        (
            {"version": 2, "role": "app", "lacks": ("CREATE in schema public",)},
            "error",
            f"version 2, pending: {PENDING}; the role app can not migrate it, it lacks CREATE in"
            " schema public; set DATABASE_OWNER_URL to a role that may",
        ),
        (
            {"version": None, "role": "app", "lacks": ("SELECT of the table schema_version",)},
            "error",
            "it lacks SELECT of the table schema_version; set DATABASE_OWNER_URL",
        ),
    ],
)
def test_a_schema_of_another_age(changes: dict[str, Any], state: str, said: str) -> None:
    known = Schema(len(migrate.migrations()))
    assert_says(database.schema(replace(known, **changes)), state, said)


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [
        (0.3, "ok", "as the database's"),
        (4.0, "warning", "4.0 s behind that of the database; let both set their clocks by NTP"),
        (-70.0, "error", "70.0 s before that of the database"),
    ],
)
def test_a_clock_that_differs(ahead: float, state: str, said: str) -> None:
    assert_says(database.clock(replace(WELL, ahead_seconds=ahead)), state, said)


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, "ok", "an instance needs up to 26 of 94 connections: 3 instances fit"),
        ({"connections": 40}, "warning", "no second one fits beside it"),
        ({"connections": 20}, "error", "needs up to 26 of 17 connections; lower"),
    ],
)
def test_connections_that_do_not_fit(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], state: str, said: str
) -> None:
    found = database.connections(settings_of(monkeypatch), replace(WELL, **changes))
    assert_says(found, state, said)


@pytest.mark.parametrize(
    ("environment", "changes", "state", "said"),
    [
        ("production", {}, "ok", "TLS is in use"),
        ("production", {"encrypted": False}, "warning", "set database.ssl_required to true"),
        ("production", {"encrypted": False, "local": True}, "ok", "a socket of this machine"),
        ("development", {"encrypted": False}, "ok", "no TLS, as development may"),
    ],
)
def test_a_way_to_the_database_that_is_not_encrypted(
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    changes: dict[str, Any],
    state: str,
    said: str,
) -> None:
    settings = settings_of(monkeypatch, environment)
    assert_says(database.encryption(settings, replace(WELL, **changes)), state, said)


@pytest.mark.parametrize(
    ("count", "with_factor", "state", "said"),
    [
        (2, 2, "ok", "each with a second factor"),
        (2, 1, "warning", "1 of 2 without a second factor"),
        (0, 0, "error", "mltrading users add you@example.com --role admin"),
    ],
)
def test_administrators(count: int, with_factor: int, state: str, said: str) -> None:
    found = replace(WELL, administrators=count, second_factor=with_factor)
    assert_says(database.administrators(found), state, said)


def test_rights_on_the_audit_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    production = settings_of(monkeypatch)
    assert_says(database.audit([], production), "ok", "can not change it")
    assert_says(database.audit(["UPDATE", "DELETE"], production), "warning", "may UPDATE, DELETE;")
    development = settings_of(monkeypatch, "development")
    assert_says(database.audit(["ALTER TABLE"], development), "ok", "as in development")


@pytest.mark.parametrize(
    ("secret", "state", "said"),
    [
        (KEY, "ok", "64 characters"),
        (SECRET_KEY, "warning", "it repeats itself"),
        ("abcdefghijklmnopqrstuvwxyz" * 2, "warning", "it repeats itself"),
        ("abcdefghijklmnopqrstuvwxyz{|}~\x7f\x80", "warning", "it repeats itself"),
        ("correct horse battery staple and more", "ok", "37 characters"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaabcdefghijkl", "warning", "too few different letters"),
    ],
)  # fmt: skip
def test_a_key_that_can_be_guessed(secret: str, state: str, said: str) -> None:
    found = protection.key(secret)
    assert_says(found, state, said)
    assert secret not in f"{found}"


def test_protections_that_are_off_and_a_proxy_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def states(**variables: str) -> dict[str, str]:
        settings = settings_of(monkeypatch, MLTRADING_CONFIG=str(tmp_path), **variables)
        return {one.check: one.state for one in protection.examine(settings)}

    file = tmp_path / "production.yml"
    file.write_text("environment: production\n")
    assert set(states(MLTRADING_PROXY="on").values()) == {"ok"}
    monkeypatch.delenv("MLTRADING_PROXY")
    file.write_text("environment: production\nsecurity: {rate_limiting: false}\n")
    found = states()
    assert found.pop("proxy") == found.pop("security.rate_limiting") == "warning"
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize(
    ("host", "auth", "state"),
    [("127.0.0.1", "off", "ok"), ("0.0.0.0", "off", "error"), ("0.0.0.0", "on", "ok")],
)
def test_who_may_come(monkeypatch: pytest.MonkeyPatch, host: str, auth: str, state: str) -> None:
    settings = settings_of(monkeypatch, "development", HOST=host, MLTRADING_AUTH=auth)
    assert protection.signing_in(settings).state == state


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("total", "free", "state"),
    [(10**12, 5 * 10**11, "ok"), (10**12, 9 * 10**10, "warning"), (10**9, 10**8, "error")],
)
def test_a_disk_that_gets_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, total: int, free: int, state: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(total, total - free, free))
    found = machine.disk(tmp_path / "not" / "there" / "yet")
    assert found.state == state
    assert f"{free / 1e9:.1f} GB free" in found.detail


def test_a_data_folder_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert_says(machine.folder(tmp_path / "new"), "ok", "made when it is needed")
    file = tmp_path / "file"
    file.touch()
    assert_says(machine.folder(file), "error", "is no folder; name a folder")
    assert_says(machine.folder(file / "below"), "error", f"{file} is no folder")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert_says(machine.folder(tmp_path), "error", "can not be written to by user")


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    assert_says(machine.packages(lock), "ok", "not compared: there is no requirements.txt")
    installed = machine.metadata.version("dash")
    lock.write_text(
        f"dash=={installed} \\\n    --hash=sha256:00\n"
        "numpy==0.1 ; python_full_version < '3.0'\n"
        f"numpy=={machine.metadata.version('numpy')} ; python_full_version >= '3.0'\n"
        "of-another-system==1.0 ; sys_platform == 'win32' \\\n"
    )
    assert_says(machine.packages(lock), "ok", "3 as requirements.txt names them")
    lock.write_text("dash==0.1\nno-such-package-at-all==1\n")
    said = f"dash {installed}, not 0.1, no-such-package-at-all is missing; install with"
    assert_says(machine.packages(lock), "warning", said)


def test_the_committed_lock_is_understood() -> None:
    found = machine.packages(ROOT / "requirements.txt")
    assert found.state == "ok", found
    assert int(found.detail.split()[0]) > 40


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.python().state == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    assert_says(machine.python(), "error", "3.10.2; 3.11 or newer is needed")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SECRETKEY", "SECRET_KEY"),
        ("Secret_Keys", "SECRET_KEY"),
        ("OIDC_ISSUR", "OIDC_ISSUER"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("REDISURL", "REDIS_URL"),
        ("SLACK_WEB_HOOK", "SLACK_WEBHOOK"),
        ("ENVIROMENT", "ENVIRONMENT"),
        ("MLTRADINGHOME", "MLTRADING_HOME"),
        ("DASHDEBUG", "DASH_DEBUG"),
    ],
)
def test_a_name_that_is_almost_a_setting(name: str, meant: str) -> None:
    assert list(near_misses([name, "PATH"])) == [(name, meant)]


def test_names_of_others_are_left_alone() -> None:
    others = """HOSTNAME HOSTTYPE PORTS PATH HOME LANG TERM USER SHELL PWD DYNOS PGHOST PGPASSWORD
        DATABASE_REPLICA_URL HEROKU_APP_ID HEROKU_RELEASE_CREATED_AT HEROKU_SLUG_COMMIT KUBE_TOKEN
        SMOKE_EMAIL SMOKE_PASSWORD GITHUB_TOKEN PYTHONPATH VIRTUAL_ENV XDG_DATA_HOME REDIS_TLS_URL
        WEB_CONCURRENCY GUNICORN_CMD_ARGS SECURITY_TOKEN SNYK_TOKEN NODE_ENV"""
    known = [name.upper() for name in Variables.model_fields]
    assert list(near_misses([*others.split(), *known])) == []


def test_the_report_names_each_setting_with_its_origin_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_of(monkeypatch, DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/d", PORT="9000")
    monkeypatch.setenv("SECRETKEY", "s3cret")
    for words in (["doctor"], ["doctor", "--json"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 1
        said = capsys.readouterr()
        assert "s3cret" not in said.out + said.err and KEY not in said.out
    report = json.loads(said.out)
    found = {one["name"]: one for one in report["settings"]}
    wanted = [name.upper() for name in Variables.model_fields]
    wanted += [".".join(at) for at, _ in leaves(EnvironmentFile(environment="development"))]
    assert list(found) == wanted
    assert (found["PORT"]["value"], found["PORT"]["source"]) == ("9000", "environment")
    assert (found["HOST"]["value"], found["HOST"]["source"]) == ("127.0.0.1", "default")
    pool = found["database.connection_pool"]
    assert (pool["value"], pool["source"]) == ("20", "production.yml line 8")
    for name in ("DATABASE_URL", "SECRET_KEY"):
        assert found[name] == {"name": name, "value": None, "source": "environment", "secret": True}
    assert report["ok"] is False
    misses = [one for one in report["checks"] if one["check"] == "environment"]
    assert misses[0]["detail"] == "SECRETKEY is read by nobody"


def test_settings_that_are_wrong_are_one_finding_each_and_the_others_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("MLTRADING_AUTH", "on")
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert "error    settings  PORT must be a whole number from 1 to 65535, not 'many'" in lines
    assert any(
        line.startswith("error    settings  SECRET_KEY is not set: it must") for line in lines
    )
    assert any(line.startswith("ok       Python") for line in lines)
    assert lines[-1].endswith("2 errors, 0 warnings")


def test_what_does_nothing_without_another_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OIDC_DEFAULT_ROLE", "viewer")
    with pytest.raises(SystemExit):
        main(["doctor"])
    said = capsys.readouterr().out
    assert "OIDC_DEFAULT_ROLE does nothing without OIDC_ISSUER; set OIDC_ISSUER" in said


def test_lines_are_in_columns() -> None:
    settings = [Setting("A", "1", "default"), Setting("LONG", None, "environment", secret=True)]
    findings = [ok("a", "well"), warning("long", "so so", "do"), error("b", "bad", "mend")]
    assert list(as_lines(settings, findings)) == [
        "A     1               default",
        "LONG  set, not shown  environment",
        "ok       a     well",
        "warning  long  so so; do",
        "error    b     bad; mend",
        "3 checks: 1 errors, 1 warnings",
    ]
