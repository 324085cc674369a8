"""`mltrading release` on a real server: races, repetition, rollback onto a newer schema."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mltrading.adapters.postgres.migrate import FOLDER, migrations, upgrade
from mltrading.files import ROOT
from tests.database_fixtures import execute
from tests.factories import SECRET_KEY

pytestmark = pytest.mark.database

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLDER = "fedcba9876543210fedcba9876543210fedcba98"
RECORDED = "SELECT environment, commit, release, schema_version FROM deployments ORDER BY id"
OWN = (
    "ENVIRONMENT",
    "HEROKU_RELEASE_VERSION",
    "HEROKU_APP_NAME",
    "MLTRADING_COMMIT",
    "MLTRADING_CONFIG",
)


def mltrading(
    url: str, *words: str, source: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a platform does: `source` is the folder that holds the package."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    path = {"PYTHONPATH": str(source)} if source else {}
    return subprocess.run(
        [sys.executable, "-m", "mltrading", *words],
        env={**kept, **path, "DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def release(url: str, commit: str = COMMIT, label: str = "v1", **more: str) -> dict[str, object]:
    variables = {"MLTRADING_COMMIT": commit, "HEROKU_RELEASE_VERSION": label, **more}
    done = mltrading(url, "release", "--json", **variables)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_release_migrates_and_is_recorded_once(empty_database_url: str) -> None:
    newest = len(migrations())
    assert release(empty_database_url)["recorded"] is True
    assert release(empty_database_url)["recorded"] is False
    assert execute(empty_database_url, RECORDED) == [("development", COMMIT, "v1", newest)]
    [(actor, target, details)] = execute(
        empty_database_url,
        "SELECT actor, target, details FROM audit WHERE action = 'release.record'",
    )
    assert (actor, target) == ("console", "v1")
    assert json.loads(str(details))["commit"] == COMMIT
    assert execute(
        empty_database_url, "SELECT now() - finished_at < '1 minute' FROM deployments"
    ) == [(True,)]


def test_staging_gets_its_test_data_once_and_production_none(
    empty_database_url: str, tmp_path: Path
) -> None:
    symbols = "SELECT count(*), count(*) FILTER (WHERE simulated) FROM symbols"
    for environment, simulated in (("production", 0), ("staging", 100), ("staging", 100)):
        lines = (ROOT / f"{environment}.yml").read_text().replace("ssl_required: true", "")
        own = tmp_path / f"{environment}.yml"
        own.write_text(lines)
        release(empty_database_url, ENVIRONMENT=environment, MLTRADING_CONFIG=str(own))
        ((every, invented),) = execute(empty_database_url, symbols)
        assert (invented, every > invented) == (simulated, simulated > 0)


def test_the_same_commit_in_a_later_release_is_another_deployment(
    database_url: str, tmp_path: Path
) -> None:
    # Without database.ssl_required, for the test server speaks no TLS.
    (tmp_path / "staging.yml").write_text("environment: staging\nfeatures: {test_mode: false}\n")
    for label in ("v1", "v2"):
        assert release(database_url, label=label)["recorded"] is True
    staging = {"ENVIRONMENT": "staging", "MLTRADING_CONFIG": str(tmp_path)}
    assert release(database_url, label="v2", **staging)["environment"] == "staging"
    assert [row[:3] for row in execute(database_url, RECORDED)] == [
        ("development", COMMIT, "v1"),
        ("development", COMMIT, "v2"),
        ("staging", COMMIT, "v2"),
    ]


def test_two_apps_on_one_database_are_told_apart(database_url: str) -> None:
    for app in ("mltrading-green", "mltrading-prod"):
        assert release(database_url, label="v12", HEROKU_APP_NAME=app)["recorded"] is True
    assert execute(database_url, "SELECT release FROM deployments ORDER BY id") == [
        ("mltrading-green v12",),
        ("mltrading-prod v12",),
    ]


def test_four_at_once_migrate_and_record_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: release(empty_database_url), range(4)))
    assert sorted(bool(answer["recorded"]) for answer in answers) == [False, False, False, True]
    assert len(execute(empty_database_url, RECORDED)) == 1


def test_what_nobody_told_is_not_made_up(database_url: str) -> None:
    done = mltrading(database_url, "release", "--json")
    answer = json.loads(done.stdout)
    assert (answer["commit"], answer["release"]) == (None, None)
    assert [row[:3] for row in execute(database_url, RECORDED)] == [("development", "", "")]


def test_a_release_may_be_named_on_the_command_line(database_url: str) -> None:
    done = mltrading(database_url, "release", "--release", "blue-7", MLTRADING_COMMIT=COMMIT)
    assert done.stdout.startswith("recorded: development ")
    assert done.stdout.endswith(f"{COMMIT} blue-7\n")


def test_a_database_that_is_away_fails_the_release_in_one_line() -> None:
    done = mltrading("postgresql://me:s3cret@127.0.0.1:1/db", "release")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no answer from the database at 127.0.0.1:1/db" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The release before: this program without its newest migrations, run from its source as a
    platform does (Procfile)."""
    source = tmp_path / "older" / "src"
    shutil.copytree(ROOT / "src" / "mltrading", source / "mltrading", ignore=IGNORED)
    shutil.copy(ROOT / "CHANGELOG.md", source.parent)
    (source.parent / "REVISION").write_text(f"{OLDER}\n")
    return source


IGNORED = shutil.ignore_patterns("__pycache__")


def test_a_rolled_back_program_runs_and_is_recorded_on_a_newer_schema(
    database_url: str, owner_url: str, older: Path, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(FOLDER, newer)
    version = len(migrations()) + 1
    (newer / f"{version:04}_next.sql").write_text("ALTER TABLE symbols ADD COLUMN isin text")
    assert upgrade(owner_url, folder=newer) == [version]
    back = mltrading(database_url, "release", "--json", source=older, HEROKU_RELEASE_VERSION="v3")
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["commit"] == OLDER
    assert execute(database_url, RECORDED) == [("development", OLDER, "v3", version)]


def test_a_program_whose_needs_were_contracted_away_is_refused(
    database_url: str, owner_url: str, older: Path
) -> None:
    known = len(migrations())
    execute(owner_url, f"UPDATE schema_version SET version = {known + 2}, oldest = {known + 1}")
    refused = mltrading(database_url, "release", source=older)
    assert refused.returncode == 1
    assert f"works with programs that know {known + 1} or newer" in refused.stderr
    assert execute(database_url, RECORDED) == []


def test_the_version_is_known_where_the_source_runs_uninstalled(older: Path) -> None:
    program = (
        "import importlib.metadata as m\n"
        "def missing(name): raise m.PackageNotFoundError(name)\n"
        "m.version = missing\n"
        "import mltrading; print(mltrading.__version__, mltrading.__file__)"
    )
    (older.parent / "CHANGELOG.md").write_text("# Changelog\n\n## 9.8.7 - today\n\n## 9.8.6\n")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(older)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    version, file = done.stdout.split()
    assert version == "9.8.7"
    assert Path(file).is_relative_to(older)
