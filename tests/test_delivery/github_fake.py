"""A GitHub of our own on 127.0.0.1, held to the description of the real one.

Every request we make and every answer it gives is judged by GitHub's OpenAPI; what does not fit is
kept in `problems`, which the fixture wants empty. `faults` replaces an answer: a refusal, a
silence, a body that is no JSON.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from tests.test_delivery.github_schema import make, operation, reply_faults, request_faults

OWNER, NAME = "trading-house", "mltrading"
TOKEN = "ghs_0123456789abcdef0123456789abcdef0123"
SHA = "5fe58bbbd3db9b3b0f0c4b7c2f0a5f6a8c9d1e2f"
SILENCE = "silence"


@dataclass(slots=True)
class Fault:
    """Instead of the answer to requests that match; `times` None: for ever."""

    method: str
    path: str
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    times: int | None = None
    raw: bytes | None = None


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: str
    body: Any


def user(login: str, kind: str = "User") -> dict[str, Any]:
    return make("simple-user", login=login, id=sum(map(ord, login)), type=kind)


@dataclass
class GitHub:
    """State as the API shows it; a test sets it, requests change it."""

    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    branch_policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    workflow_runs: dict[str, list[int]] = field(default_factory=dict)
    jobs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    approvals: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    protection: dict[str, dict[str, Any]] = field(default_factory=dict)
    branches: set[str] = field(default_factory=lambda: {"main", "develop"})
    repository: dict[str, Any] = field(default_factory=lambda: make("full-repository"))
    secrets: dict[str, list[str]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    teams: dict[str, int] = field(default_factory=dict)
    issues: list[dict[str, Any]] = field(default_factory=list)
    author: dict[str, Any] = field(default_factory=lambda: user("github-actions[bot]", "Bot"))
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    url: str = ""

    def writes(self) -> list[Request]:
        return [each for each in self.requests if each.method != "GET"]

    def variables(self) -> dict[str, str]:
        """The environment of a job that talks to it."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": f"{OWNER}/{NAME}",
            "GITHUB_TOKEN": TOKEN,
        }

    def answer(self, request: Request) -> tuple[int, Any]:
        known = operation(request.method, request.path)
        if known is None:
            return 404, {"message": "Not Found"}
        template, _ = known
        parts = [unquote(part) for part in request.path.split("/")[4:]]
        act = _ACTS.get((request.method, template.removeprefix("/repos/{owner}/{repo}")))
        if act is None:
            return 404, {"message": "Not Found"}
        if not template.startswith("/repos/"):
            parts = [unquote(request.path.rpartition("/")[2])]
        return act(self, parts, request)


Act = Any
_ACTS: dict[tuple[str, str], Act] = {}


def act(method: str, template: str) -> Any:
    def keep(function: Act) -> Act:
        _ACTS[(method, template)] = function
        return function

    return keep


def _found(value: Any) -> tuple[int, Any]:
    return (404, {"message": "Not Found"}) if value is None else (200, value)


def _listed(key: str, items: list[Any]) -> tuple[int, Any]:
    return 200, {"total_count": len(items), key: items}


