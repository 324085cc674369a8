"""`python -m delivery publish`: push the image that `make image` built; Kubernetes pulls it there.

It goes to KUBE_IMAGE, or to GitHub's registry, with the commit as its tag; printed is the image
with its digest, which a delivery takes as KUBE_IMAGE: a digest can not be moved, a tag can. An
image of another commit is refused. Where KUBE_IMAGE has a digest there is nothing to push.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from delivery.build import resolved
from delivery.errors import DeliveryError
from delivery.kubernetes import GITHUB_REGISTRY, images

BUILT = "mltrading"
"""The tag that `make image` gives."""
REVISION = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})\b")
LONGEST_SECONDS = 540
TOKENS = frozenset({"GITHUB_TOKEN", "KUBE_REGISTRY_TOKEN"})


def publish(environment: Mapping[str, str], commit: str) -> str:
    """The image of the commit with its digest, which is in its registry."""
    repository = images(environment)
    if "@" in repository:
        _tell(f"KUBE_IMAGE is the one image {repository}: nothing to push")
        return repository
    image = f"{repository}:{commit}"
    with tempfile.TemporaryDirectory() as folder:
        docker = Docker(environment, Path(folder))
        made_of = docker.run("image", "inspect", "--format", REVISION, BUILT).strip()
        if made_of != commit:
            raise DeliveryError(
                f"the image {BUILT} is of {made_of or 'no commit'}, not of {commit};"
                " `make image` builds it"
            )
        docker.log_in(registry(repository))
        docker.run("tag", BUILT, image)
        _tell(f"pushing {image}")
        said = docker.run("push", image)
    found = DIGEST.search(said)
    if found is None:
        raise DeliveryError(
            f"docker pushed {image} without saying its digest; look at the registry"
        )
    return f"{repository}@{found[1]}"


def registry(repository: str) -> str:
    """The host of a repository of images, as docker reads it: without one it is Docker Hub's."""
    first, slash, _ = repository.partition("/")
    named = slash and (first == "localhost" or re.search("[.:]", first))
    return first if named else "docker.io"


@dataclass(slots=True)
class Docker:
    """The engine's command; a key that it is given stays in `folder`, and goes with it."""

    environment: Mapping[str, str]
    folder: Path
    own: dict[str, str] = field(default_factory=dict)

    def log_in(self, host: str) -> None:
        """With KUBE_REGISTRY_TOKEN, at GitHub's registry else with GITHUB_TOKEN; without either the
        login that docker has is taken."""
        token = self.environment.get("KUBE_REGISTRY_TOKEN")
        user = self.environment.get("KUBE_REGISTRY_USER")
        if not token and host == GITHUB_REGISTRY:
            token = self.environment.get("GITHUB_TOKEN")
            user = user or self.environment.get("GITHUB_ACTOR")
        if not token:
            return
        if not user:
            raise DeliveryError(
                f"KUBE_REGISTRY_USER is not set; who is KUBE_REGISTRY_TOKEN at {host}?"
            )
        self.own["DOCKER_CONFIG"] = str(self.folder)
        self.run("login", host, "--username", user, "--password-stdin", given=token)

    def run(self, *words: str, given: str = "") -> str:
        """What it prints; DeliveryError with its last words where it fails."""
        kept = {name: value for name, value in self.environment.items() if name not in TOKENS}
        try:
            done = subprocess.run(
                ["docker", *words],
                env=kept | self.own,
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise DeliveryError("docker is not installed") from None
        except subprocess.TimeoutExpired:
            raise DeliveryError(f"docker {words[0]} took longer than {LONGEST_SECONDS} s") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise DeliveryError(f"docker {words[0]} failed, saying: {said[:300]}")
        return done.stdout


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: make image && python -m delivery publish"
    parser.add_argument(
        "--commit",
        default=os.environ.get("GITHUB_SHA") or "HEAD",
        help="which commit the image has to be of (default GITHUB_SHA, else HEAD)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print(publish(os.environ, resolved(Path.cwd(), arguments.commit)))
    return 0


def _tell(line: str) -> None:
    """Beside the answer, which a workflow takes from stdout."""
    print(line, file=sys.stderr, flush=True)
