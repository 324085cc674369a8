"""The repository's settings are applied once, compared exactly, and read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery import settings
from delivery.__main__ import main
from tests.test_delivery.github_fake import TOKEN, Fault, GitHub
from tests.test_delivery.github_schema import make

ROOT = Path(__file__).parents[2]
WANTED = settings.load(settings.FILE)
SECRETS = ["HEROKU_API_KEY", "SMOKE_EMAIL", "SMOKE_PASSWORD"]


@pytest.fixture
def forge(hub: GitHub, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """A new repository: nothing set, its people, its team and its secrets there."""
    for name, value in hub.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    hub.teams = {"release": 77}
    hub.people = {"alice": 5}
    hub.secrets = {"": WANTED["secrets"] + WANTED["optional_secrets"]}
    hub.secrets |= dict.fromkeys(WANTED["environments"], SECRETS)
    return hub


def test_a_new_repository_is_set_and_the_second_time_nothing_is_written(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", "check"]) == 1
    assert "branches.main: (missing) ->" in capsys.readouterr().out
    assert main(["settings", "apply"]) == 0
    first = len(forge.writes())
    assert first > 0
    assert main(["settings", "apply"]) == 0
    assert main(["settings", "check"]) == 0
    assert len(forge.writes()) == first
    assert capsys.readouterr().out.endswith("as the file says\n")


def test_what_matters_is_what_github_then_has(forge: GitHub) -> None:
    main(["settings", "apply"])
    for branch in ("main", "develop"):
        shown = forge.protection[branch]
        assert shown["required_status_checks"]["checks"] == [{"context": "check", "app_id": 15368}]
        assert shown["required_pull_request_reviews"]["required_approving_review_count"] >= 1
        assert shown["allow_force_pushes"] == {"enabled": False}
        assert shown["allow_deletions"] == {"enabled": False}
        assert shown["enforce_admins"]["enabled"] is True
    (rule,) = [
        rule
        for rule in forge.environments["production"]["protection_rules"]
        if rule["type"] == "required_reviewers"
    ]
    assert rule["prevent_self_review"] is True
    assert [one["reviewer"]["id"] for one in rule["reviewers"]] == [77]
    assert [one["name"] for one in forge.branch_policies["production"]] == ["main"]
    assert [one["name"] for one in forge.branch_policies["production-rollback"]] == ["main"]
    assert forge.environments["production-rollback"]["protection_rules"] == [
        {"id": 3, "node_id": "x", "type": "branch_policy"}
    ]


def test_a_dry_run_says_it_and_writes_nothing(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", "apply", "--dry-run"]) == 0
    assert "environments.production: (missing) ->" in capsys.readouterr().out
    assert forge.writes() == []


Change = Callable[[GitHub], None]
CHANGES: dict[str, tuple[Change, str, str]] = {
    "reviewers taken away": (
        lambda hub: hub.environments["production"].update(protection_rules=[]),
        "environments.production.reviewers: [] ->",
        "/environments/production",
    ),
    "force pushes allowed": (
        lambda hub: hub.protection["main"].update(allow_force_pushes={"enabled": True}),
        "branches.main.allow_force_pushes: true -> false",
        "/branches/main/protection",
    ),
    "the check of any app": (
        lambda hub: hub.protection["develop"]["required_status_checks"].update(
            checks=[{"context": "check", "app_id": None}]
        ),
        "branches.develop.required_status_checks.checks:",
        "/branches/develop/protection",
    ),
    "reviews not needed": (
        lambda hub: hub.protection["main"].pop("required_pull_request_reviews"),
        "branches.main.required_pull_request_reviews: (missing) ->",
        "/branches/main/protection",
    ),
    "another branch may deploy": (
        lambda hub: hub.branch_policies["production"].append(
            {"id": 9, "node_id": "x", "name": "develop"}
        ),
        'environments.production.branches: ["develop", "main"] -> ["main"]',
        "/environments/production",
    ),
    "any branch may deploy": (
        lambda hub: hub.environments["production"].update(deployment_branch_policy=None),
        'environments.production.branches: (missing) -> ["main"]',
        "/environments/production",
    ),
    "a stranger approves": (
        lambda hub: hub.environments["production"]["protection_rules"][0]["reviewers"].append(
            {"type": "User", "reviewer": make("simple-user", id=666)}
        ),
        '"user 666"',
        "/environments/production",
    ),
    "merged branches stay": (
        lambda hub: hub.repository.update(delete_branch_on_merge=False),
        "repository.delete_branch_on_merge: false -> true",
        "",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_by_hand_is_shown_and_undone_alone(
    forge: GitHub, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["settings", "apply"])
    change, line, place = CHANGES[case]
    change(forge)
    forge.requests.clear()
    capsys.readouterr()
    assert main(["settings", "check"]) == 1
    assert line in capsys.readouterr().out
    assert forge.writes() == []
    assert main(["settings", "apply"]) == 0
    assert all(
        one.path.startswith(f"/repos/trading-house/mltrading{place}") for one in forge.writes()
    )
    assert len(forge.writes()) >= 1
    assert main(["settings", "check"]) == 0


def test_what_github_does_not_keep_is_an_error(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.faults.append(
        Fault("PUT", "branches/main/protection", 200, make("protected-branch"), times=1)
    )
    assert main(["settings", "apply"]) == 1
    assert "GitHub did not keep branches.main: (missing)" in capsys.readouterr().err


def test_a_missing_secret_is_named_with_its_place(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["settings", "apply"])
    forge.secrets["production"] = []
    forge.secrets[""] = WANTED["secrets"]
    capsys.readouterr()
    assert main(["settings", "check"]) == 1
    shown = capsys.readouterr().out
    assert "gh secret set HEROKU_API_KEY --env production\n" in shown
    assert "optional secret SECURITY_TOKEN: (missing)" in shown
    forge.secrets["production"] = SECRETS
    assert main(["settings", "check"]) == 0


def test_a_reviewer_nobody_knows_stops_before_anything_is_written(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.teams.clear()
    assert main(["settings", "apply"]) == 1
    error = capsys.readouterr().err
    assert "GitHub knows no reviewer 'team:release'" in error
    assert error.count("\n") == 1
    assert forge.writes() == []


@pytest.mark.parametrize("reviewer", ["alice", "role:admin", "user:"])
def test_a_reviewer_is_a_user_or_a_team(
    forge: GitHub, tmp_path: Path, reviewer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = json.loads(json.dumps(WANTED))
    changed["environments"]["production"]["reviewers"] = [reviewer]
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(changed))
    assert main(["settings", "apply", "--file", str(file)]) == 1
    assert "neither user:LOGIN nor team:SLUG" in capsys.readouterr().err


def test_a_person_may_approve(forge: GitHub, tmp_path: Path) -> None:
    changed = json.loads(json.dumps(WANTED))
    changed["environments"]["production"]["reviewers"] = ["user:alice"]
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(changed))
    assert main(["settings", "apply", "--file", str(file)]) == 0
    assert main(["settings", "check", "--file", str(file)]) == 0


def test_a_token_without_the_right_is_one_line(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    message = {"message": "Resource not accessible by integration"}
    forge.faults.append(Fault("GET", "protection$", 403, message))
    assert main(["settings", "show"]) == 1
    error = capsys.readouterr().err
    assert "answered 403" in error and error.count("\n") == 1
    assert TOKEN not in error


def test_the_settings_are_printed_as_they_are(
    forge: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", "show"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["branches"] == {"develop": None, "main": None}


def test_the_file_covers_every_environment_that_a_workflow_uses() -> None:
    used: set[str] = set()
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            environment: Any = job.get("environment")
            name = environment["name"] if isinstance(environment, dict) else environment
            used |= {one for one in WANTED["environments"] if name and f"'{one}'" in str(name)}
            used |= {name} if name and "${{" not in name else set()
    assert used == set(WANTED["environments"])


def test_the_required_check_is_a_job_of_the_entry() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert "name" not in jobs["check"]
    assert set(jobs) >= {"check"}