@act("GET", "/environments/{environment_name}")
def _environment(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _found(hub.environments.get(parts[1]))


@act("PUT", "/environments/{environment_name}")
def _put_environment(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    sent = request.body or {}
    rules: list[dict[str, Any]] = []
    if sent.get("wait_timer"):
        rules.append(
            {"id": 1, "node_id": "x", "type": "wait_timer", "wait_timer": sent["wait_timer"]}
        )
    if sent.get("reviewers"):
        rules.append(required_reviewers(sent["reviewers"], sent.get("prevent_self_review", False)))
    if sent.get("deployment_branch_policy"):
        rules.append({"id": 3, "node_id": "x", "type": "branch_policy"})
    made = make("environment", name=parts[1], protection_rules=rules)
    made["deployment_branch_policy"] = sent.get("deployment_branch_policy")
    hub.environments[parts[1]] = made
    return 200, made


def required_reviewers(
    reviewers: list[dict[str, Any]], prevent_self_review: bool = True
) -> dict[str, Any]:
    """The rule as GitHub shows it; each reviewer is {type, id}."""
    shown = [
        {
            "type": each["type"],
            "reviewer": make("simple-user" if each["type"] == "User" else "team", id=each["id"]),
        }
        for each in reviewers
    ]
    return {
        "id": 2,
        "node_id": "x",
        "type": "required_reviewers",
        "prevent_self_review": prevent_self_review,
        "reviewers": shown,
    }


POLICIES = "/environments/{environment_name}/deployment-branch-policies"


@act("GET", POLICIES)
def _policies(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _listed("branch_policies", hub.branch_policies.get(parts[1], []))


@act("POST", POLICIES)
def _add_policy(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    kept = hub.branch_policies.setdefault(parts[1], [])
    made = {"id": 1 + max((each["id"] for each in kept), default=0), "node_id": "x", **request.body}
    kept.append(made)
    return 200, made


@act("DELETE", f"{POLICIES}/{{branch_policy_id}}")
def _drop_policy(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    kept = hub.branch_policies[parts[1]]
    hub.branch_policies[parts[1]] = [each for each in kept if each["id"] != int(parts[3])]
    return 204, None


@act("GET", "/environments/{environment_name}/secrets")
def _environment_secrets(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    names = hub.secrets.get(parts[1], [])
    return _listed("secrets", [make("actions-secret", name=name) for name in names])


@act("GET", "/actions/secrets")
def _secrets(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    names = hub.secrets.get("", [])
    return _listed("secrets", [make("actions-secret", name=name) for name in names])


@act("GET", "/actions/runs/{run_id}")
def _run(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _found(hub.runs.get(int(parts[2])))


@act("GET", "/actions/runs/{run_id}/approvals")
def _approvals(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _found(hub.approvals.get(int(parts[2])))


@act("GET", "/actions/runs/{run_id}/jobs")
def _jobs(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _listed("jobs", hub.jobs.get(int(parts[2]), []))


@act("GET", "/actions/workflows/{workflow_id}/runs")
def _workflow_runs(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    if parts[2] not in hub.workflow_runs:
        return 404, {"message": "Not Found"}
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    first, last = asked["created"].split("..")
    runs = [
        run
        for number in hub.workflow_runs[parts[2]]
        if first <= (run := hub.runs[number])["created_at"] <= last
        and asked.get("branch", run["head_branch"]) == run["head_branch"]
        and asked.get("event", run["event"]) == run["event"]
    ]
    runs.sort(key=lambda run: str(run["created_at"]), reverse=True)
    return _listed("workflow_runs", runs)


@act("GET", "/check-runs/{check_run_id}/annotations")
def _annotations(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return 200, hub.annotations.get(int(parts[1]), [])


@act("GET", "/compare/{basehead}")
def _compare(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return _found(hub.comparisons.get(parts[1]))


@act("GET", "/commits/{ref}/check-runs")
def _check_runs(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    asked = parse_qs(request.query)
    named = asked.get("check_name", [None])[0]
    runs = [run for run in hub.checks.get(parts[1], []) if named in (None, run["name"])]
    return _listed("check_runs", runs)


@act("GET", "")
def _repository(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    return 200, hub.repository


@act("PATCH", "")
def _change_repository(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    hub.repository |= request.body
    return 200, hub.repository


@act("GET", "/branches/{branch}/protection")
def _protection(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    if parts[1] in hub.branches and parts[1] not in hub.protection:
        return 404, {"message": "Branch not protected"}
    return _found(hub.protection.get(parts[1]))


@act("PUT", "/branches/{branch}/protection")
def _protect(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    if parts[1] not in hub.branches:
        return 404, {"message": "Branch not found"}
    hub.protection[parts[1]] = shown_protection(request.body)
    return 200, make("protected-branch")


def shown_protection(sent: dict[str, Any]) -> dict[str, Any]:
    """Branch protection as GitHub shows what it was sent."""
    shown: dict[str, Any] = {}
    for name, value in sent.items():
        if name == "required_status_checks" and value is not None:
            checks = [{"app_id": None, **each} for each in value["checks"]]
            contexts = [each["context"] for each in checks]
            shown[name] = {"strict": value["strict"], "checks": checks, "contexts": contexts}
        elif name == "enforce_admins":
            shown[name] = {"url": "https://api.github.com/", "enabled": bool(value)}
        elif isinstance(value, bool):
            shown[name] = {"enabled": value}
        elif value is not None:
            shown[name] = value
    return shown


@act("GET", "/users/{username}")
def _person(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    number = hub.people.get(parts[0])
    return _found(None if number is None else make("public-user", login=parts[0], id=number))


@act("GET", "/orgs/{org}/teams/{team_slug}")
def _team(hub: GitHub, parts: list[str], _: Request) -> tuple[int, Any]:
    number = hub.teams.get(parts[0])
    return _found(None if number is None else make("team-full", slug=parts[0], id=number))


@act("GET", "/issues")
def _issues(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    found = [
        issue
        for issue in hub.issues
        if asked.get("state", "open") in ("all", issue["state"])
        and asked.get("labels") in (None, *(label["name"] for label in issue["labels"]))
    ]
    size, page = int(asked.get("per_page", 30)), int(asked.get("page", 1))
    return 200, found[(page - 1) * size : page * size]


@act("POST", "/issues")
def _open_issue(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    labels = [
        {"id": 1, "name": name, "color": "ededed", "default": False}
        for name in request.body.get("labels", [])
    ]
    sent = {name: value for name, value in request.body.items() if name != "labels"}
    number = len(hub.issues) + 1
    made = make("issue", number=number, state="open", user=hub.author, labels=labels, **sent)
    hub.issues.insert(0, made)
    return 201, made


@act("PATCH", "/issues/{issue_number}")
def _change_issue(hub: GitHub, parts: list[str], request: Request) -> tuple[int, Any]:
    (issue,) = [each for each in hub.issues if each["number"] == int(parts[1])]
    issue |= request.body
    return 200, issue


@contextmanager
def serving(hub: GitHub) -> Iterator[GitHub]:
    """The fake behind a real socket, until the block is left."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body go out apart; together they would wait 40 ms

        def handle_any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            request = Request(self.command, url.path, url.query, body)
            hub.requests.append(request)
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                hub.problems.append(f"no token with {self.command} {url.path}")
            hub.problems += request_faults(self.command, url.path, url.query, body)
            fault = self.fault(request)
            if fault is not None and fault.body == SILENCE:
                release.wait(30)
                self.close_connection = True
                return
            if fault is not None:
                content = fault.raw if fault.raw is not None else json.dumps(fault.body).encode()
                self.reply(fault.status, content, fault.headers)
                return
            status, answer = hub.answer(request)
            hub.problems += reply_faults(self.command, url.path, status, answer)
            content = b"" if answer is None else json.dumps(answer).encode()
            self.reply(status, content, self.next_page(request, answer))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def fault(self, request: Request) -> Fault | None:
            for fault in hub.faults:
                if fault.method == request.method and re.search(fault.path, request.path):
                    if fault.times == 0:
                        continue
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
            return None

        def next_page(self, request: Request, answer: Any) -> dict[str, str]:
            asked = parse_qs(request.query)
            size = int(asked.get("per_page", ["30"])[0])
            if not isinstance(answer, list) or len(answer) < size:
                return {}
            query = urlencode(
                {**dict(parse_qsl(request.query)), "page": int(asked.get("page", ["1"])[0]) + 1}
            )
            return {"link": f'<{hub.url}{request.path}?{query}>; rel="next", <x>; rel="last"'}

        def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Quiet: the test tells what was asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        release.set()
        server.shutdown()
        server.server_close()
        thread.join()
