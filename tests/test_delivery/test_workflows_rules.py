"""The workflow files hold every rule, and each rule notices when it is broken."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from delivery.__main__ import VERBS
from tests.test_delivery.programs import ROOT
from tests.test_delivery.workflow_rules import (
    CI,
    PRODUCTION,
    ROLLBACK,
    STAGING,
    TABLE,
    problems,
    read_files,
)
from tools.browsers import BROWSERS

PINNED = "actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9 # v6.1.0"
SET_UP = ".github/actions/set-up/action.yml"

BROKEN = [
    ("pins", SET_UP, PINNED, "actions/cache@v6"),
    ("pins", SET_UP, PINNED, PINNED.replace("55cc", "55cd")),
    ("pins", SET_UP, PINNED, PINNED.replace("v6.1.0", "v6.1.1")),
    ("pins", SET_UP, f"- uses: {PINNED}", f"- {{uses: {PINNED.split()[0]}}}"),
    ("pins", TABLE, '"v6.1.0"', '"v6.1.1"'),
    ("events", CI, "  pull_request:\n", "  pull_request_target:\n"),
    ("events", ROLLBACK, "  workflow_dispatch:\n", "  workflow_run:\n  workflow_dispatch:\n"),
    ("permissions", CI, "permissions: {}\n", "permissions: write-all\n"),
    ("permissions", CI, "      issues: write", "      issues: write\n      actions: write"),
    ("permissions", PRODUCTION, "      checks: read # whether `check` is green\n", ""),
    ("secrets", CI, "  unit:\n", "  unit:\n    env: {K: '${{ secrets.HEROKU_API_KEY }}'}\n"),
    (
        "secrets",
        CI,
        "      - run: make test-wheel\n",
        "      - run: make test-wheel # \n        env: {K: '${{ secrets.SLACK_WEBHOOK }}'}\n",
    ),
    ("secrets", ROLLBACK, "          SMOKE_PASSWORD: ${{ secrets.SMOKE_PASSWORD }}\n", ""),
    ("environment", PRODUCTION, "      name: production\n", "      name: prod\n"),
    ("environment", ROLLBACK, "    environment: production-rollback\n", ""),
    ("environment", STAGING, "'staging-manual'", "'staging'"),
    (
        "concurrency",
        PRODUCTION,
        "deploy-production\n      cancel-in-progress: false",
        "deploy-production\n      cancel-in-progress: true",
    ),
    (
        "concurrency",
        STAGING,
        "      group: deploy-staging",
        "      group: deploy-${{ github.ref }}",
    ),
    ("concurrency", ROLLBACK, "cancel-in-progress: false", "cancel-in-progress: true"),
    ("concurrency", CI, "|| github.run_id", "|| github.ref"),
    ("concurrency", CI, "${{ github.event_name == 'pull_request' }}", "true"),
    ("runner", ROLLBACK, "runs-on: ubuntu-24.04", "runs-on: ubuntu-latest"),
    ("timeout", ROLLBACK, "    timeout-minutes: 10\n", ""),
    ("scripts", ROLLBACK, '${TO:+--to "$TO"}', "${{ inputs.to }}"),
    ("scripts", CI, "      - run: make check\n", "      - run: echo PATH=x >> $GITHUB_ENV\n"),
    ("checkout", ROLLBACK, "        with:\n          persist-credentials: false\n", ""),
    (
        "isolation",
        ROLLBACK,
        "- uses: ./.github/actions/delivery",
        "- uses: ./.github/actions/set-up",
    ),
    ("gates", CI, "needs: [quality, ", "needs: ["),
    ("gates", CI, "    if: always()\n    runs-on", "    runs-on"),
    ("gates", CI, "  quality:\n", "  quality:\n    if: github.event_name != 'push'\n"),
    ("gates", CI, "  quality:\n", "  quality:\n    continue-on-error: true\n"),
    (
        "gates",
        CI,
        "  deploy-production:\n    needs: publish\n",
        "  deploy-production:\n",
    ),
    ("gates", CI, "github.ref == 'refs/heads/develop'", "github.ref != 'refs/heads/main'"),
    (
        "gates",
        CI,
        "    if: github.event_name == 'push' && github.ref == 'refs/heads/develop'\n",
        "    if: always() && github.ref == 'refs/heads/develop'\n",
    ),
    (
        "gates",
        CI,
        "  publish:\n    needs: check\n    if: github.event_name == 'push'\n",
        "  publish:\n    needs: check\n    if: vars.DEPLOY_TARGET == 'kubernetes'\n",
    ),
    ("gates", CI, "  publish:\n    needs: check\n", "  publish:\n"),
    ("permissions", CI, "      packages: write #", "      packages: read #"),
    (
        "gates",
        PRODUCTION,
        "    needs: [stage, integration]\n    runs",
        "    needs: [stage]\n    runs",
    ),
    (
        "gates",
        PRODUCTION,
        "run: python -m delivery gate production",
        "run: python -m delivery gate production || true",
    ),
    (
        "gates",
        PRODUCTION,
        "- run: python -m delivery gate production",
        "- if: github.event_name == 'push'\n        run: python -m delivery gate production",
    ),
    ("gates", STAGING, "- if: github.event_name == 'workflow_dispatch'", "- if: false"),
    ("gates", STAGING, "    if: always()\n", ""),
]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return read_files(ROOT)


def test_the_workflow_files_hold_every_rule(files: dict[str, str]) -> None:
    assert problems(files) == []


@pytest.mark.parametrize("rule, path, old, new", BROKEN)
def test_each_rule_notices_when_it_is_broken(
    files: dict[str, str], rule: str, path: str, old: str, new: str
) -> None:
    assert files[path].count(old) == 1, f"{old!r} occurs {files[path].count(old)} times"
    found = problems({**files, path: files[path].replace(old, new)})
    assert [line for line in found if line.startswith(f"{rule}:")], found


def test_a_workflow_that_no_table_knows_is_noticed(files: dict[str, str]) -> None:
    path = ".github/workflows/other.yml"
    assert any(path in line for line in problems({**files, path: files[ROLLBACK]}))


def commands(files: dict[str, str]) -> set[str]:
    texts = [yaml.safe_load(text) for path, text in files.items() if path.endswith(".yml")]
    jobs = [job for text in texts for job in text.get("jobs", {"": text.get("runs")}).values()]
    return {step["run"] for job in jobs for step in job.get("steps", []) if "run" in step}


def test_each_step_calls_a_command_that_runs_on_a_laptop(files: dict[str, str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = commands(files)
    made = {word for text in called for word in re.findall(r"\bmake (\S+)", text)}
    verbs = {
        word for text in called for word in re.findall(r"-m delivery (\S+?)\)?[\s\"]", text + " ")
    }
    assert made <= targets
    assert verbs <= set(VERBS)
    other = [text for text in called if not re.search(r"\bmake |-m delivery |-m pip ", text)]
    assert sorted(other) == [
        'echo "$GATES"\ntest "$PASSED" = true\n',
        'test "$GITHUB_REF" = refs/heads/main',
    ]


def test_code_owners_and_dependabot_watch_what_there_is() -> None:
    owned = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    for line in owned:
        pattern = line.partition(" ")[0].strip("/")
        if pattern not in ("", "#", "*"):
            assert list(ROOT.glob(pattern)), f"nothing is called {pattern}"
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"pip", "github-actions", "docker"}
    for one in updates:
        assert one["cooldown"]["default-days"] == 7
        for folder in one.get("directories", [one.get("directory")]):
            assert list(ROOT.glob(f".{folder}/*")), f"there is no {folder}"


def test_actions_of_our_own_are_used(files: dict[str, str]) -> None:
    text = "".join(files.values())
    for path in files:
        folder = Path(path).parent
        if folder.parent.name == "actions":
            assert f"uses: ./{folder}\n" in text


BROWSER_TESTS = [
    f"tests/test_{name}_regression.py" for name in ("dashboard", "page_fit", "sign_in")
]


def chosen(*words: str) -> set[str]:
    """The browser tests that a target of the Makefile would run."""
    answer = subprocess.run(
        ["make", "--dry-run", "--always-make", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = answer.stdout.replace("\\\n", " ").splitlines()
    (line,) = [line for line in lines if "pytest" in line and "-m browser" in line]
    options = shlex.split(line[line.rindex("pytest") :])[1:]
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", *options, *BROWSER_TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in collected.stdout.splitlines() if "::" in line}


def test_regression_is_split_by_browser_and_a_row_has_flows_of_its_browser() -> None:
    chromium, firefox = (chosen("regression", f"BROWSER={name}") for name in BROWSERS)
    assert len(chromium) > 50 and len(firefox) > 50
    assert not chromium & firefox
    assert {one.replace("firefox", "chromium") for one in firefox} <= chromium
    row = chosen("matrix-row", "PG=16", "BROWSER=firefox")
    assert 4 <= len(row) < 10
    assert row < firefox
