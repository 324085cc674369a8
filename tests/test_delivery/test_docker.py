"""The image and the composition: what they are made of, and that what they start answers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from psycopg2.extensions import parse_dsn

from mltrading.adapters.postgres import grants
from mltrading.adapters.postgres.binaries import find_binaries
from mltrading.adapters.postgres.migrate import upgrade
from tests.database_fixtures import execute
from tests.factories import SECRET_KEY
from tests.test_delivery.image import Stage, build, context_files, instructions, privileged
from tests.test_delivery.programs import ROOT, tool
from tests.waiting import wait_until

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def lint(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


def composition() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def test_what_make_image_imports_in_the_image_needs_no_database() -> None:
    """`docker run` of the Makefile, with the environment of the image and without the engine."""
    recipe = (ROOT / "Makefile").read_text().partition("docker run --rm ")[2].partition("\n\n")[0]
    words = shlex.split(recipe.replace("\\\n", " "))
    image = words.index("mltrading")
    given = dict(word.split("=", 1) for word in words[:image] if "=" in word)
    done = subprocess.run(
        [sys.executable, *words[image + 2 :]],
        env=os.environ | {"ENVIRONMENT": "production"} | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, words[image + 1]) == (0, "python"), done.stderr


@pytest.mark.tools
def test_hadolint_finds_nothing_in_the_dockerfile_and_something_in_a_bad_one(
    tmp_path: Path,
) -> None:
    done = lint(tool("hadolint"), "--failure-threshold", "style", str(DOCKERFILE))
    assert done.returncode == 0, done.stdout
    bad = tmp_path / "Dockerfile"
    bad.write_text(DOCKERFILE.read_text().replace("WORKDIR /app", "WORKDIR app"))
    done = lint(tool("hadolint"), "--failure-threshold", "style", str(bad))
    assert done.returncode == 1 and "DL3000" in done.stdout


@pytest.mark.tools
def test_the_composition_fits_the_official_schema_and_a_misspelt_key_does_not(
    tmp_path: Path,
) -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = lint(*check, str(COMPOSE))
    assert done.returncode == 0, done.stdout
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("depends_on:", "depend_on:"))
    done = lint(*check, str(bad))
    assert done.returncode == 1 and "depend_on" in done.stdout


def test_every_base_image_names_a_version() -> None:
    arguments = dict(
        rest.split("=", 1) for word, rest in instructions(DOCKERFILE.read_text()) if word == "ARG"
    )
    assert arguments["PYTHON_IMAGE"] == "python:3.13-slim-trixie"
    assert composition()["services"]["database"]["image"] == "postgres:17-trixie"


def test_the_image_runs_the_python_of_the_platform() -> None:
    version = (ROOT / "runtime.txt").read_text().strip().replace("-", ":")
    assert f"ARG PYTHON_IMAGE={version}-slim" in DOCKERFILE.read_text()


def test_the_composition_and_the_image_start_what_the_procfile_starts() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    services = composition()["services"]
    command = json.loads(dict(instructions(DOCKERFILE.read_text()))["CMD"])
    assert lines["web"].endswith(" ".join(command[2:]))
    for name in ("release", "worker"):
        if name in lines:
            assert lines[name].endswith(" ".join(services[name]["command"]))
    assert services["web"]["depends_on"]["release"] == {
        "condition": "service_completed_successfully"
    }


def test_the_composition_holds_no_secret_and_is_reached_from_this_machine_alone() -> None:
    services = composition()["services"]
    for service in services.values():
        for name, value in service["environment"].items():
            if any(word in name for word in ("PASSWORD", "KEY", "WEBHOOK", "SMTP")):
                assert value.startswith("${"), name
    for name in ("release", "web", "worker"):
        told = services[name]["environment"]
        assert (told["MLTRADING_AUTH"], told["ENVIRONMENT"]) == ("on", "development")
        assert told["SECRET_KEY"].startswith("${SECRET_KEY:?"), "it listens on every address"
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:${PORT:-8050}:8050"]
    for name in ("release", "web", "worker"):
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]


@pytest.mark.database
def test_the_composition_works_as_a_role_that_can_not_change_the_audit_trail(
    empty_database_url: str,
) -> None:
    """The service `role` as it is, twice, on a server of the tests; then what `release` does."""
    services = composition()["services"]
    told = {name: services[name]["environment"] for name in ("role", "release", "web", "worker")}
    assert [name for name in told if "DATABASE_OWNER_URL" in told[name]] == ["release"]
    assert [name for name in told if "PGPASSWORD" in told[name]] == ["role", "release"]
    owner = user_of(told["release"]["DATABASE_OWNER_URL"])
    assert owner == told["role"]["PGUSER"] == services["database"]["environment"]["POSTGRES_USER"]
    users = {user_of(told[name]["DATABASE_URL"]) for name in ("release", "web", "worker")}
    assert users == {grants.APPLICATION}

    known, password = parse_dsn(empty_database_url), 'it\'s "$HOME" \\ ;'
    here = {"PGHOST": known["host"], "PGUSER": known["user"], "PGDATABASE": known["dbname"]}
    path = f"{find_binaries(None)}:{os.environ['PATH']}"
    for _ in range(2):
        subprocess.run(
            [word.replace("$$", "$") for word in services["role"]["command"]],
            env={**os.environ, **here, "APPLICATION_PASSWORD": password, "PATH": path},
            check=True,
            timeout=60,
        )
    assert password_fits(empty_database_url, grants.APPLICATION, password)
    assert not password_fits(empty_database_url, grants.APPLICATION, "another")
    application = grants.with_role(empty_database_url, grants.APPLICATION)
    upgrade(empty_database_url)
    assert grants.share(empty_database_url, application)
    assert grants.alters_audit(application) == []


def user_of(address: str) -> str | None:
    return urlsplit(re.sub(r"\$\{[^}]+\}", "variable", address)).username


def password_fits(url: str, role: str, password: str) -> bool:
    """Whether the server keeps that password for the role (RFC 5803)."""
    [(kept,)] = execute(url, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'")
    iterations, salt, key, _ = re.split("[:$]", str(kept).removeprefix("SCRAM-SHA-256$"))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client).digest() == b64decode(key)


def test_the_engine_is_sent_only_what_the_image_is_made_of(tmp_path: Path) -> None:
    wanted = ["requirements.txt", "production.yml", "src/mltrading/app.py", "static/app.css"]
    hidden = [".env", ".git/config", "tests/a.py", "src/mltrading/__pycache__/a.pyc", "notes.txt"]
    for name in [*wanted, *hidden]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert context_files(tmp_path, (ROOT / ".dockerignore").read_text()) == sorted(wanted)


class Container:
    """A command in the image, with a free port of this machine."""

    def __init__(self, image: Stage) -> None:
        self.image = image
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = str(listener.getsockname()[1])
        self.variables = {"PORT": self.port, "DATABASE_URL": NOWHERE, "SECRET_KEY": SECRET_KEY}
        self.log = image.root.parent / f"{self.port}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                image.words(image.command, writable=False, **self.variables),
                stdout=output,
                stderr=output,
            )

    def execute(self, *words: str) -> subprocess.CompletedProcess[str]:
        return lint(*self.image.words(list(words), writable=False, **self.variables))

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as came:
                return came.status, json.load(came)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def signal(self, number: int) -> None:
        subprocess.run([*privileged(), "kill", f"-{number}", str(self.process.pid)], check=False)

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("image")
    files = context_files(ROOT, (ROOT / ".dockerignore").read_text())
    yield build(DOCKERFILE.read_text(), ROOT, files, folder, COMMIT=COMMIT)
    if os.geteuid():
        subprocess.run([*privileged(), "rm", "-rf", str(folder)], check=True)
    else:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def container(image: Stage) -> Iterator[Container]:
    running = Container(image)
    try:
        wait_until(lambda: answers(running), "the image's server answers", timeout=60)
        yield running
    finally:
        running.close()


def answers(container: Container) -> bool:
    assert container.process.poll() is None, container.log.read_text()
    try:
        return container.get("/health/live")[0] == 200
    except OSError:
        return False


def test_the_image_answers_as_the_commit_it_was_built_from(container: Container) -> None:
    assert (container.image.root / "app" / "REVISION").read_text() == f"{COMMIT}\n"
    status, body = container.get("/health/live")
    assert status == 200
    assert body["commit"] == COMMIT


def test_the_image_holds_no_test_and_no_history(container: Container) -> None:
    there = {path.name for path in (container.image.root / "app").iterdir()}
    assert there == {
        *("src", "static", "REVISION", "CHANGELOG.md", "requirements.txt"),
        *("alerting.yml", "production.yml", "staging.yml"),
    }


def test_a_database_that_is_away_makes_it_unready_and_leaves_it_alive(container: Container) -> None:
    assert container.get("/health/ready")[0] == 503
    assert container.get("/health/live")[0] == 200


def test_it_runs_as_a_user_who_can_change_nothing_of_it(container: Container) -> None:
    assert container.execute("id", "-u").stdout.strip() == "10001"
    refused = container.execute("touch", "/app/src/mltrading/planted.py")
    assert refused.returncode == 1 and "planted" in refused.stderr
    command = Path(f"/proc/{container.process.pid}/status").read_text()
    assert "Uid:\t10001\t10001\t10001\t10001" in command


def test_the_healthcheck_tells_an_answering_server_from_a_silent_one(container: Container) -> None:
    check = container.image.healthcheck
    assert container.execute(*check).returncode == 0
    silent = lint(*container.image.words(check, PORT="1"))
    assert silent.returncode == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "DATABASE_URL is not set; production needs a PostgreSQL server"),
        ({"DATABASE_URL": NOWHERE}, "SECRET_KEY is not set: it must be 32 or more random"),
    ],
)
def test_a_missing_setting_ends_the_start_in_one_line(
    image: Stage, variables: dict[str, str], said: str
) -> None:
    done = lint(*image.words(image.command, PORT="1", **variables))
    assert done.returncode != 0
    assert said in done.stderr


def test_the_stop_signal_ends_it_cleanly(image: Stage) -> None:
    running = Container(image)
    try:
        wait_until(lambda: answers(running), "the image's server answers", timeout=60)
        running.signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
    finally:
        running.close()
