"""The history read from GitHub: which runs are builds, deployments and outages."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery import metrics, pipeline
from delivery.__main__ import main
from delivery.errors import PlatformError
from delivery.forge import Forge
from delivery.measures import Build, Rollback
from delivery.outage import Outage
from tests.test_delivery.github_fake import Fault, GitHub
from tests.test_delivery.github_schema import make

END = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
START = END - timedelta(days=56)
WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
PROMOTE = "Run python -m delivery promote production"


def at(minutes: float, day: int = 20) -> str:
    moment = datetime(2026, 11, day, 9, tzinfo=timezone.utc) + timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def when(minutes: float, day: int = 20) -> datetime:
    return datetime.fromisoformat(at(minutes, day))


@pytest.fixture
def forge(hub: GitHub) -> Forge:
    hub.workflow_runs = {"ci.yml": [], "deploy-production.yml": [], "rollback.yml": []}
    return Forge.from_environment(hub.variables(), sleep=lambda seconds: None)


class Story:
    """Write runs into the fake, as GitHub would show them."""

    def __init__(self, hub: GitHub, day: int = 20) -> None:
        self.hub, self.day = hub, day

    def run(self, workflow: str = "ci.yml", sha: str = "a", **given: Any) -> int:
        number = len(self.hub.runs) + 1
        fields = {"head_branch": "main", "event": "push", "created_at": at(0, self.day), **given}
        self.hub.runs[number] = make("workflow-run", id=number, head_sha=sha, **fields)
        self.hub.workflow_runs[workflow].append(number)
        self.hub.jobs[number] = []
        return number

    def job(
        self,
        run: int,
        name: str,
        times: tuple[float, float, float],
        conclusion: str = "success",
        steps: dict[str, str] | None = None,
        **given: Any,
    ) -> int:
        """`times`: created, started, completed, in minutes."""
        created, started, completed = (at(minutes, self.day) for minutes in times)
        number = 1000 * run + len(self.hub.jobs[run])
        shown = [
            {
                "name": step,
                "status": "completed",
                "conclusion": outcome,
                "number": place,
                "started_at": started,
                "completed_at": completed,
            }
            for place, (step, outcome) in enumerate((steps or {}).items(), 1)
        ]
        made = make(
            "job",
            id=number,
            run_id=run,
            name=name,
            head_sha=self.hub.runs[run]["head_sha"],
            status="completed",
            conclusion=conclusion,
            created_at=created,
            started_at=started,
            completed_at=completed,
            steps=shown,
        )
        self.hub.jobs[run].append({**made, **given})
        return number

    def release(self, sha: str, outcome: str = "success", wait: float = 60) -> int:
        """A push to main: gates of eight minutes, then production, `wait` minutes for approval."""
        run = self.run(sha=sha)
        self.job(run, "quality", (0, 1, 4))
        self.job(run, "check", (7.5, 7.8, 8))
        times = (20, 20 + wait, 30 + wait)
        self.job(run, "deploy-production / production", times, outcome, {PROMOTE: outcome})
        return run


def read(forge: Forge) -> Any:
    return pipeline.history(forge, START, END)


def test_a_release_is_a_build_and_a_deployment_whose_wait_is_apart(
    hub: GitHub, forge: Forge
) -> None:
    Story(hub).release("a")
    found = read(forge)
    assert found.builds == (Build(when(8), 480.0),)
    (one,) = found.deployments
    assert (one.commit, one.succeeded, one.finished, one.waited) == ("a", True, when(90), 3600.0)
    assert one.lead is None
    assert found.since == when(0)


def test_lead_time_of_each_commit_since_the_success_before(hub: GitHub, forge: Forge) -> None:
    Story(hub, 18).release("a")
    Story(hub, 19).release("b", "failure")
    Story(hub, 20).release("c", wait=30)
    commits = [
        make("commit", sha=sha, commit=_commit(minutes, 20))
        for sha, minutes in (("b", 0), ("c", 10))
    ]
    hub.comparisons["a...c"] = make("commit-comparison", commits=commits)
    found = read(forge)
    (last,) = [one for one in found.deployments if one.commit == "c"]
    assert last.lead == ((60 - 0 - 30) * 60.0, (60 - 10 - 30) * 60.0)


def _commit(minutes: float, day: int) -> dict[str, Any]:
    made = make("commit")["commit"]
    person = {"name": "x", "email": "x@example.org", "date": at(minutes, day)}
    return {**made, "committer": person, "author": person}


def test_commits_that_github_forgot_have_no_lead_time(hub: GitHub, forge: Forge) -> None:
    Story(hub, 19).release("a")
    Story(hub, 20).release("b")
    assert [one.lead for one in read(forge).deployments] == [None, None]


def test_a_gate_that_refused_is_no_deployment(hub: GitHub, forge: Forge) -> None:
    story = Story(hub)
    run = story.run()
    steps = {"Run python -m delivery gate production": "failure", PROMOTE: "skipped"}
    story.job(run, "deploy-production / production", (0, 1, 2), "failure", steps)
    rejected = story.run()
    story.job(rejected, "deploy-production / production", (0, 1, 2), "failure")
    assert read(forge).deployments == ()


def test_a_red_run_is_no_build_and_a_second_attempt_neither(hub: GitHub, forge: Forge) -> None:
    story = Story(hub)
    run = story.run()
    story.job(run, "check", (0, 1, 2), "failure", run_attempt=1)
    story.job(run, "check", (50, 51, 52), "success", run_attempt=2)
    assert read(forge).builds == ()


def test_pull_requests_are_builds_and_never_deployments(hub: GitHub, forge: Forge) -> None:
    story = Story(hub)
    run = story.run(event="pull_request", head_branch="feature")
    story.job(run, "check", (0, 1, 5))
    story.job(run, "production", (0, 1, 5), steps={PROMOTE: "success"})
    nightly = story.run(event="schedule")
    story.job(nightly, "check", (0, 1, 50))
    found = read(forge)
    assert [one.seconds for one in found.builds] == [300.0]
    assert found.deployments == ()


def test_a_release_by_hand_and_a_rollback_are_read_from_their_own_workflows(
    hub: GitHub, forge: Forge
) -> None:
    story = Story(hub)
    run = story.run("deploy-production.yml", event="workflow_dispatch")
    story.job(run, "production", (0, 5, 9), steps={PROMOTE: "success"})
    undo = story.run("rollback.yml", event="workflow_dispatch")
    step = "Run python -m delivery rollback production --reason x"
    story.job(undo, "rollback", (20, 20, 21), steps={step: "success"})
    failed = story.run("rollback.yml", event="workflow_dispatch")
    story.job(failed, "rollback", (30, 30, 31), "failure", {step: "failure"})
    found = read(forge)
    assert len(found.deployments) == 1
    assert found.rollbacks == (Rollback(when(21)),)


def test_an_outage_is_what_promote_announced(hub: GitHub, forge: Forge) -> None:
    run = Story(hub).release("b", "failure")
    outage = Outage(when(85), when(88))
    message = json.dumps(
        {"failed_at": outage.failed_at.isoformat(), "healthy_at": when(88).isoformat()}
    )
    job = hub.jobs[run][-1]["id"]
    hub.annotations[job] = [
        make("check-annotation", title="", message="Process completed with exit code 1."),
        make("check-annotation", title="Production outage", message=message),
    ]
    (one,) = read(forge).deployments
    assert (one.succeeded, one.outage) == (False, outage)


def test_coverage_is_what_the_tests_of_main_announced(hub: GitHub, forge: Forge) -> None:
    story = Story(hub)
    run = story.run()
    job = story.job(run, "unit", (0, 1, 5))
    hub.annotations[job] = [make("check-annotation", title="Coverage", message="91.30")]
    assert read(forge).coverage == ((when(5), 91.3),)


def test_a_repository_without_runs_and_one_without_workflows_have_no_history(
    hub: GitHub, forge: Forge
) -> None:
    assert read(forge) == pipeline.History()
    hub.workflow_runs.clear()
    assert read(forge) == pipeline.History()


def test_another_refusal_than_unknown_is_an_error(hub: GitHub, forge: Forge) -> None:
    hub.faults.append(Fault("GET", "ci.yml/runs", 403, {"message": "no"}))
    with pytest.raises(PlatformError, match="403"):
        read(forge)


@pytest.fixture
def cli(hub: GitHub, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    for name, value in hub.variables().items():
        monkeypatch.setenv(name, value)
    return hub


def test_the_table_and_the_json_say_the_same(
    cli: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    story = Story(cli)
    run = story.run(created_at=yesterday.strftime("%Y-%m-%dT00:00:00Z"))
    day = yesterday.strftime("%Y-%m-%dT00:")
    job = make("job", id=1, name="check", conclusion="success", head_sha="a")
    times = {"created_at": f"{day}00:00Z", "started_at": f"{day}00:00Z"}
    cli.jobs[run] = [{**job, **times, "completed_at": f"{day}00:30Z"}]
    kept = tmp_path / "build" / "metrics.json"
    assert main(["metrics", "--output", str(kept)]) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| Build time | 0.50 min | < 10 min | yes | - | - | median of 1 green run" in page
    assert "| Lead time | - | - | - | - | - | needs 2 deployments |" in page
    body = json.loads(kept.read_text())
    assert body["now"][0]["value"] == 0.5
    assert body["before"][0]["value"] is None
    assert [one["name"] for one in body["now"]] == [
        *("Build time", "Coverage", "Deployment frequency", "Deployment success"),
        *("Time to recovery", "Lead time", "Wait for approval"),
    ]


def test_coverage_of_this_run_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps({"totals": {"percent_covered": 91.2555}}))
    assert main(["metrics", "coverage", str(file)]) == 0
    assert capsys.readouterr().out == "coverage 91.26 %\n::notice title=Coverage::91.26\n"
    file.write_text("{}")
    assert main(["metrics", "coverage", str(file)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def first_lines(workflow: str, job: str) -> list[str]:
    """The names GitHub gives the steps of a job that have none."""
    body = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]
    assert "name" not in body
    return [
        f"Run {step['run'].splitlines()[0]}"
        for step in body["steps"]
        if "run" in step and "name" not in step
    ]


def test_the_workflows_name_jobs_and_steps_as_they_are_looked_for() -> None:
    promoted = first_lines(pipeline.BY_HAND, pipeline.PRODUCTION_JOB)
    assert len([name for name in promoted if pipeline.PROMOTE_STEP in name]) == 1
    undone = first_lines(pipeline.ROLLBACK, "rollback")
    assert len([name for name in undone if pipeline.ROLLBACK_STEP in name]) == 1
    entry = yaml.safe_load((WORKFLOWS / pipeline.ENTRY).read_text())["jobs"]
    assert entry["deploy-production"]["uses"] == f"./.github/workflows/{pipeline.BY_HAND}"
    assert {pipeline.CHECK_JOB, pipeline.COVERAGE_JOB} <= set(entry)


def test_a_period_has_days(cli: GitHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--days", "0"]) == 1
    assert metrics.DAYS >= 1
