"""What a delivery does to a cluster, each step safe to repeat and waited for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from delivery import kubernetes_api as kube
from delivery.errors import PlatformError
from delivery.http import Client
from delivery.waiting import Clock, poll

RELEASE_JOB = Path(__file__).parents[1] / "deploy" / "kubernetes" / "release-job.yaml"
ROLLOUT_SECONDS = 900.0  # the cluster itself gives up after 300 s without progress
RELEASE_SECONDS = 660.0  # longer than the job's own activeDeadlineSeconds
REMOVAL_SECONDS = 60.0
TRIES = 6


@dataclass(slots=True)
class Steps:
    api: Client
    clock: Clock
    tell: Callable[[str], None]

    def set_image(self, namespace: str, name: str, artefact: str, commit: str | None) -> None:
        def change() -> None:
            found = kube.deployment(self.api, namespace, name)
            if found.image == artefact:
                return
            self.tell(f"{name}: setting the image {artefact}")
            template = {
                "metadata": {"annotations": {kube.COMMIT: commit}},
                "spec": {"containers": [{"name": found.container, "image": artefact}]},
            }
            cause = {kube.CAUSE: f"Deploy {commit or artefact}"}
            body = {"metadata": {"annotations": cause}, "spec": {"template": template}}
            address = kube.path("deployments", namespace, name)
            self.patch(address, found.version, body, kube.STRATEGIC)

        self.settled(f"the deployment {name}", change)

    def select(
        self, namespace: str, name: str, version: str, colour: str, notes: Mapping[str, str]
    ) -> None:
        """Point a service at a colour; with a note of it in the same request."""
        body = {"metadata": {"annotations": notes}, "spec": {"selector": {"colour": colour}}}
        self.patch(kube.path("services", namespace, name), version, body, kube.MERGE)

    def patch(
        self, address: str, version: str, body: dict[str, Any], headers: Mapping[str, str]
    ) -> None:
        """Only what was read is changed (409 otherwise), so sending it twice does no harm."""
        metadata = {**body["metadata"], "resourceVersion": version}
        body = {**body, "metadata": metadata}
        self.api.patch(f"{address}?{kube.MANAGER}", body, repeat=True, headers=headers)

    def settled(self, what: str, change: Callable[[], None]) -> None:
        """`change` reads and writes; somebody who wrote in between makes it do so again."""
        for _ in range(TRIES):
            try:
                return change()
            except PlatformError as error:
                if error.status != kube.CONFLICT:
                    raise
                self.tell(f"{what} was changed by somebody else meanwhile; looking again")
        raise PlatformError(
            f"Kubernetes: {what} is changed by somebody else again and again; run again when it"
            " is quiet"
        )

    def wait(self, namespace: str, name: str) -> None:
        """Until the deployment runs nothing but its newest specification."""

        def up() -> bool | None:
            found = kube.deployment(self.api, namespace, name)
            if found.trouble:
                why = kube.why_not_up(self.api, namespace, found.labels)
                raise PlatformError(
                    f"Kubernetes: {name} did not come up: {found.trouble}"
                    f"{f' ({why})' if why else ''}; see `kubectl -n {namespace} logs deploy/{name}`"
                )
            return None if found.waiting else True

        poll(up, f"{name} in {namespace} to be up", ROLLOUT_SECONDS, self.clock)
        self.tell(f"{name}: up")

    def run_release(self, namespace: str, artefact: str) -> None:
        """The release's job, once for each image; one that failed before is tried again."""
        name = f"mltrading-release-{hashlib.sha256(artefact.encode()).hexdigest()[:12]}"
        found = kube.job(self.api, namespace, name)
        if found is not None and found.failure:
            self.tell(f"{name} failed before; running it again")
            self._remove(namespace, name, found.uid)
            found = None
        if found is None:
            self._create(namespace, name, artefact)

        def ended() -> kube.Job | None:
            one = kube.job(self.api, namespace, name)
            return one if one is not None and (one.complete or one.failure) else None

        done = poll(ended, f"the job {name} to end", RELEASE_SECONDS, self.clock)
        if done.failure:
            raise PlatformError(
                f"Kubernetes: the release's job failed: {done.failure}; nothing was deployed; see"
                f" `kubectl -n {namespace} logs job/{name}`"
            )
        self.tell(f"{name}: complete")

    def _create(self, namespace: str, name: str, artefact: str) -> None:
        manifest = yaml.safe_load(RELEASE_JOB.read_text(encoding="utf-8"))
        manifest["metadata"]["name"] = name
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = artefact
        self.tell(f"{name}: running")
        try:
            self.api.post(f"{kube.path('jobs', namespace)}?{kube.MANAGER}", manifest, repeat=True)
        except PlatformError as error:
            if error.status != kube.CONFLICT:  # it was made, and only the answer was lost
                raise

    def _remove(self, namespace: str, name: str, uid: str) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self.api.delete(kube.path("jobs", namespace, name), options)
        except PlatformError as error:
            if error.status not in (kube.MISSING, kube.CONFLICT):  # another run was faster
                raise

        def gone() -> bool | None:
            one = kube.job(self.api, namespace, name)
            return True if one is None or one.uid != uid else None

        poll(gone, f"the job {name} to be removed", REMOVAL_SECONDS, self.clock)
