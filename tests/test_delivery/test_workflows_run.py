"""What the workflows do for each event, and what they leave undone when something fails."""

from __future__ import annotations

import pytest

from tests.test_delivery.workflow_run import (
    Repository,
    Run,
    dispatched,
    pull_request,
    pushed,
    scheduled,
)

pytestmark = pytest.mark.tools

GATES = {
    "quality": "make check",
    "security": "make security",
    "unit": "make unit",
    "regression": "make regression BROWSER=firefox",
    "pipeline": "make test-delivery",
    "rows": "python -m delivery matrix",
    "matrix": "make matrix-row PG=18 BROWSER=firefox",
    "build": "make build",
    "image": "make image",
}
STAGED = ["deploy-production/stage", "deploy-production/integration"]
PLATFORM_KEY = "HEROKU_API_KEY"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("workflows"))


@pytest.fixture
def spare(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One whose files a test may change."""
    return Repository(tmp_path_factory.mktemp("changed"))


@pytest.fixture(scope="module")
def main(repository: Repository) -> Run:
    return repository.run("ci.yml", "push", pushed("main"))


def assert_nothing_deployed(run: Run) -> None:
    assert not [command.words for command in run.commands if PLATFORM_KEY in command.secrets]
    assert not [name for name in run.results() if "deploy" in name or name == "attest"]


def assert_in_order(run: Run, *names: str) -> None:
    for earlier, later in zip(names, names[1:], strict=False):
        assert run.one(earlier).ended < run.one(later).began, f"{later} before {earlier} ended"


def test_push_to_main_runs_every_gate_once_and_then_goes_to_production(main: Run) -> None:
    deployed = [
        f"deploy-production/{job}" for job in ("stage", "integration", "production", "report")
    ]
    assert main.passed
    assert set(main.results()) == {*GATES, "issues", "check", "attest", *deployed}
    assert set(main.results().values()) == {"success"}
    for command in GATES.values():
        assert main.words().count(command) == 1
    assert main.words("regression") == [
        "make regression BROWSER=chromium",
        GATES["regression"],
    ] or (main.words("regression") == [GATES["regression"], "make regression BROWSER=chromium"])


def test_push_to_main_deploys_in_order_after_all_gates(main: Run) -> None:
    assert_in_order(
        main, "check", *STAGED, "deploy-production/production", "deploy-production/report"
    )
    check = main.one("check")
    for job in main.jobs:
        if job.name in GATES:
            assert job.ended < check.began, f"check did not wait for {job.name}"
    assert main.words("stage") == [
        "python -m delivery build",
        "python -m delivery url staging",
        "python -m delivery smoke https://staging.example",
    ]
    assert main.words("integration") == ["make test-deployed URL=https://staging.example"]
    assert main.words("production") == [
        "python -m delivery gate production",
        "python -m delivery url production",
        "python -m delivery promote production",
    ]
    notified, measured = main.words("report")
    assert "--severity info --title Production runs" in notified
    assert measured == "python -m delivery metrics"


def test_secrets_are_seen_by_the_commands_that_need_them_alone(main: Run) -> None:
    told = frozenset({"SLACK_WEBHOOK", "SMTP_URL", "PAGERDUTY_KEY"})
    key, token = frozenset({PLATFORM_KEY}), frozenset({"GITHUB_TOKEN"})
    needed = {
        "make security": frozenset({"SECURITY_TOKEN"}),
        "python -m delivery issues": token,
        "python -m delivery build": key,
        "python -m delivery url": key,
        "python -m delivery gate": token,
        "python -m delivery promote": key | told,
        "python -m delivery notify": told,
        "python -m delivery metrics": token,
    }
    for command in main.commands:
        wanted = [seen for words, seen in needed.items() if command.words.startswith(words)]
        assert command.secrets == (wanted[0] if wanted else frozenset()), command


def test_push_to_develop_runs_every_gate_and_then_goes_to_staging(repository: Repository) -> None:
    run = repository.run("ci.yml", "push", pushed("develop"))
    deployed = [f"deploy-staging/{job}" for job in ("deploy", "integration", "report")]
    assert run.passed
    assert set(run.results()) == {*GATES, "check", *deployed}
    assert_in_order(run, "check", *deployed)
    assert run.words("deploy") == [
        "python -m delivery build",
        "python -m delivery url staging",
        "python -m delivery smoke https://staging.example",
    ]
    assert "--severity info --title Staging runs" in run.words("report")[0]


def test_a_pull_request_runs_every_gate_over_its_rows_and_deploys_nothing(
    repository: Repository,
) -> None:
    run = repository.run("ci.yml", "pull_request", pull_request(), real={"matrix"})
    assert run.passed
    assert set(run.results()) == {*GATES, "check"}
    assert_nothing_deployed(run)
    rows = [job.matrix["row"] for job in run.jobs if job.name == "matrix"]
    assert len(rows) == 21
    assert sorted(run.words("matrix")) == sorted(
        f"make matrix-row PG={row['postgres']} BROWSER={row['browser']}" for row in rows
    )


@pytest.mark.parametrize("event", ["schedule", "workflow_dispatch"])
def test_the_night_and_a_run_by_hand_prove_and_deploy_nothing(
    repository: Repository, event: str
) -> None:
    payload = scheduled() if event == "schedule" else dispatched("main")
    run = repository.run("ci.yml", event, payload)
    assert run.passed
    assert set(run.results()) == {*GATES, "issues", "check"}
    assert_nothing_deployed(run)


@pytest.mark.parametrize("gate", GATES)
def test_each_gate_that_fails_stops_the_deployment(repository: Repository, gate: str) -> None:
    run = repository.run("ci.yml", "push", pushed("main"), failing=[GATES[gate]])
    assert not run.passed
    assert run.results()[gate] == "failure"
    assert run.results()["check"] == "failure"
    assert_nothing_deployed(run)
    (told,) = run.words("report")
    assert told.startswith("python -m delivery notify --severity warning --title CI is red on main")


def test_findings_become_issues_when_the_security_gate_fails(repository: Repository) -> None:
    run = repository.run("ci.yml", "push", pushed("main"), failing=["make security"])
    assert run.words("issues") == ["python -m delivery issues"]


def test_a_failing_preview_stops_nothing(repository: Repository) -> None:
    rows = [{"python": "3.14", "postgres": "18", "browser": "firefox", "preview": True}]
    run = repository.run("ci.yml", "schedule", scheduled(), rows=rows, failing=["make matrix-row"])
    assert run.results()["check"] == "success"
