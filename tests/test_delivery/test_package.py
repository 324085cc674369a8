"""What a release is made of: complete, the same bytes every time, and without a secret."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from delivery.__main__ import main
from delivery.errors import DeliveryError
from delivery.package import CONFIGURATION, SUMS, bundle, package
from delivery.secrets import refuse_secrets
from tests.browser_fixtures import refuse_or_skip
from tests.factories import SECRET_KEY
from tests.test_delivery.programs import ROOT, tool

pytestmark = pytest.mark.tools

PARTS = ("src", "static", "pyproject.toml", "README.md", "CHANGELOG.md")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")
MOMENT = 1_700_000_000  # of the commit
SETTINGS = """
import json, mltrading, mltrading.settings as s
settings = s.load_settings()
print(json.dumps([mltrading.__file__, settings.connection_pool, settings.security.csrf_protection,
                  s.read_revision()]))
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    moment = {"GIT_AUTHOR_DATE": f"{MOMENT} +0000", "GIT_COMMITTER_DATE": f"{MOMENT} +0000"}
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words],
        env={**os.environ, **moment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "as it is")
    return git(folder, "rev-parse", "HEAD")


def copy_of(source: Path, target: Path) -> Path:
    """A repository of the files as they are now, committed."""
    names = [*PARTS, *(name for name in CONFIGURATION if (source / name).exists())]
    target.mkdir()
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source / name, target / name)
    git(target, "init", "--quiet")
    return target


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    tool("cyclonedx-py")
    if importlib.util.find_spec("hatchling") is None:
        refuse_or_skip("hatchling is not installed; make test-delivery installs it into .venv")


