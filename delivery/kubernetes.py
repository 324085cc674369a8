"""Deployer on Kubernetes: two colours of the web servers, and a service that names one of them.

The colour that visitors are sent to is production, the other one is green. A promotion to green
runs the release's job and sets that colour's image; a promotion to production changes the service's
selector and, in the same request, the annotation which keeps what was live. Staging is a namespace
of its own. A commit's image is pushed before (delivery/publish.py): an API server builds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from delivery import kubernetes_api as kube
from delivery.deployer import Release, Slot
from delivery.errors import DeliveryError
from delivery.http import Client
from delivery.kubernetes_api import Deployment, Service, connect, required
from delivery.kubernetes_steps import Steps
from delivery.waiting import Clock, say

COLOURS = ("blue", "green")
LIVE, PREVIEW, WORKER = "mltrading", "mltrading-preview", "mltrading-worker"
URL_VARIABLES: dict[Slot, str] = {
    "staging": "KUBE_URL_STAGING",
    "green": "KUBE_URL_GREEN",
    "production": "KUBE_URL_PRODUCTION",
}
KEPT_RELEASES = 30
GITHUB_REGISTRY = "ghcr.io"


@dataclass(slots=True)
class Kubernetes:
    """`namespaces` of staging and of production; `image` is the repository of images, whose tag is
    the commit, or one image with its digest; `environment` has the addresses (URL_VARIABLES)."""

    api: Client
    namespaces: Mapping[Slot, str]
    image: str
    environment: Mapping[str, str]
    clock: Clock = field(default_factory=Clock)
    tell: Callable[[str], None] = say
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def url(self, slot: Slot) -> str:
        return required(self.environment, URL_VARIABLES[slot], "its Ingress").rstrip("/")

    def releases(self, slot: Slot) -> list[Release]:
        """Production's are what visitors were sent to; the others' are their replica sets."""
        if slot == "production":
            live = self._deployment("production")
            return [_release(entry) for entry in self._history(self._service(slot), live)]
        sets = kube.replica_sets(self.api, self._namespace(slot), self._name(slot))
        return [
            Release(one.name, f"r{one.revision}", one.image, one.commit, one.created_at, one.cause)
            for one in sets
        ]

    def build(self, commit: str, archive: bytes) -> Release:
        """Run the commit's image, which was pushed before, on staging; the archive is not used."""
        artefact = self._artefact(commit)
        made = self._deploy("staging", artefact, commit)
        self._set_worker("staging", made)
        self._steps.wait(self._namespace("staging"), WORKER)
        return made

    def _artefact(self, commit: str) -> str:
        """The image with the digest that was given; else what staging runs of the commit already,
        with its digest perhaps; else its tag."""
        if "@" in self.image:
            return self.image
        running = self._deployment("staging")
        if running.commit == commit and running.image.startswith(f"{self.image}@"):
            return running.image
        return f"{self.image}:{commit}"

    def promote(self, source: Slot, target: Slot, release: Release) -> Release:
        if (source, target) == ("staging", "green"):
            self._point_preview()
            return self._deploy("green", release.artefact, release.commit)
        if (source, target) == ("green", "production"):
            # Before visitors are there: a run that crashes after that is not continued here.
            self._set_worker("production", release)
            return self._go_live(release, "Promote green")
        raise DeliveryError("a release goes from staging to green, and from green to production")

    def roll_back(self, slot: Slot, release: Release) -> Release:
        """At once where the other colour still runs it; else that colour is given its image. The
        database stays: an older program runs on a newer schema."""
        place: Slot = "green" if slot == "production" else slot
        if slot != "production" or self._deployment(slot).image != release.artefact:
            name = self._name(place)
            self._steps.set_image(self._namespace(place), name, release.artefact, release.commit)
            self._steps.wait(self._namespace(place), name)
        if slot == "production":
            return self._go_live(release, f"Rollback to {release.label}")
        return self.releases(slot)[0]

    def _deploy(self, slot: Slot, artefact: str, commit: str | None) -> Release:
        """The release's job, then the processes; what is there already is only waited for."""
        namespace, name = self._namespace(slot), self._name(slot)
        if kube.deployment(self.api, namespace, name).image != artefact:
            self._steps.run_release(namespace, artefact)
            self._steps.set_image(namespace, name, artefact, commit)
        self._steps.wait(namespace, name)
        return self.releases(slot)[0]

    def _go_live(self, release: Release, description: str) -> Release:
        """Send visitors to the colour that runs the release; then the worker follows."""
        self._steps.settled("the service", lambda: self._switch(release, description))
        self._set_worker("production", release)
        self._steps.wait(self._namespace("production"), WORKER)
        return self.releases("production")[0]

    def _switch(self, release: Release, description: str) -> None:
        """Nothing where visitors are there already; DeliveryError where nothing runs that could
        answer them."""
        service, live = self._service("production"), self._deployment("production")
        if live.image == release.artefact:
            self.tell(f"visitors are sent to {service.colour} already")
            return
        colour = _other(service.colour)
        ready = self._deployment("green")
        if ready.image != release.artefact or ready.waiting or ready.trouble:
            state = ready.trouble or ready.waiting or "it is up"
            raise DeliveryError(
                f"{ready.name} runs {ready.image} ({state}), not {release.artefact}; visitors stay"
                f" on {service.colour}, promote to green first"
            )
        past = self._history(service, live)
        entry = {
            "version": past[0]["version"] + 1 if past else 1,
            "artefact": release.artefact,
            "commit": release.commit,
            "at": self.now().isoformat(timespec="seconds"),
            "description": description,
        }
        notes = {kube.HISTORY: json.dumps([entry, *past][:KEPT_RELEASES])}
        self.tell(f"sending visitors to {colour}")
        namespace = self.namespaces["production"]
        self._steps.select(namespace, LIVE, service.version, colour, notes)

    def _history(self, service: Service, live: Deployment) -> list[dict[str, Any]]:
        """What visitors were sent to, the newest first; what people changed by hand is seen in what
        runs."""
        with kube.reading(f"the annotation {kube.HISTORY}"):
            past: list[dict[str, Any]] = json.loads(service.history or "[]")
            known = [_release(entry).artefact for entry in past]
        if known[:1] == [live.image] or not live.available:
            return past
        sets = kube.replica_sets(self.api, self.namespaces["production"], live.name)
        entry = {
            "version": past[0]["version"] + 1 if past else 0,
            "artefact": live.image,
            "commit": live.commit,
            "at": sets[0].created_at.isoformat(),
            "description": "Changed by hand" if past else "Set up",
        }
        return [entry, *past]

    def _set_worker(self, slot: Slot, release: Release) -> None:
        namespace = self._namespace(slot)
        self._steps.set_image(namespace, WORKER, release.artefact, release.commit)

    def _point_preview(self) -> None:
        """The address of green leads to the colour without visitors."""
        namespace = self.namespaces["production"]

        def change() -> None:
            idle = _other(self._service("production").colour)
            preview = kube.service(self.api, namespace, PREVIEW)
            if preview.colour != idle:
                self._steps.select(namespace, PREVIEW, preview.version, idle, {})

        self._steps.settled("the preview service", change)

    @property
    def _steps(self) -> Steps:
        return Steps(self.api, self.clock, self.tell)

    def _service(self, slot: Slot) -> Service:
        return kube.service(self.api, self._namespace(slot), LIVE)

    def _deployment(self, slot: Slot) -> Deployment:
        return kube.deployment(self.api, self._namespace(slot), self._name(slot))

    def _namespace(self, slot: Slot) -> str:
        return self.namespaces["staging" if slot == "staging" else "production"]

    def _name(self, slot: Slot) -> str:
        """The deployment of a slot: of green the one whose colour the service does not name."""
        colour = self._service(slot).colour
        return f"mltrading-web-{_other(colour) if slot == 'green' else colour}"


