"""A delivery on the fake of Kubernetes, with a clock that only counts, and its crashes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from delivery.deployer import Release, Slot
from delivery.errors import SmokeFailed
from delivery.kubernetes import Kubernetes, from_environment
from delivery.platforms import Delivery, Patience
from delivery.promote import promote
from tests.test_delivery.heroku_stage import CrashingClient, Time
from tests.test_delivery.kubernetes_cluster import START, Cluster
from tests.test_delivery.kubernetes_fake import KEY, Fake, installed, serving

OLD, LIVE, NEW = "1" * 40, "2" * 40, "a" * 40
REPOSITORY = "registry.example/mltrading"


def image(commit: str) -> str:
    return f"{REPOSITORY}:{commit}"


@dataclass
class Stage:
    fake: Fake
    time: Time = field(default_factory=Time)
    pages: list[tuple[str, str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return self.fake.cluster

    def platform(self, crash_after: int = 10**9) -> Kubernetes:
        """A new process that delivers; it knows nothing of those before."""
        clock = self.time.clock()
        variables = {"KUBE_TOKEN": KEY, "KUBE_API_URL": self.fake.url, "KUBE_IMAGE": REPOSITORY}
        kubernetes = from_environment(variables, clock)
        kubernetes.api = CrashingClient(
            kubernetes.api.base_url,
            kubernetes.api.headers,
            kubernetes.api.service,
            kubernetes.api.advice,
            timeout_seconds=5,
            sleep=self.time.sleep,
            tell=self.lines.append,
            crash_after=crash_after,
        )
        kubernetes.tell, kubernetes.now = self.lines.append, lambda: START
        return kubernetes

    def delivery(self, crash_after: int = 10**9) -> Delivery:
        return Delivery(
            self.platform(crash_after), self._check, self._page, self._over, self.lines.append
        )

    def runs(self, slot: Slot) -> str | None:
        """The commit that answers there."""
        service = "mltrading-preview" if slot == "green" else "mltrading"
        namespace = "mltrading-staging" if slot == "staging" else "mltrading"
        found = self.cluster.visitors(service, namespace)
        return found.rpartition(":")[2] if found else None

    def image_of(self, name: str, namespace: str = "mltrading") -> str:
        """What a deployment is to run, whether it is up or not."""
        spec = self.cluster.get("deployments", namespace, name)["spec"]
        return str(spec["template"]["spec"]["containers"][0]["image"])

    def past(self) -> list[str]:
        """What visitors were sent to, the newest first."""
        releases = self.platform().releases("production")
        return [f"{one.label} {one.description} {(one.commit or '?')[0]}" for one in releases]

    def _page(self, severity: str, title: str, text: str) -> None:
        self.pages.append((severity, title, text))

    def _over(self, title: str, text: str) -> None:
        self.pages.append(("over", title, text))

    def _check(self, slot: Slot, release: Release, patience: Patience) -> None:
        answers = self.runs(slot)
        if answers is None or answers != release.commit:
            raise SmokeFailed(f"{slot} answers as {answers}, not {release.commit}")
        if f"{slot} {answers}" in self.cluster.sick:
            raise SmokeFailed(f"{slot} is not healthy")


@lru_cache(maxsize=1)
def _seeded() -> Cluster:
    """Production ran OLD, then LIVE; NEW waits on staging. Made by delivering."""
    with serving(installed()) as fake:
        stage = Stage(fake)
        for commit in (OLD, LIVE):
            stage.platform().build(commit, b"")
            promote(stage.delivery(), commit)
        stage.platform().build(NEW, b"")
        assert fake.problems == []
        return fake.cluster


@contextmanager
def stage() -> Iterator[Stage]:
    """The cluster with its past; what the schemas do not allow fails the test."""
    with serving(_seeded().copy()) as fake:
        yield Stage(fake)
        assert fake.problems == []
