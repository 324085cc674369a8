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
    "faults": "make test-faults",
    "pipeline": "make test-delivery",
    "rows": "python -m delivery matrix",
    "matrix": "make matrix-row PG=18 BROWSER=firefox",
    "build": "make test-wheel",
    "image": "make image",
}
STAGED = ["deploy-production/stage", "deploy-production/integration"]
PLATFORM_KEYS = frozenset({"HEROKU_API_KEY", "KUBE_TOKEN"})


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
    assert not [command.words for command in run.commands if PLATFORM_KEYS & command.secrets]
    assert not [name for name in run.results() if "deploy" in name or name in ("attest", "publish")]


def assert_stopped(run: Run) -> None:
    assert not run.passed
    assert run.results()["check"] == "failure"
    assert_nothing_deployed(run)


def assert_in_order(run: Run, *names: str) -> None:
    for earlier, later in zip(names, names[1:], strict=False):
        assert run.one(earlier).ended < run.one(later).began, f"{later} before {earlier} ended"


def test_push_to_main_runs_every_gate_once_and_then_goes_to_production(main: Run) -> None:
    deployed = [
        f"deploy-production/{job}" for job in ("stage", "integration", "production", "report")
    ]
    assert main.passed
    assert set(main.results()) == {*GATES, "issues", "check", "attest", "publish", *deployed}
    assert set(main.results().values()) == {"success"}
    for command in [*GATES.values(), "make regression BROWSER=chromium"]:
        assert main.words().count(command) == 1
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
    visit = frozenset({"SMOKE_EMAIL", "SMOKE_PASSWORD"})
    key, token = PLATFORM_KEYS, frozenset({"GITHUB_TOKEN"})
    needed = {
        "make security": frozenset({"SECURITY_TOKEN", "SNYK_TOKEN", "TRIVY_TOKEN"}),
        "python -m delivery issues": token,
        "python -m delivery build": key,
        "python -m delivery url": key,
        "python -m delivery gate": token,
        "python -m delivery promote": key | visit | told,
        "python -m delivery smoke": visit,
        "make test-deployed": visit,
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
    assert set(run.results()) == {*GATES, "check", "publish", *deployed}
    assert_in_order(run, "check", "publish", *deployed)
    assert run.words("publish") == []  # Heroku builds by itself
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
    assert run.results()[gate] == "failure"
    assert_stopped(run)
    if gate == "security":  # what it found becomes issues all the same
        assert run.words("issues") == ["python -m delivery issues"]
    (told,) = run.words("report")
    assert told.startswith("python -m delivery notify --severity warning --title CI is red on main")


def test_a_failing_preview_stops_nothing(repository: Repository) -> None:
    rows = [{"python": "3.14", "postgres": "18", "browser": "firefox", "preview": True}]
    run = repository.run("ci.yml", "schedule", scheduled(), rows=rows, failing=["make matrix-row"])
    assert run.words("matrix")
    assert run.results()["check"] == "success"


def test_integration_tests_that_fail_on_staging_stop_production(repository: Repository) -> None:
    failing = ["make test-deployed"]
    run = repository.run("ci.yml", "push", pushed("main"), failing=failing)
    assert not run.passed
    assert run.results()[STAGED[1]] == "failure"
    assert "deploy-production/production" not in run.results()
    assert "--severity warning --title Production did not get" in run.words("report")[0]
    assert "integration tests failure, production skipped" in run.words("report")[0]


@pytest.mark.parametrize(
    "command, stage",
    [
        ("python -m delivery build", "failure"),
        ("python -m delivery smoke", "failure"),
        ("make test-deployed", "success"),
        ("python -m delivery gate", "success"),
    ],
)
def test_production_is_not_touched_unless_everything_before_succeeded(
    repository: Repository, command: str, stage: str
) -> None:
    run = repository.run(
        "deploy-production.yml", "workflow_dispatch", dispatched("main"), failing=[command]
    )
    assert not run.passed
    assert run.results()["stage"] == stage
    assert not [words for words in run.words() if "promote" in words]
    key = [
        one.words for one in run.commands if one.job == "production" and PLATFORM_KEYS & one.secrets
    ]
    assert not key
    assert "--severity warning --title Production did not get" in run.words("report")[0]


def test_a_promotion_that_fails_is_told_with_its_outcome(repository: Repository) -> None:
    run = repository.run(
        "deploy-production.yml",
        "workflow_dispatch",
        dispatched("main"),
        failing=["python -m delivery promote"],
    )
    assert run.results() == {
        "stage": "success",
        "integration": "success",
        "production": "failure",
        "report": "success",
    }
    notified, measured = run.words("report")
    assert f"--title Production did not get {repository.commit}" in notified
    assert "production failure" in notified
    assert measured == "python -m delivery metrics"


def test_only_main_goes_to_production_by_hand(repository: Repository) -> None:
    run = repository.run("deploy-production.yml", "workflow_dispatch", dispatched("develop"))
    assert not run.passed
    assert run.results() == {"stage": "failure", "report": "success"}
    assert not [one.words for one in run.commands if PLATFORM_KEYS & one.secrets]


def test_a_commit_that_was_rolled_back_goes_again_only_when_asked(repository: Repository) -> None:
    promoted = [
        repository.run(
            "deploy-production.yml", "workflow_dispatch", dispatched("main", again=again)
        ).words("production")[-1]
        for again in ("false", "true")
    ]
    assert promoted == [
        "python -m delivery promote production",
        "python -m delivery promote production --again",
    ]


def test_staging_by_hand_asks_the_gate_first(repository: Repository) -> None:
    run = repository.run("deploy-staging.yml", "workflow_dispatch", dispatched("develop"))
    assert run.passed
    assert run.words("deploy")[:2] == [
        "python -m delivery gate staging-manual",
        "python -m delivery build",
    ]
    refused = repository.run(
        "deploy-staging.yml",
        "workflow_dispatch",
        dispatched("develop"),
        failing=["python -m delivery gate"],
    )
    assert refused.words("deploy") == ["python -m delivery gate staging-manual"]
    assert "--severity warning --title Staging did not get" in refused.words("report")[0]


@pytest.mark.parametrize("to, words", [("", ""), ("v12", " --to v12"), ("v1; id", " --to v1; id")])
def test_rollback_is_one_command_and_waits_for_nobody(
    repository: Repository, to: str, words: str
) -> None:
    run = repository.run("rollback.yml", "workflow_dispatch", dispatched("main", to=to))
    assert run.passed
    assert run.words() == [f"python -m delivery rollback production{words}"]


@pytest.mark.parametrize(
    "old, new, failing",
    [
        ("needs: [quality, security,", "needs: [security,", GATES["quality"]),
        ('test "$PASSED" = true', "true", GATES["unit"]),
        (
            "contains(needs.*.result, 'failure') || ",
            "",
            GATES["image"],
        ),
    ],
)
def test_these_tests_notice_a_gate_that_does_not_hold(
    spare: Repository, old: str, new: str, failing: str
) -> None:
    spare.edit("ci.yml", old, new)
    run = spare.run("ci.yml", "push", pushed("main"), failing=[failing])
    with pytest.raises(AssertionError):
        assert_stopped(run)


def test_these_tests_notice_a_gate_of_production_that_is_gone(spare: Repository) -> None:
    spare.edit("deploy-production.yml", "python -m delivery gate production", "true")
    run = spare.run(
        "deploy-production.yml",
        "workflow_dispatch",
        dispatched("main"),
        failing=["python -m delivery gate"],
    )
    assert "python -m delivery promote production" in run.words()
