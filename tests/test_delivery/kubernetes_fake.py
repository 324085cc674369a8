"""A Kubernetes API server on this machine, with the objects of deploy/kubernetes.

What it is given, keeps and answers is judged by Kubernetes' own schemas, the strict ones that
kubernetes-validate brings; what does not fit is kept in `problems`, which a test expects to be
empty. The caller has exactly the rights that the manifests' Role gives it.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.test_delivery.fake_server import Fault, Request, Sent, answering
from tests.test_delivery.kubernetes_cluster import KINDS, Cluster, Object, Rejected
from tests.test_delivery.programs import ROOT, tool

KEY = "kube-fake-0123456789abcdef"
MANIFESTS = ROOT / "deploy" / "kubernetes"
VERSION = "1.37.0"
GROUPS = {"apps": "apps/v1", "batch": "batch/v1", "": "v1"}


@lru_cache
def rendered(name: str) -> str:
    """The manifests of an environment, as kubectl makes them of the kustomization."""
    words = [tool("kubectl"), "kustomize", str(MANIFESTS / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@lru_cache
def _schemas() -> Path:
    program = Path(tool("kubernetes-validate"))
    pattern = f"lib/python*/site-packages/kubernetes_validate/*/v{VERSION}-local-strict"
    (folder,) = program.parents[1].glob(pattern)
    return folder


@lru_cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((_schemas() / f"{name}.json").read_text())
    definitions = json.loads((_schemas() / "_definitions.json").read_text())
    registry: Registry[Any] = Registry()
    for contents in (schema, definitions):
        registry = Resource.from_contents(contents) @ registry
    return Draft202012Validator(schema, registry=registry)


@lru_cache(maxsize=None)
def _judged(text: str) -> tuple[str, ...]:
    thing = json.loads(text)
    version = thing["apiVersion"].replace(".k8s.io", "").replace(".authorization", "")
    name = f"{thing['kind'].lower()}-{version.replace('/', '-')}"
    if thing["kind"] == "Status":
        name = "status-meta-v1"
    found = _validator(name).iter_errors(thing)
    return tuple(f"{name}: {error.json_path} {error.message[:200]}" for error in found)


def judged(thing: Object) -> tuple[str, ...]:
    """What does not fit the schema of the object's kind."""
    return _judged(json.dumps(thing, sort_keys=True))


@dataclass
class Fake:
    cluster: Cluster
    url: str = ""
    problems: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)  # by the number of the call, from 1
    meddle: list[tuple[str, str]] = field(default_factory=list)  # written just before these
    lock: threading.Lock = field(default_factory=threading.Lock)

    def changes(self) -> list[tuple[str, str]]:
        """The calls that were to change something: method, and name of the object or kind."""
        return [(m, path.rsplit("/", 1)[1]) for m, path in self.calls if m != "GET"]


def installed() -> Cluster:
    """The manifests of both environments, as applied for the first time."""
    cluster = Cluster(crashing={"mltrading:unreleased"})
    for name in ("staging", "production"):
        for thing in yaml.safe_load_all(rendered(name)):
            if thing["kind"] in KINDS:
                cluster.add(thing)
    return cluster


def _handle(fake: Fake, request: Request) -> Sent:
    address = urlsplit(request.path)
    try:
        group, namespace, kind, name = _parts(address.path)
        _allowed(fake, request, group, namespace, kind, name)
        body = json.loads(request.content) if request.content.strip() else {}
        query = parse_qs(address.query)
        thing = _carry_out(fake, request, (kind, namespace, name), body, query)
        status = 201 if request.method == "POST" else 200
    except Rejected as error:
        status = error.code
        thing = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        thing |= {"message": str(error), "reason": error.reason, "code": status}
    where = f"{request.method} {address.path}"
    fake.problems += [f"{where}: {problem}" for problem in judged(thing)]
    return status, {}, json.dumps(thing).encode()