def from_environment(environment: Mapping[str, str], clock: Clock) -> Kubernetes:
    """DeliveryError where a variable is missing."""
    return Kubernetes(
        api=connect(environment, clock),
        namespaces={
            "staging": environment.get("KUBE_NAMESPACE_STAGING") or "mltrading-staging",
            "production": environment.get("KUBE_NAMESPACE") or "mltrading",
        },
        image=images(environment),
        environment=environment,
        clock=clock,
    )


def images(environment: Mapping[str, str]) -> str:
    """The repository of the images: KUBE_IMAGE, else the one of this name at GitHub's registry."""
    named = environment.get("KUBE_IMAGE", "").strip()
    if named:
        return named
    repository = environment.get("GITHUB_REPOSITORY", "").strip()
    if not repository:
        raise DeliveryError("KUBE_IMAGE is not set, nor GITHUB_REPOSITORY; where are the images?")
    return f"{GITHUB_REGISTRY}/{repository.lower()}"


def _other(colour: str) -> str:
    if colour not in COLOURS:
        raise DeliveryError(f"the service names the colour {colour!r}; known: {', '.join(COLOURS)}")
    return COLOURS[1 - COLOURS.index(colour)]


def _release(entry: Mapping[str, Any]) -> Release:
    return Release(
        id=str(entry["version"]),
        label=f"v{int(entry['version'])}",
        artefact=entry["artefact"],
        commit=entry["commit"],
        created_at=kube.moment(entry["at"]),
        description=entry["description"],
    )
