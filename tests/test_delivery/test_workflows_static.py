"""What the field's own checkers say of workflows, scripts and other YAML; each is shown to bite."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_delivery.programs import ROOT, tool

pytestmark = pytest.mark.tools

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
STAND_INS = sorted((ROOT / "tests" / "test_delivery" / "stand_ins").glob("*/action.yml"))


def run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    beside = Path(tool("shellcheck")).parent  # actionlint looks for it in PATH
    path = f"{beside}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": ""},  # compile them once only
        capture_output=True,
        text=True,
        check=False,
    )


# In one process: check-jsonschema takes two seconds to load.
IN_A_ROW = """
import json, sys
from check_jsonschema.cli import main
for name, *files in json.loads(sys.argv[1]):
    try:
        main(["--builtin-schema", name, *files])
    except SystemExit as ended:
        print("ended", ended.code)
"""


def schemas(*asked: tuple[str, list[Path]]) -> tuple[list[int], str]:
    """How check-jsonschema judges files by each schema that is built into it."""
    words = json.dumps([[name, *map(str, files)] for name, files in asked])
    answer = run(Path(tool("check-jsonschema")).parent / "python", "-c", IN_A_ROW, words)
    lines = answer.stdout.splitlines()
    ended = [int(line.split()[1]) for line in lines if line.startswith("ended ")]
    assert len(ended) == len(asked), answer.stderr
    return ended, answer.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of .github that a test may break."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def broken(copy: Path, old: str, new: str, name: str = "rollback.yml") -> Path:
    path = copy / ".github" / "workflows" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_actionlint_finds_nothing() -> None:
    answer = run(tool("actionlint"), *WORKFLOWS)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-99.04", "unknown"),
        ("inputs.to }}", "inputs.too }}", "not defined"),
        ('${TO:+--to "$TO"}', "$TO", "SC2086"),  # by shellcheck, so that one runs too
    ],
)
def test_actionlint_bites(copy: Path, old: str, new: str, said: str) -> None:
    answer = run(tool("actionlint"), broken(copy, old, new), folder=copy)
    assert answer.returncode == 1
    assert said in answer.stdout


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(tool("zizmor"), "--offline", "--no-progress", ".github", folder=folder)


def test_zizmor_finds_nothing() -> None:
    answer = zizmor(ROOT)
    assert answer.returncode == 0, answer.stdout
    assert "No findings to report" in answer.stdout


@pytest.mark.parametrize(
    "old, new, said",
    [
        (
            "    permissions:\n      contents: read\n",
            "    permissions: write-all\n",
            "excessive-permissions",
        ),
        ('${TO:+--to "$TO"}', "${{ inputs.to }}", "template-injection"),
        (
            "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
            "actions/checkout@v7",
            "unpinned-uses",
        ),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n", "artipacked"),
    ],
)
def test_zizmor_bites(copy: Path, old: str, new: str, said: str) -> None:
    broken(copy, old, new)
    answer = zizmor(copy)
    assert answer.returncode != 0
    assert said in answer.stdout


def test_every_exception_for_zizmor_has_its_reason() -> None:
    lines = (ROOT / ".github" / "zizmor.yml").read_text().splitlines()
    for line in lines:
        if "disable:" in line or "ignore" in line:
            assert " # " in line
    texts = [path.read_text() for path in [*WORKFLOWS, *ACTIONS]]
    assert not [text for text in texts if "zizmor: ignore" in text]


def test_files_fit_their_schemas_and_broken_ones_do_not(copy: Path) -> None:
    minutes = broken(copy, "    timeout-minutes: 10\n", "    timeout: 10\n")
    nobody = copy / "dependabot.yml"
    nobody.write_text("version: 2\nupdates: [{package-ecosystem: pip}]\n")
    ended, said = schemas(
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.github-actions", [*ACTIONS, *STAND_INS]),
        ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
        ("vendor.github-workflows", [minutes]),
        ("custom.github-workflows-require-timeout", [minutes]),
        ("vendor.github-actions", [minutes]),
        ("vendor.dependabot", [nobody]),
    )
    assert ended == [0, 0, 0, 0, 1, 1, 1, 1], said


def test_yamllint_finds_nothing_and_bites(tmp_path: Path) -> None:
    files = [
        ROOT / ".github",
        *ROOT.glob("*.yml"),
        *ROOT.glob("*.yaml"),
        ROOT / ".pre-commit-config.yaml",
    ]
    config = ROOT / ".yamllint"
    answer = run(tool("yamllint"), "--strict", "--config-file", config, *files)
    assert answer.returncode == 0, answer.stdout
    twice = tmp_path / "twice.yml"
    twice.write_text("a: 1\na: 2\n")
    answer = run(tool("yamllint"), "--strict", "--config-file", config, twice)
    assert "duplication of key" in answer.stdout and answer.returncode == 1


def scripts() -> list[Path]:
    """Every shell script that git keeps, by its name or its first line."""
    kept = run("git", "ls-files", "-z").stdout.split("\0")
    paths = [ROOT / name for name in kept if name and (ROOT / name).is_file()]
    return [path for path in paths if path.suffix == ".sh" or _shell(path)]


def _shell(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.split()[-1].endswith((b"/sh", b"bash"))


def test_shellcheck_finds_nothing_in_any_script_and_bites(tmp_path: Path) -> None:
    found = scripts()
    assert {ROOT / ".ci" / "run", ROOT / "tools" / "bootstrap.sh"} <= set(found)
    answer = run(tool("shellcheck"), *found)
    assert answer.returncode == 0, answer.stdout
    careless = tmp_path / "careless.sh"
    careless.write_text("#!/bin/sh\nrm -r $1\n")
    assert "SC2086" in run(tool("shellcheck"), careless).stdout
