"""The pages about delivery name only what there is, and everything there is."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery.__main__ import VERBS, build_parser
from delivery.matrix import rows
from delivery.platforms import PATIENCE
from delivery.settings import FILE, load
from mltrading.__main__ import build_parser as build_mltrading
from mltrading.services.ports import DatabaseState
from mltrading.settings.variables import Variables
from tests.test_delivery.programs import ROOT

DELIVERY, RUNBOOK = ROOT / "docs" / "delivery.md", ROOT / "docs" / "runbook.md"
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*/README.md")]
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
CALLERS = {"deploy-staging", "deploy-production"}
NOT_READ = {"HEROKU_EMAIL", "DASH_TESTING"}  # of the original document; the page says so
MADE_LATER = ("build/", "dist/", ".venv")
PLACEHOLDERS = {"VERB"}
SOURCES = {
    path: path.read_text(encoding="utf-8")
    for folder in ("delivery", "src/mltrading")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code(text: str) -> Iterator[str]:
    """Each code span, and each line of the shell blocks, in one line."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (line.split("  #")[0].strip() for line in block.splitlines())
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        yield " ".join(span.split())


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def table(text: str, first: str) -> list[list[str]]:
    """The cells of the table whose first heading is `first`."""
    lines = text[text.index(f"\n| {first} |") + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def accepted(parser: argparse.ArgumentParser, words: list[str]) -> str | None:
    """None, or what the command line's parser says against it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(words)
    except SystemExit as ended:
        return said.getvalue().strip().splitlines()[-1] if ended.code else None
    return None


def wrong_commands(text: str) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(text):
        for match in re.finditer(r"python -m (delivery|mltrading)( [^()]+)", line):
            words = shlex.split(match[2].split('")')[0].rstrip('"'))
            if PLACEHOLDERS & set(words):
                continue
            build = build_parser if match[1] == "delivery" else build_mltrading
            said = accepted(build(words), words)
            if said:
                yield f"{match[0]}: {said}"
        for target in re.findall(r"^make ([a-z-]+)", line):
            if target not in targets:
                yield f"make {target}"
        if re.match(r"mltrading [a-z]+", line):
            words = line.split()[1:]
            said = accepted(build_mltrading(words), words)
            if said:
                yield f"{line}: {said}"
        for name in re.findall(
            r"gh (?:workflow run|workflow view|run list --workflow) (\S+)", line
        ):
            if name not in WORKFLOWS:
                yield f"no workflow {name}"


def missing_paths(text: str) -> Iterator[str]:
    tops = {path.name for path in ROOT.iterdir()}
    for span in code(text):
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", span) or span.startswith(MADE_LATER):
            continue
        known = "/" in span and span.partition("/")[0] in tops
        if known or re.search(r"\.(yml|yaml|json|py|md|txt)$", span):
            places = (ROOT, ROOT / ".github" / "workflows")
            if not any((place / span).exists() for place in places):
                yield span


def unknown_variables(text: str) -> Iterator[str]:
    settings = " ".join(Variables.model_fields).upper()
    everything = " ".join([*SOURCES.values(), settings, str(WORKFLOWS)])
    for name in re.findall(r"\b[A-Z][A-Z0-9]+_[A-Z0-9_]+[A-Z0-9]\b", text):
        if (name in NOT_READ) is bool(re.search(rf"\b{name}\b", everything)):
            yield name


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists():
            yield target
        elif anchor and anchor not in map(
            slug, re.findall(r"^#+ (.+)$", text_of(other), re.MULTILINE)
        ):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page, text_of(page))) == []


@pytest.mark.parametrize("page", [DELIVERY, RUNBOOK], ids=lambda page: page.stem)
def test_what_the_pages_name_is_there(page: Path) -> None:
    text = text_of(page)
    found = [*wrong_commands(text), *missing_paths(text), *unknown_variables(text)]
    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        "`python -m delivery revert production`",
        "`python -m delivery rollback produktion`",
        "`PYTHONPATH=src python -m mltrading upgrade`",
        "`mltrading worker --now`",
        "`make deploy`",
        "`gh workflow run undo.yml --ref main`",
        "`delivery/approve.py`",
        "`HEROKU_APP_BLUE`",
        "`HEROKU_API_KEYS`",
    ],
)
def test_a_name_of_nothing_is_noticed(planted: str) -> None:
    found = [*wrong_commands(planted), *missing_paths(planted), *unknown_variables(planted)]
    assert len(found) == 1


@pytest.mark.parametrize("planted", ["[a](no-such.md)", "[a](runbook.md#no-such)", "[a](#no)"])
def test_a_link_to_nothing_is_noticed(planted: str) -> None:
    assert len(list(broken_links(DELIVERY, planted))) == 1


def test_every_verb_and_every_job_is_explained() -> None:
    text = text_of(DELIVERY)
    verbs = set(re.findall(r"`([a-z-]+)`", text[text.index("The verbs:") :].split("\n\n")[0]))
    assert verbs == set(VERBS)
    red = {name for row in table(text, "Job") for name in names(row[0])}
    assert red == {job for one in WORKFLOWS.values() for job in one["jobs"]} - CALLERS
    for caller in CALLERS:
        assert f"`{caller}`" in section(text, "What does red mean")


def jobs_that_read() -> dict[str, set[str]]:
    """Each secret and variable of the workflows with the jobs that are given it."""
    found: dict[str, set[str]] = {}
    for workflow in WORKFLOWS.values():
        shared = str(workflow.get("env", {}))
        for job, content in workflow["jobs"].items():
            if job in CALLERS:
                continue
            held = str(content).replace("github.token", "secrets.GITHUB_TOKEN")
            for name in re.findall(r"secrets\.(\w+)", held):
                found.setdefault(name, set()).add(job)
            for name in re.findall(r"vars\.(\w+)", held + shared):
                found.setdefault(name, set())
    return found


def test_every_secret_is_explained_with_the_jobs_that_read_it() -> None:
    text = text_of(DELIVERY)
    told: dict[str, set[str]] = {}
    jobs: set[str] = set()
    for first, _, third in table(section(text, "Secrets and variables of the workflows"), "Name"):
        jobs = set(names(third)) or jobs
        told |= dict.fromkeys(names(first), jobs)
    reading = jobs_that_read()
    assert set(told) - set(reading) == {"KUBE_..."}
    for name, readers in reading.items():
        if name.startswith(("KUBE_", "DEPLOY_")) and not readers:
            assert f"`{name}`" in section(text, "Variables of `python -m delivery`")
        else:
            assert name in told, f"{name} is not explained"
            assert not readers or told[name] == readers, name
    named = load(FILE)
    stored = {*named["secrets"], *named["optional_secrets"]}
    stored |= {one for each in named["environments"].values() for one in each["secrets"]}
    assert stored <= set(reading), "a secret is asked for that nothing reads"


def test_every_environment_is_as_it_is_applied() -> None:
    told = {
        names(first)[0]: (set(names(branches)) or None, bool(names(reviewers)))
        for first, branches, reviewers, _ in table(text_of(DELIVERY), "Environment")
    }
    applied = {
        name: (None if one["branches"] is None else set(one["branches"]), bool(one["reviewers"]))
        for name, one in load(FILE)["environments"].items()
    }
    assert told == applied


def test_every_variable_of_the_platforms_is_explained() -> None:
    pattern = re.compile(r"(HEROKU|KUBE|GITHUB|DEPLOY|SMOKE)_[A-Z_]*[A-Z]")
    read = {
        node.value
        for path, source in SOURCES.items()
        if path.is_relative_to(ROOT / "delivery")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and pattern.fullmatch(node.value)
    }
    told = section(text_of(DELIVERY), "Variables of `python -m delivery`")
    assert len(read) > 20
    assert {name for name in read if f"`{name}`" not in told} == set()


def test_the_numbers_are_those_of_the_code() -> None:
    happens = section(text_of(DELIVERY), "What happens when")
    for event, ref, words in (
        ("pull_request", "", "pull request"),
        ("push", "refs/heads/develop", "push to `develop`"),
        ("push", "refs/heads/main", "push to `main`"),
        ("schedule", "refs/heads/main", "sleep"),
    ):
        (row,) = [line for line in happens.splitlines() if words in line and line.startswith("|")]
        assert f" {len(rows(event, ref))} rows" in row
    minute, hour = WORKFLOWS["ci.yml"][True]["schedule"][0]["cron"].split()[:2]
    assert f"{hour:0>2}:{minute:0>2} UTC" in happens
    steps = section(text_of(DELIVERY), "Blue-green, step by step")
    live = PATIENCE["production"]
    assert (live.consecutive, PATIENCE["green"].consecutive) == (5, 2)
    assert "five rounds in a row" in steps and "two good smoke rounds" in steps
    assert f"up to {live.wait_seconds / 60:g} minutes" in steps


def test_every_code_of_health_is_in_the_runbook() -> None:
    codes = [names(row[0])[0] for row in table(text_of(RUNBOOK), "Code")]
    assert sorted(codes) == sorted(state.value for state in DatabaseState)
