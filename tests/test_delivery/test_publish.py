"""The image of a commit reaches its registry, and what is deployed is that image by its digest."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from delivery.__main__ import main
from delivery.errors import DeliveryError
from delivery.kubernetes import images
from delivery.publish import publish, registry
from tests.test_delivery.kubernetes_fake import KEY, Fake, installed, serving
from tests.test_delivery.kubernetes_stage import NEW, REPOSITORY, Stage, image, stage
from tests.test_delivery.workflow_run import STAND_INS, Repository, Run, pushed

COMMIT = "c0ffee" + "0" * 34
HUB = "ghcr.io/octo-org/mltrading"


def digest(name: str) -> str:
    """That of the stand-in's registry."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


@dataclass
class Engine:
    """The stand-in of docker, and what it saw."""

    state: Path
    environment: dict[str, str]

    def publish(self, **variables: str) -> str:
        return publish(self.environment | variables, COMMIT)

    def ran(self) -> list[str]:
        lines = (self.state / "commands").read_text().splitlines()
        assert all(line.endswith("\t") for line in lines), "docker saw a secret"
        return [line.split("\t")[1].removeprefix("docker ") for line in lines]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    for name in ("fail", "commands"):
        (tmp_path / name).touch()
    (tmp_path / "revision").write_text(f"{COMMIT}\n")
    return Engine(
        tmp_path,
        {
            "PATH": f"{STAND_INS / 'bin'}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "STAND_IN": str(tmp_path),
            "GITHUB_JOB": "publish",
        },
    )


def test_an_image_goes_to_its_registry_and_comes_back_with_its_digest(engine: Engine) -> None:
    named = f"registry.example:5000/team/app:{COMMIT}"
    (engine.state / "registry-key").write_text("k3y")
    pushed_as = engine.publish(
        KUBE_IMAGE="registry.example:5000/team/app",
        KUBE_REGISTRY_USER="robot",
        KUBE_REGISTRY_TOKEN="k3y",
        GITHUB_TOKEN="of-github",
    )
    assert pushed_as == f"registry.example:5000/team/app@{digest(named)}"
    assert (engine.state / "registry").read_text() == f"{named} {digest(named)}\n"
    assert engine.ran()[1:] == [
        "login registry.example:5000 --username robot --password-stdin",
        f"tag mltrading {named}",
        f"push {named}",
    ]


def test_githubs_registry_is_the_default_with_the_token_of_the_job(engine: Engine) -> None:
    (engine.state / "registry-key").write_text("of-github")
    given = {"GITHUB_REPOSITORY": "Octo-Org/MLTrading", "GITHUB_ACTOR": "alice"}
    assert engine.publish(GITHUB_TOKEN="of-github", **given).startswith(f"{HUB}@sha256:")
    assert "login ghcr.io --username alice --password-stdin" in engine.ran()


def test_without_a_key_the_login_that_docker_has_is_taken(engine: Engine) -> None:
    (engine.state / "registry-key").write_text("of-the-laptop")
    (engine.state / ".docker").mkdir()
    (engine.state / ".docker" / "config.json").write_text("of-the-laptop")
    assert engine.publish(KUBE_IMAGE=REPOSITORY, GITHUB_TOKEN="not for others")
    assert not [line for line in engine.ran() if line.startswith("login")]


def test_a_refused_push_ends_in_one_line(engine: Engine) -> None:
    (engine.state / "registry-key").write_text("another")
    with pytest.raises(
        DeliveryError, match="^docker push failed, saying: denied: permission_denie"
    ):
        engine.publish(KUBE_IMAGE=REPOSITORY)


def test_an_image_of_another_commit_is_not_pushed(engine: Engine) -> None:
    (engine.state / "revision").write_text(f"{NEW}\n")
    with pytest.raises(DeliveryError, match=f"is of {NEW}, not of {COMMIT}; `make image`"):
        engine.publish(KUBE_IMAGE=REPOSITORY)
    assert not (engine.state / "registry").exists()


def test_one_image_with_its_digest_is_taken_as_it_is(engine: Engine) -> None:
    fixed = f"{REPOSITORY}@{digest('x')}"
    assert engine.publish(KUBE_IMAGE=fixed) == fixed
    assert engine.ran() == []


@pytest.mark.parametrize(
    "variables, said",
    [
        ({}, "KUBE_IMAGE is not set, nor GITHUB_REPOSITORY"),
        ({"KUBE_IMAGE": "docker.io/a/b", "KUBE_REGISTRY_TOKEN": "k"}, "KUBE_REGISTRY_USER is not"),
        ({"KUBE_IMAGE": REPOSITORY, "PATH": "/nowhere"}, "docker is not installed"),
    ],
)
def test_what_is_missing_is_named(engine: Engine, variables: dict[str, str], said: str) -> None:
    with pytest.raises(DeliveryError, match=said):
        engine.publish(**variables)


def test_a_push_without_a_digest_is_no_push(engine: Engine) -> None:
    silent = engine.state / "docker"
    silent.write_text(f"#!/bin/sh\nif test $1 = image; then echo {COMMIT}; fi\n")
    silent.chmod(0o755)
    with pytest.raises(DeliveryError, match="without saying its digest"):
        engine.publish(KUBE_IMAGE=REPOSITORY, PATH=f"{engine.state}:/usr/bin:/bin")


