"""Kubernetes' API in records: what it answers is checked where it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from delivery.errors import DeliveryError, PlatformError
from delivery.http import Client
from delivery.waiting import Clock

COMMIT = "delivery.mltrading/commit"
HISTORY = "delivery.mltrading/history"
CAUSE = "kubernetes.io/change-cause"
REVISION = "deployment.kubernetes.io/revision"
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
MANAGER = "fieldManager=mltrading-delivery"
CONFLICT, MISSING = 409, 404

ADVICE: dict[int | str, str] = {
    401: "KUBE_TOKEN is wrong or expired; `kubectl create token mltrading-delivery` makes one",
    403: "the account of KUBE_TOKEN may not do this; see deploy/kubernetes/base/accounts.yaml",
    404: "is the environment set up? `kubectl apply --server-side -k deploy/kubernetes/production`",
}


def connect(environment: Mapping[str, str], clock: Clock) -> Client:
    """The API server with the token of the environment; DeliveryError where either is missing."""
    token = required(environment, "KUBE_TOKEN", "`kubectl create token mltrading-delivery`")
    return Client(
        required(environment, "KUBE_API_URL", "`kubectl cluster-info`"),
        {"authorization": f"Bearer {token}"},
        service="Kubernetes",
        advice=ADVICE,
        ca_data=environment.get("KUBE_CA") or None,
        sleep=clock.sleep,
    )


def required(environment: Mapping[str, str], name: str, source: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise DeliveryError(f"{name} is not set; {source} tells it")
    return value


@dataclass(frozen=True, slots=True)
class Deployment:
    """`trouble` is why its rollout was given up, `waiting` what is not yet there; None: nothing."""

    name: str
    version: str
    container: str
    image: str
    commit: str | None
    labels: Mapping[str, str]
    available: int
    trouble: str | None
    waiting: str | None


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    name: str
    revision: int
    image: str
    commit: str | None
    cause: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Service:
    version: str
    colour: str
    history: str


@dataclass(frozen=True, slots=True)
class Job:
    uid: str
    complete: bool
    failure: str | None


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A reply that lacks what its schema promises is an error of the platform, in one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise PlatformError(
            f"Kubernetes: {what} came without what it should hold"
            f" ({type(error).__name__}: {error}); is it made from deploy/kubernetes?"
        ) from None


def path(kind: str, namespace: str, name: str = "") -> str:
    """The address of an object, or of all of a kind."""
    group = {"deployments": "apis/apps/v1", "replicasets": "apis/apps/v1", "jobs": "apis/batch/v1"}
    whole = f"/{group.get(kind, 'api/v1')}/namespaces/{namespace}/{kind}"
    return f"{whole}/{name}" if name else whole


def deployment(api: Client, namespace: str, name: str) -> Deployment:
    body = api.get(path("deployments", namespace, name)).body
    with reading(f"the deployment {name}"):
        metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
        template = spec["template"]
        container = template["spec"]["containers"][0]
        return Deployment(
            name=name,
            version=metadata["resourceVersion"],
            container=container["name"],
            image=container["image"],
            commit=_annotations(template["metadata"]).get(COMMIT),
            labels=spec["selector"]["matchLabels"],
            available=status.get("availableReplicas", 0),
            trouble=_trouble(metadata, status),
            waiting=_waiting(metadata, spec, status),
        )


def _current(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether the status speaks of the newest specification."""
    return int(status.get("observedGeneration", 0)) >= int(metadata["generation"])


def _trouble(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions", ()):
        if _current(metadata, status) and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or "its processes did not come up in time")
    return None


def _waiting(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> str | None:
    """What `kubectl rollout status` waits for."""
    wanted = int(spec.get("replicas", 1))
    updated, there = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    available = int(status.get("availableReplicas", 0))
    if not _current(metadata, status):
        return "it is not looked at yet"
    if updated < wanted:
        return f"{updated} of {wanted} processes are new"
    if there > updated:
        return f"{there - updated} old processes are ending"
    if available < updated:
        return f"{available} of {updated} processes are ready"
    return None


def replica_sets(api: Client, namespace: str, owner: str) -> list[ReplicaSet]:
    """Those of one deployment, the newest revision first."""
    body = api.get(path("replicasets", namespace) + "?labelSelector=app%3Dmltrading").body
    with reading(f"the replica sets of {owner}"):
        found = []
        for one in body["items"]:
            metadata, template = one["metadata"], one["spec"]["template"]
            owners = [parent["name"] for parent in metadata.get("ownerReferences", ())]
            if owner in owners:
                found.append(_replica_set(metadata, template))
        return sorted(found, key=lambda one: -one.revision)


def _replica_set(metadata: Mapping[str, Any], template: Mapping[str, Any]) -> ReplicaSet:
    notes = _annotations(metadata)
    return ReplicaSet(
        name=metadata["name"],
        revision=int(notes[REVISION]),
        image=template["spec"]["containers"][0]["image"],
        commit=_annotations(template["metadata"]).get(COMMIT),
        cause=notes.get(CAUSE, ""),
        created_at=moment(metadata["creationTimestamp"]),
    )


def service(api: Client, namespace: str, name: str) -> Service:
    body = api.get(path("services", namespace, name)).body
    with reading(f"the service {name}"):
        metadata = body["metadata"]
        colour = body["spec"]["selector"]["colour"]
        return Service(metadata["resourceVersion"], colour, _annotations(metadata).get(HISTORY, ""))


def job(api: Client, namespace: str, name: str) -> Job | None:
    try:
        body = api.get(path("jobs", namespace, name)).body
    except PlatformError as error:
        if error.status == MISSING:
            return None
        raise
    with reading(f"the job {name}"):
        conditions = body.get("status", {}).get("conditions", ())
        true = {one["type"]: one for one in conditions if one["status"] == "True"}
        failed = true.get("Failed")
        why = None if failed is None else str(failed.get("message") or failed.get("reason"))
        return Job(body["metadata"]["uid"], "Complete" in true, why)


def why_not_up(api: Client, namespace: str, labels: Mapping[str, str]) -> str:
    """What the pods that are not ready say of themselves, each reason once."""
    chosen = urlencode({"labelSelector": ",".join(f"{n}={v}" for n, v in labels.items())})
    body = api.get(f"{path('pods', namespace)}?{chosen}").body
    with reading("a list of pods"):
        found = []
        for pod in body["items"]:
            for container in pod.get("status", {}).get("containerStatuses", ()):
                state = container.get("state", {}).get("waiting")
                if state:
                    found.append(f"{state.get('reason')}: {state.get('message', '')}".strip(": "))
        return "; ".join(dict.fromkeys(found))


def moment(written: str) -> datetime:
    """An aware time; ValueError for one without a zone."""
    parsed = datetime.fromisoformat(written)
    if parsed.tzinfo is None:
        raise ValueError(f"the time {written!r} has no zone")
    return parsed


def _annotations(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    return metadata.get("annotations") or {}