def _parts(path: str) -> tuple[str, str, str, str]:
    words = path.strip("/").split("/")
    if words[:2] == ["api", "v1"]:
        group, rest = "", words[2:]
    elif words[0] == "apis" and GROUPS.get(words[1]) == "/".join(words[1:3]):
        group, rest = words[1], words[3:]
    else:
        raise Rejected(404, "NotFound", "the server could not find the requested resource")
    if len(rest) not in (3, 4) or rest[0] != "namespaces":
        raise Rejected(404, "NotFound", "the server could not find the requested resource")
    return group, rest[1], rest[2], rest[3] if len(rest) == 4 else ""


def _allowed(
    fake: Fake, request: Request, group: str, namespace: str, kind: str, name: str
) -> None:
    """RBAC: the rules of the namespace's Role, for the account of KEY."""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        raise Rejected(401, "Unauthorized", "Unauthorized")
    verb = {"GET": "get" if name else "list", "POST": "create"}.get(
        request.method, request.method.lower()
    )
    for rule in fake.cluster.get("roles", namespace, "mltrading-delivery")["rules"]:
        names = rule.get("resourceNames")
        fits = group in rule["apiGroups"] and kind in rule["resources"] and verb in rule["verbs"]
        if fits and (names is None or name in names):
            return
    user = "system:serviceaccount:mltrading:mltrading-delivery"
    raise Rejected(403, "Forbidden", f'{kind} "{name}" is forbidden: User "{user}" cannot {verb}')


def _carry_out(
    fake: Fake,
    request: Request,
    at: tuple[str, str, str],
    body: Object,
    query: dict[str, list[str]],
) -> Object:
    cluster, (kind, namespace, name) = fake.cluster, at
    if request.method == "GET" and not name:
        return _list(cluster, kind, namespace, query)
    if request.method == "GET":
        cluster.looked(*at)
        return cluster.get(*at)  # gone, where that look was the last one
    if request.method == "DELETE":
        uid = body.get("preconditions", {}).get("uid")
        cluster.delete(*at, uid)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if query.get("fieldManager") != ["mltrading-delivery"]:
        fake.problems.append(f"{request.method} {request.path} does not name who changes it")
    if request.method == "POST":
        fake.problems += judged(body)
        body.setdefault("metadata", {})["namespace"] = namespace
        return cluster.add(body)
    kinds = {"application/merge-patch+json": False, "application/strategic-merge-patch+json": True}
    strategic = kinds.get(request.headers.get("content-type", ""))
    if strategic is None:
        raise Rejected(
            415, "UnsupportedMediaType", "the body of the request was in an unknown format"
        )
    if ("PATCH", name) in fake.meddle:  # somebody else was faster
        fake.meddle.remove(("PATCH", name))
        cluster.patch(
            kind, namespace, name, {"metadata": {"labels": {"hand": str(cluster.count)}}}, False
        )
    return cluster.patch(kind, namespace, name, body, strategic)


def _list(cluster: Cluster, kind: str, namespace: str, query: dict[str, list[str]]) -> Object:
    chosen = query.get("labelSelector", [""])[0]
    labels = dict(pair.split("=", 1) for pair in chosen.split(",") if pair)
    if kind == "pods":
        version, name, items = "v1", "PodList", cluster.pods(namespace, labels)
    else:
        version, name, items = "apps/v1", "ReplicaSetList", cluster.listed(kind, namespace, labels)
    metadata = {"resourceVersion": str(cluster.count)}
    return {"apiVersion": version, "kind": name, "metadata": metadata, "items": items}


def _dispatch(fake: Fake, request: Request) -> tuple[Sent, Fault | None]:
    with fake.lock:
        fake.calls.append((request.method, urlsplit(request.path).path))
        fault = fake.faults.get(len(fake.calls))
        if fault == "429":
            return (429, {"retry-after": "1"}, b'{"message": "too many requests"}'), fault
        if fault == "503 page":
            return (503, {"content-type": "text/html"}, b"<html>no endpoints</html>"), fault
        if fault in ("500", "silent"):
            return (500, {}, b'{"message": "etcdserver: leader changed"}'), fault
        return _handle(fake, request), fault


@contextmanager
def serving(cluster: Cluster) -> Iterator[Fake]:
    """The server, until the block ends; what the schemas do not allow fails the test."""
    fake = Fake(cluster)
    with answering(partial(_dispatch, fake)) as fake.url:
        yield fake
