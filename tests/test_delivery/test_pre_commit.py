"""The hooks before a commit: valid, offline, and each refuses what it is there for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.security import LEFT_OUT
from tests.test_delivery.programs import ROOT, tool
from tests.test_delivery.workflow_run import STAND_INS

pytestmark = pytest.mark.tools

CONFIG = ".pre-commit-config.yaml"
PLANTED = {
    "black": ("src/planted.py", "x = {  'a':1 }\n"),
    "isort": ("src/planted.py", "import sys\nimport os\n\nprint(os, sys)\n"),
    "flake8": ("src/planted.py", "import os\n"),
    "mypy": ("src/planted.py", "def half(number: int) -> str:\n    return number / 2\n"),
    "bandit": (
        "src/planted.py",
        "import subprocess\n\n\ndef run(words: str) -> None:\n"
        "    subprocess.run(words, shell=True, check=True)\n",
    ),
    "detect-secrets": ("src/planted.py", f'SLACK_PASSWORD = "{"hk4Rz9"}{"vQ2mWx"}"\n'),
    "actionlint": (
        ".github/workflows/planted.yml",
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    needs: two\n"
        "    steps:\n      - run: 'true'\n",
    ),
}
OURS = (".github", "bin", "delivery", "deploy", "docs/*.md", "src", "tools", "*.yml", "*.toml")
ONLY_LINES_MOVED = 3
CLEAN = '"""Nothing to complain about."""\n\nANSWER = 42\n'


def hooks() -> list[dict[str, Any]]:
    (local,) = yaml.safe_load((ROOT / CONFIG).read_text())["repos"]
    assert local["repo"] == "local"  # any other is fetched from its forge
    listed: list[dict[str, Any]] = local["hooks"]
    return listed


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository with our hooks, and the programs where they look for them."""
    folder = tmp_path_factory.mktemp("hooks")
    for name in (CONFIG, ".flake8", "pyproject.toml", ".secrets.baseline"):
        shutil.copy(ROOT / name, folder / name)
    for name, program in ((".venv", sys.executable), (".venv-tools", tool("pre-commit"))):
        (folder / name).mkdir()
        (folder / name / "bin").symlink_to(Path(program).parent)
    (folder / ".gitignore").write_text("/.venv\n/.venv-tools\n/state\n")
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    for package in checked:
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
    (folder / "state").mkdir()
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "add", "--all"], check=True)
    return folder


def hook(repository: Path, name: str, path: str, text: str, failing: str = "") -> tuple[int, str]:
    """What a hook says of one file that is about to be committed."""
    state = repository / "state"
    (state / "fail").write_text(failing)
    planted = repository / path
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text)
    subprocess.run(["git", "-C", str(repository), "add", path], check=True)
    answer = subprocess.run(
        [tool("pre-commit"), "run", "--color", "never", name, "--files", path],
        cwd=repository,
        env={
            **os.environ,
            "PATH": f"{STAND_INS / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PRE_COMMIT_HOME": str(state / "pre-commit"),
            "STAND_IN": str(state),
            "GITHUB_JOB": "",
            "PYTHONDONTWRITEBYTECODE": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr


def test_the_configuration_is_valid() -> None:
    answer = subprocess.run(
        [tool("pre-commit"), "validate-config", str(ROOT / CONFIG)], check=False
    )
    assert answer.returncode == 0


def test_each_hook_has_a_case_here() -> None:
    assert {one["id"] for one in hooks()} == {*PLANTED, "regression-tests"}


@pytest.mark.parametrize("name", PLANTED)
def test_each_hook_refuses_its_planted_fault_and_lets_clean_code_pass(
    repository: Path, name: str
) -> None:
    path, fault = PLANTED[name]
    code, said = hook(repository, name, path, fault)
    assert code == 1 and "Failed" in said, said
    clean = CLEAN if path.endswith(".py") else fault.replace("    needs: two\n", "")
    code, said = hook(repository, name, path, clean)
    assert code == 0 and "Passed" in said, said


def test_the_regression_hook_runs_the_quick_set_and_refuses_when_it_fails(repository: Path) -> None:
    code, said = hook(repository, "regression-tests", "src/planted.py", CLEAN, "make smoke\n")
    assert code == 1 and "Failed" in said, said
    code, said = hook(repository, "regression-tests", "src/planted.py", CLEAN)
    assert code == 0 and "Passed" in said, said
    assert (repository / "state" / "commands").read_text().count("make smoke") == 2


def test_hooks_and_ci_agree_on_what_is_left_out() -> None:
    (bandit,) = [one for one in hooks() if one["id"] == "bandit"]
    assert bandit["entry"].endswith(f" --skip {LEFT_OUT}")


def test_no_secret_is_kept_that_nobody_looked_at(tmp_path: Path) -> None:
    baseline = shutil.copy(ROOT / ".secrets.baseline", tmp_path)  # moved lines are noted in it
    (found,) = [one for one in hooks() if one["id"] == "detect-secrets"]
    kept = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", *OURS],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    names = [name for name in kept if name and not re.match(found["exclude"], name)]
    assert len(names) > 100
    answer = subprocess.run(
        [tool("detect-secrets-hook"), "--baseline", str(baseline), *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode in (0, ONLY_LINES_MOVED), answer.stdout