@pytest.mark.parametrize(
    "name, host",
    [
        ("ghcr.io/a/b", "ghcr.io"),
        ("localhost/a", "localhost"),
        ("registry:5000/a", "registry:5000"),
        ("a/b", "docker.io"),
        ("alone", "docker.io"),
    ],
)
def test_the_registry_is_read_off_the_name_as_docker_does(name: str, host: str) -> None:
    assert registry(name) == host


def test_the_command_prints_the_image_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    (engine.state / "revision").write_text(head.stdout)
    for name, value in {**engine.environment, "KUBE_IMAGE": REPOSITORY}.items():
        monkeypatch.setenv(name, value)
    assert main(["publish", "--commit", "HEAD"]) == 0
    assert capsys.readouterr().out == f"{REPOSITORY}@{digest(image(head.stdout.strip()))}\n"


def test_a_commit_that_staging_runs_by_its_digest_is_not_deployed_again_by_its_tag() -> None:
    with stage() as on:
        by_digest = on.platform()
        by_digest.image = f"{REPOSITORY}@{digest('new')}"
        by_digest.build(COMMIT, b"")
        on.fake.calls.clear()
        assert on.platform().build(COMMIT, b"").artefact == by_digest.image
        assert on.fake.changes() == []
        assert on.platform().build(NEW, b"").artefact == image(NEW)


# The workflow files, with a Kubernetes of ours and the stand-in of docker.


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("publish"))


@pytest.fixture
def cluster() -> Iterator[Fake]:
    with serving(installed()) as fake:
        yield fake
        assert fake.problems == []


def deployed(
    repository: Repository, cluster: Fake, branch: str, variables: Mapping[str, str], **more: Any
) -> Run:
    return repository.run(
        "ci.yml",
        "push",
        {**pushed(branch), "after": repository.commit},
        real={"publish", "build", "url"},
        environment={"GITHUB_REPOSITORY": "Octo-Org/MLTrading"},
        secrets={"KUBE_TOKEN": KEY} | ({} if variables else {"KUBE_REGISTRY_TOKEN": ""}),
        variables={
            "DEPLOY_TARGET": "kubernetes",
            "KUBE_API_URL": cluster.url,
            "KUBE_URL_STAGING": "https://staging.example",
            "KUBE_URL_PRODUCTION": "https://production.example",
            **variables,
        },
        **more,
    )


OTHER = "registry.example:5000/team/app"


@pytest.mark.tools
@pytest.mark.parametrize(
    "branch, job, variables, name, login",
    [
        ("develop", "deploy", {}, HUB, "ghcr.io --username "),
        (
            *("main", "stage"),
            {"KUBE_IMAGE": OTHER, "KUBE_REGISTRY_USER": "robot"},
            *(OTHER, "registry.example:5000 --username robot "),
        ),
    ],
)
def test_a_push_publishes_the_image_that_staging_then_runs_by_its_digest(
    repository: Repository,
    cluster: Fake,
    branch: str,
    job: str,
    variables: dict[str, str],
    name: str,
    login: str,
) -> None:
    run = deployed(repository, cluster, branch, variables)
    assert run.passed, run.log
    tagged = f"{name}:{repository.commit}"
    assert run.words("publish")[0] == "make image"
    assert f"docker push {tagged}" in run.words("publish")
    assert [words for words in run.words("publish") if words.startswith(f"docker login {login}")]
    assert (repository.state / "registry").read_text() == f"{tagged} {digest(tagged)}\n"
    on = Stage(cluster)
    for deployment in ("mltrading-web-blue", "mltrading-worker"):
        assert on.image_of(deployment, "mltrading-staging") == f"{name}@{digest(tagged)}"
    assert cluster.cluster.ran == [f"{name}@{digest(tagged)}"]
    seen = {one.words.split()[0]: one.secrets for one in run.commands if one.job == "publish"}
    assert (seen["make"], seen["docker"]) == (frozenset(), frozenset())
    assert run.one("check").ended < run.one("publish").began
    called = "deploy-staging" if branch == "develop" else "deploy-production"
    assert run.one("publish").ended < run.one(f"{called}/{job}").began


@pytest.mark.tools
@pytest.mark.parametrize("failing", ["docker push", "make image", "make check"])
def test_without_its_image_nothing_is_deployed_and_people_are_told(
    repository: Repository, cluster: Fake, failing: str
) -> None:
    run = deployed(repository, cluster, "main", {}, failing=[failing])
    assert not run.passed
    assert cluster.changes() == []
    assert not [name for name in run.results() if name.startswith("deploy")]
    assert "CI is red on main" in run.words("report")[0]
    if failing == "docker push":
        assert run.results()["publish"] == "failure" and run.results()["check"] == "success"


def test_the_repository_of_the_images_is_one_for_all() -> None:
    assert images({"GITHUB_REPOSITORY": "Octo-Org/MLTrading"}) == HUB
    assert images({"GITHUB_REPOSITORY": "a/b", "KUBE_IMAGE": f" {OTHER}"}) == OTHER