@pytest.fixture(autouse=True)
def no_other_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.delenv("GITHUB_SHA", raising=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_of(ROOT, tmp_path_factory.mktemp("package") / "repository")
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def dist(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished release, over the remains of an earlier one."""
    into = tmp_path_factory.mktemp("dist")
    (into / "mltrading-0.0.1-py3-none-any.whl").write_text("of yesterday")
    (into / "notes.txt").write_text("of somebody")
    package(repository, git(repository, "rev-parse", "HEAD"), into)
    return into


def only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_release_has_its_five_files_and_no_old_ones(dist: Path) -> None:
    version = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert version is not None
    assert {path.name for path in dist.iterdir()} == {
        f"mltrading-{version[1]}-py3-none-any.whl",
        f"mltrading-{version[1]}-static.tar.gz",
        f"mltrading-{version[1]}-configuration.tar.gz",
        f"mltrading-{version[1]}.cdx.json",
        SUMS,
        "notes.txt",
    }


def test_the_same_commit_gives_the_same_bytes(dist: Path, repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another" / "place"
    elsewhere.parent.mkdir()
    git(tmp_path, "clone", "--quiet", str(repository), str(elsewhere))
    (elsewhere / "static" / "app.css").write_text("a change that is not committed")
    package(elsewhere, git(elsewhere, "rev-parse", "HEAD"), tmp_path / "dist")
    expected = contents(dist)
    del expected["notes.txt"]
    assert contents(tmp_path / "dist") == expected


def test_the_sums_are_those_of_the_files(dist: Path) -> None:
    lines = [line.split("  ") for line in (dist / SUMS).read_text().splitlines()]
    assert len(lines) == 4
    for digest, name in lines:
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


def test_the_wheel_carries_what_the_program_reads(dist: Path, repository: Path) -> None:
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        names = set(wheel.namelist())
        revision = wheel.read("mltrading/config/REVISION").decode().strip()
    assert revision == git(repository, "rev-parse", "HEAD")
    for name in ("staging.yml", "production.yml", "alerting.yml"):
        assert f"mltrading/config/{name}" in names
    for path in (ROOT / "static").rglob("*"):
        if path.is_file():
            assert f"mltrading/{path.relative_to(ROOT)}" in names
    assert not [name for name in names if name.startswith(("tests", "delivery", "tools"))]


def test_an_installed_wheel_finds_its_configuration(dist: Path, tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    with zipfile.ZipFile(only(dist, "*.whl")) as wheel:
        wheel.extractall(site)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLTRADING_")}
    more = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://db.example/x"}
    more |= {"SECRET_KEY": SECRET_KEY}
    run = subprocess.run(
        [sys.executable, "-c", SETTINGS],
        cwd=tmp_path,
        env={**kept, **more, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    file, pool, protected, revision = json.loads(run.stdout)
    assert Path(file).is_relative_to(site)
    assert (pool, protected) == (20, True)
    assert re.fullmatch("[0-9a-f]{40}", revision)


def test_the_static_bundle_is_the_folder(dist: Path) -> None:
    with tarfile.open(only(dist, "*-static.tar.gz")) as tar:
        members = tar.getmembers()
        packed = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    files = [path for path in (ROOT / "static").rglob("*") if path.is_file()]
    assert packed == {str(path.relative_to(ROOT)): path.read_bytes() for path in files}
    assert [m.name for m in members] == sorted(packed)
    assert {(m.uid, m.uname, m.mode, m.mtime) for m in members} == {(0, "", 0o644, MOMENT)}


def test_the_configuration_bundle_has_every_file_that_is_there(dist: Path) -> None:
    with tarfile.open(only(dist, "*-configuration.tar.gz")) as tar:
        names = set(tar.getnames())
    there = {name for name in CONFIGURATION if (ROOT / name).exists()}
    assert names == there | {"REVISION"}
    needed = {"staging.yml", "production.yml", "alerting.yml", "Procfile", "runtime.txt"}
    assert needed <= names


def test_the_bill_of_materials_has_every_locked_package(dist: Path) -> None:
    bill = json.loads(only(dist, "*.cdx.json").read_text())
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.M)
    listed = {(part["name"].lower(), part["version"]): part for part in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "mltrading"
    assert len(locked) > 20
    for name, version in locked:
        part = listed[name.lower(), version]
        assert any(reference["hashes"] for reference in part["externalReferences"])
    assert len(bill["components"]) == len(locked)


def test_source_date_epoch_is_the_moment_of_everything(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    package(repository, "HEAD", tmp_path)
    with tarfile.open(only(tmp_path, "*-static.tar.gz")) as tar:
        assert {member.mtime for member in tar.getmembers()} == {1_600_000_000}
    with zipfile.ZipFile(only(tmp_path, "*.whl")) as wheel:
        assert {entry.date_time[0] for entry in wheel.infolist()} == {2020}
    assert "2020-09-13T12:26:40" in only(tmp_path, "*.cdx.json").read_text()


@pytest.mark.parametrize("moment", ["yesterday", "-1", "1.5", "0", "99999999999"])
def test_a_moment_that_is_none_is_refused(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
    with pytest.raises(DeliveryError, match=f"SOURCE_DATE_EPOCH is '{moment}'"):
        package(repository, "HEAD", tmp_path)


SECRETS = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
    "a password in an address": "url: postgresql://trader:hunter2@db.example/market",
    "a Slack webhook": "to: https://hooks.slack.com/services/T00/B00/xyz",
    "a Slack token": "x: xoxb-123456789012-abcdef",
    "a GitHub token": "x: ghp_" + "a1" * 18,
    "an AWS key": "id: AKIA" + "A1" * 8,
    "a Heroku key": "k: 01234567-89ab-cdef-0123-456789abcdef",
    "a signed token": "x: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
    "a PagerDuty key": '- pagerduty: "R0123456789ABCDEF0123456789ABCDE"',
    "a named secret": "SECRET_KEY: s3cretvalue",
}


@pytest.mark.parametrize(("kind", "line"), SECRETS.items(), ids=SECRETS)
def test_what_looks_like_a_secret_is_refused_by_its_place(
    tmp_path: Path, kind: str, line: str
) -> None:
    file = tmp_path / "staging.yml"
    file.write_text(f"environment: staging\n{line}\n")
    with pytest.raises(DeliveryError) as caught:
        refuse_secrets([file])
    assert f"staging.yml line 2: {kind}" in str(caught.value)
    assert line.split()[-1].strip('"') not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        '- pagerduty: "service-key"',
        "url: https://example.com:8080/path",
        "csrf_protection: true",
        "password: null",
        "secretstorage==3.3.3 \\",
        "    --hash=sha256:" + "ab" * 32,
        '"SECRET_KEY": {"generator": "secret"}',
        "# Keys and webhooks come from the environment; nothing here is a secret.",
    ],
)
def test_ordinary_lines_are_no_secret(tmp_path: Path, line: str) -> None:
    file = tmp_path / "app.yml"
    file.write_text(f"{line}\n")
    refuse_secrets([file])


def test_a_secret_stops_the_release_and_leaves_the_last_one(
    repository: Path, tmp_path: Path
) -> None:
    planted, into = tmp_path / "planted", tmp_path / "dist"
    git(tmp_path, "clone", "--quiet", str(repository), str(planted))
    with (planted / "production.yml").open("a") as file:
        file.write("# postgresql://trader:hunter2@db.example/market\n")
    commit(planted)
    into.mkdir()
    (into / "mltrading-0.0.1-py3-none-any.whl").write_text("of yesterday")
    with pytest.raises(DeliveryError, match=r"production\.yml line \d+: a password in an address"):
        package(planted, "HEAD", into)
    assert [path.name for path in into.iterdir()] == ["mltrading-0.0.1-py3-none-any.whl"]


def test_a_changelog_without_a_version_is_refused(repository: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    git(tmp_path, "clone", "--quiet", str(repository), str(changed))
    (changed / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    commit(changed)
    with pytest.raises(DeliveryError, match="CHANGELOG.md names no version"):
        package(changed, "HEAD", tmp_path / "dist")


def test_a_missing_program_is_named_with_the_way_out(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_alone = tmp_path / "bin"
    git_alone.mkdir()
    (git_alone / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(git_alone))
    monkeypatch.delenv("MLTRADING_TEST_TOOLS", raising=False)
    monkeypatch.setattr("delivery.scanner_programs.ROOT", tmp_path)
    with pytest.raises(DeliveryError, match="cyclonedx-py is not installed; "):
        package(repository, "HEAD", tmp_path / "dist")


def test_a_program_that_fails_is_one_line(repository: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    git(tmp_path, "clone", "--quiet", str(repository), str(broken))
    (broken / "pyproject.toml").write_text("[project\n")
    commit(broken)
    with pytest.raises(DeliveryError, match="failed: ") as caught:
        package(broken, "HEAD", tmp_path / "dist")
    assert "\n" not in str(caught.value)


def test_order_and_place_of_the_files_change_no_byte(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("one")
    second.write_text("two")
    forward = bundle({"x": first, "y": second}, MOMENT)
    second.touch()
    second.chmod(0o600)
    assert bundle({"y": second, "x": first}, MOMENT) == forward
    assert bundle({"x": first, "y": second}, MOMENT + 1) != forward


def test_the_command_says_what_it_made_and_of_which_commit(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dirty = tmp_path / "dirty"
    git(tmp_path, "clone", "--quiet", str(repository), str(dirty))
    (dirty / "Procfile").write_text("web: something else\n")
    monkeypatch.chdir(dirty)
    assert main(["package", "--into", "made"]) == 0
    printed = capsys.readouterr().out
    assert f"the working tree differs from {git(dirty, 'rev-parse', 'HEAD')[:12]}" in printed
    assert printed.count(" bytes  made/") == 5
    assert main(["package", "--commit", "no-such-commit"]) == 1
    assert capsys.readouterr().err.startswith("delivery: ")
