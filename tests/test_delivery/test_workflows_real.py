"""The workflow files with the real `python -m delivery` in them: a Heroku, a GitHub and a Slack of
our own on this machine, and the real application as what is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.test_delivery.github_fake import NAME, OWNER, TOKEN, GitHub, required_reviewers, user
from tests.test_delivery.github_schema import make
from tests.test_delivery.heroku_fake import KEY, Fake
from tests.test_delivery.heroku_fake import serving as heroku
from tests.test_delivery.heroku_world import World, seeded
from tests.test_delivery.releases import Release, Sent, listening, said
from tests.test_delivery.scripted_server import Reply, Script, scripted
from tests.test_delivery.signing import EMAIL, PASSWORD, make_account, staging
from tests.test_delivery.workflow_run import Repository, Run, dispatched

pytestmark = [pytest.mark.tools, pytest.mark.database]

OLD, LIVE = "1" * 40, "2" * 40
PAST = {
    "mltrading-staging": [OLD, LIVE],
    "mltrading-green": [OLD, LIVE],
    "mltrading-prod": [OLD, LIVE],
}
RUN = 4711
REAL = ("build", "gate", "notify", "promote", "rollback", "smoke", "url")


class Sites:
    """The addresses of the three apps: each the real application, of the commit that app runs."""

    def __init__(self, release: Release, world: World) -> None:
        self._release = release
        self._world = world

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = environ["HTTP_HOST"].partition(":")[0]
        (app,) = [app for app in self._world.apps.values() if app.host == host]
        slug = self._world.visible(app).slug
        self._release.commit = slug.commit if slug else None
        bad = slug is not None and slug.commit in app.bad_commits
        self._release.fault = _unhealthy if bad else None
        return self._release(environ, start_response)


def _unhealthy(path: str, sent: Sent) -> Sent:
    return said(sent, {"status": "unhealthy", "error": "no"}, 500) if path == "/health" else sent


@dataclass
class Platform:
    repository: Repository
    heroku: Fake
    hub: GitHub
    slack: Script
    sites: str

    def runs(self, app: str) -> str | None:
        slug = self.heroku.world.apps[app].current.slug
        return slug.commit if slug else None

    def run(self, workflow: str, **inputs: Any) -> Run:
        done = self.repository.run(
            workflow,
            "workflow_dispatch",
            dispatched("main", **inputs),
            real=REAL,
            secrets={
                "HEROKU_API_KEY": KEY,
                "GITHUB_TOKEN": TOKEN,
                "SLACK_WEBHOOK": f"{self.slack.url}/services/T/B/x",
                "SMOKE_EMAIL": EMAIL,
                "SMOKE_PASSWORD": PASSWORD,
                "SMTP_URL": "",
                "PAGERDUTY_KEY": "",
            },
            environment={
                "HEROKU_API_URL": self.heroku.url,
                "GITHUB_API_URL": self.hub.url,
                "GITHUB_REPOSITORY": f"{OWNER}/{NAME}",
                "GITHUB_RUN_ID": str(RUN),
                "GITHUB_ACTOR": "alice",
                "SMOKE_HOST": self.sites,
            },
        )
        assert not {one for one in (KEY, TOKEN, PASSWORD) if one in done.log}
        return done

    def told(self) -> str:
        return "\n".join(one.content.decode() for one in self.slack.received)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("workflows"))


@pytest.fixture(scope="module")
def application(small_market_url: str, tmp_path_factory: pytest.TempPathFactory) -> Release:
    make_account(small_market_url)
    return Release(staging(small_market_url, tmp_path_factory.mktemp("home")))


@pytest.fixture
def platform(repository: Repository, application: Release, hub: GitHub) -> Iterator[Platform]:
    """Production runs LIVE; the commit of the repository is green and approved by bob."""
    commit = repository.commit
    rule = required_reviewers([{"type": "User", "id": 7}])
    hub.environments["production"] = make("environment", name="production", protection_rules=[rule])
    alice = user("alice")
    hub.runs[RUN] = make(
        "workflow-run", id=RUN, head_sha=commit, actor=alice, triggering_actor=alice
    )
    hub.approvals[RUN] = [
        {
            "environments": [{"id": 1, "name": "production"}],
            "state": "approved",
            "user": user("bob"),
            "comment": "",
        }
    ]
    check = make("check-run", id=1, name="check", head_sha=commit, conclusion="success")
    app = make("integration", slug="github-actions")
    hub.checks[commit] = [{**check, "status": "completed", "app": app}]
    world = World()
    seeded(world, PAST)
    with (
        heroku(world) as fake,
        scripted(Reply(body=b"ok")) as slack,
        listening(Sites(application, world)) as sites,
    ):
        yield Platform(repository, fake, hub, slack, sites)
        assert fake.problems == []


def test_an_approved_commit_goes_over_staging_and_green_to_production(platform: Platform) -> None:
    run = platform.run("deploy-production.yml")
    assert run.passed, run.log
    commit = platform.repository.commit
    assert {platform.runs(app) for app in PAST} == {commit}
    assert f"Production runs {commit}" in platform.told()
    (staging,) = {words for words in run.words("stage") if " smoke " in words}
    assert "mltrading-staging-" in staging


def test_without_an_approval_production_stays_and_people_are_told(platform: Platform) -> None:
    platform.hub.approvals[RUN] = []
    run = platform.run("deploy-production.yml")
    assert run.results()["production"] == "failure"
    assert run.words("production") == ["python -m delivery gate production"]
    assert "nobody approved this run for production" in run.log
    assert platform.runs("mltrading-prod") == platform.runs("mltrading-green") == LIVE
    assert "Production did not get" in platform.told()


def test_a_commit_that_is_bad_on_green_never_meets_a_visitor(platform: Platform) -> None:
    platform.heroku.world.apps["mltrading-green"].bad_commits.add(platform.repository.commit)
    before = len(platform.heroku.world.apps["mltrading-prod"].releases)
    run = platform.run("deploy-production.yml")
    assert run.results()["production"] == "failure"
    assert len(platform.heroku.world.apps["mltrading-prod"].releases) == before
    assert "Production did not get" in platform.told()


def test_a_commit_that_is_bad_in_production_is_rolled_back_and_told(platform: Platform) -> None:
    platform.heroku.world.apps["mltrading-prod"].bad_commits.add(platform.repository.commit)
    run = platform.run("deploy-production.yml")
    assert run.results()["production"] == "failure"
    assert platform.runs("mltrading-prod") == LIVE
    assert "rolled back" in platform.told()
    assert "Production did not get" in platform.told()


def test_rollback_by_hand_is_one_command(platform: Platform) -> None:
    run = platform.run("rollback.yml", to="")
    assert run.passed, run.log
    assert platform.runs("mltrading-prod") == OLD
    assert "Rollback: production runs" in platform.told()
