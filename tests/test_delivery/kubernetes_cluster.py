"""What the fake of Kubernetes keeps: objects, and the controllers that move them on.

A look at a deployment or a job is a step of its controller: a new specification is first not looked
at, then its pods are started, then they are ready (or never, where the image crashes).
"""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

START = datetime(2026, 11, 20, 9, 0, tzinfo=timezone.utc)
REVISION = "deployment.kubernetes.io/revision"
KINDS = {
    "Service": "services",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "Job": "jobs",
    "Role": "roles",
}
Object = dict[str, Any]


class Rejected(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass
class Cluster:
    """`crashing` images never come up, the release's job of `failing` ones fails; `up` is the image
    that answers behind a deployment."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    up: dict[tuple[str, str], str] = field(default_factory=dict)
    crashing: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    count: int = 0

    def copy(self) -> Cluster:
        return copy.deepcopy(self)

    def visitors(self, service: str = "mltrading", namespace: str = "mltrading") -> str | None:
        """The image that answers behind a service."""
        colour = self.get("services", namespace, service)["spec"]["selector"]["colour"]
        return self.up.get((namespace, f"mltrading-web-{colour}"))

    def add(self, thing: Object) -> Object:
        """A new object, as `create` makes it."""
        kind, metadata = KINDS[thing["kind"]], thing["metadata"]
        at = (kind, metadata["namespace"], metadata["name"])
        if at in self.objects:
            raise Rejected(409, "AlreadyExists", f'{kind} "{at[2]}" already exists')
        self.count += 1
        metadata["uid"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"kubernetes-fake-{self.count}"))
        created = START + timedelta(seconds=self.count)
        metadata["creationTimestamp"] = created.isoformat().replace("+00:00", "Z")
        metadata["generation"] = 1
        self.objects[at] = thing
        self._written(thing)
        return thing

    def get(self, kind: str, namespace: str, name: str) -> Object:
        found = self.objects.get((kind, namespace, name))
        if found is None:
            raise Rejected(404, "NotFound", f'{kind} "{name}" not found')
        return found

    def patch(self, kind: str, namespace: str, name: str, body: Object, strategic: bool) -> Object:
        thing = self.get(kind, namespace, name)
        version = body.get("metadata", {}).pop("resourceVersion", None)
        if version not in (None, thing["metadata"]["resourceVersion"]):
            raise Rejected(
                409,
                "Conflict",
                f'{kind} "{name}": the object has been modified; please apply'
                " your changes to the latest version and try again",
            )
        before = copy.deepcopy(thing)
        _merge(thing, body, strategic)
        if thing != before:
            if thing["spec"] != before["spec"]:
                thing["metadata"]["generation"] += 1
            self._written(thing)
        return thing

    def delete(self, kind: str, namespace: str, name: str, uid: str | None) -> None:
        thing = self.get(kind, namespace, name)
        if uid not in (None, thing["metadata"]["uid"]):
            raise Rejected(409, "Conflict", f'{kind} "{name}": the UID in the precondition differs')
        thing["metadata"]["deletionTimestamp"] = thing["metadata"]["creationTimestamp"]

    def listed(self, kind: str, namespace: str, labels: dict[str, str]) -> list[Object]:
        found = [one for at, one in self.objects.items() if at[:2] == (kind, namespace)]
        return [one for one in found if labels.items() <= one["metadata"]["labels"].items()]

    def looked(self, kind: str, namespace: str, name: str) -> None:
        """A controller's step; what is being deleted is gone at the second look."""
        thing = self.get(kind, namespace, name)
        if "deletionTimestamp" in thing["metadata"]:
            if self._second_look(thing):
                del self.objects[kind, namespace, name]
        elif kind == "deployments":
            self._roll_out(thing)
        elif kind == "jobs":
            self._run(thing)

    def _second_look(self, thing: Object) -> bool:
        uid = thing["metadata"]["uid"]
        again = uid in self.seen
        self.seen ^= {uid}
        return again

    def _written(self, thing: Object) -> None:
        self.count += 1
        thing["metadata"]["resourceVersion"] = str(self.count)

    def _roll_out(self, thing: Object) -> None:
        metadata, spec = thing["metadata"], thing["spec"]
        status = thing.setdefault("status", {})
        at = (metadata["namespace"], metadata["name"])
        image = spec["template"]["spec"]["containers"][0]["image"]
        before = copy.deepcopy(status)
        wanted, available = spec["replicas"], status.get("availableReplicas", 0)
        if metadata["generation"] > status.get("observedGeneration", 0):
            if not self._second_look(thing):  # the controller has not looked yet
                return
            new = self._replica_set(thing)
            status["observedGeneration"] = metadata["generation"]
            if new or self.up.get(at) != image:
                status |= {"replicas": available + 1, "updatedReplicas": 1}
                status["conditions"] = [_condition("Progressing", "True", "ReplicaSetUpdated", "")]
        elif image in self.crashing and self.up.get(at) != image:
            text = f'ReplicaSet "{at[1]}" has timed out progressing.'
            status["conditions"] = [
                _condition("Progressing", "False", "ProgressDeadlineExceeded", text)
            ]
        elif status.get("updatedReplicas", 0) < wanted:
            status |= {"replicas": wanted + 1, "updatedReplicas": wanted}
        elif status["replicas"] > wanted or available < wanted:
            status |= {"replicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted}
            self.up[at] = image
        if status != before:
            self._written(thing)

    def _replica_set(self, thing: Object) -> bool:
        """The one of the template, with the newest revision; whether it had to be made."""
        metadata, template = thing["metadata"], copy.deepcopy(thing["spec"]["template"])
        text = json.dumps(template, sort_keys=True).encode()
        name = f"{metadata['name']}-{hashlib.sha256(text).hexdigest()[:9]}"
        key = ("replicasets", metadata["namespace"], name)
        made = key not in self.objects
        if made:
            owner = {"apiVersion": "apps/v1", "kind": "Deployment", "controller": True}
            owner |= {"name": metadata["name"], "uid": metadata["uid"]}
            self.add(
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "metadata": {
                        "name": name,
                        "namespace": metadata["namespace"],
                        "labels": dict(template["metadata"]["labels"]),
                        "annotations": {},
                        "ownerReferences": [owner],
                    },
                    "spec": {"selector": thing["spec"]["selector"], "template": template},
                }
            )
        notes = metadata.setdefault("annotations", {})
        notes[REVISION] = str(int(notes.get(REVISION, "0")) + 1)
        self.objects[key]["metadata"]["annotations"] |= notes
        self._written(self.objects[key])
        return made

    def _run(self, thing: Object) -> None:
        status = thing.setdefault("status", {})
        image = thing["spec"]["template"]["spec"]["containers"][0]["image"]
        if not status:
            status["active"] = 1
            self.ran.append(image)
        elif "active" in status:
            status.pop("active")
            why = ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
            good = ("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            kind, reason, text = why if image in self.failing else good
            status["conditions"] = [_condition(kind, "True", reason, text)]
            self._written(thing)

    def pods(self, namespace: str, labels: dict[str, str]) -> list[Object]:
        """A pod for each deployment that crashes: what `kubectl describe` would tell."""
        found = []
        for thing in self.listed("deployments", namespace, labels):
            container = thing["spec"]["template"]["spec"]["containers"][0]
            if container["image"] in self.crashing:
                waiting = {"reason": "ImagePullBackOff", "message": "image is not there"}
                status = {"name": container["name"], "ready": False, "restartCount": 0}
                status |= {"image": container["image"], "imageID": ""}
                status["state"] = {"waiting": waiting}
                found.append(
                    {
                        "metadata": {"name": thing["metadata"]["name"], "namespace": namespace},
                        "spec": thing["spec"]["template"]["spec"],
                        "status": {"phase": "Pending", "containerStatuses": [status]},
                    }
                )
        return found


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _merge(thing: Object, body: Object, strategic: bool) -> None:
    """RFC 7386; a strategic merge patch meets the items of a list of containers by their name."""
    for name, value in body.items():
        if value is None:
            thing.pop(name, None)
        elif isinstance(value, dict):
            _merge(thing.setdefault(name, {}), value, strategic)
        elif strategic and name == "containers":
            for item in value:
                same = next(one for one in thing[name] if one["name"] == item["name"])
                _merge(same, item, strategic)
        else:
            thing[name] = value
