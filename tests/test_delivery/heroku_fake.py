"""Heroku's Platform API and the apps it runs, on one port of this machine.

Every request and reply is judged by Heroku's API description; what does not fit is kept in
`problems`, which a test expects to be empty. A request whose Host is an app's name gets the app:
a tiny /health and /health/live that say which commit runs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tests.test_delivery.fake_server import Fault, Request, Sent, answering
from tests.test_delivery.heroku_answers import Refused, answer
from tests.test_delivery.heroku_schema import found, reply_problems, request_problems
from tests.test_delivery.heroku_world import App, World

KEY = "HRKU-fake-0123456789abcdef"


@dataclass
class Fake:
    world: World
    url: str = ""
    problems: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)  # by the number of the call, from 1
    lenient: bool = False  # other people's clients ask for more than is here
    lock: threading.Lock = field(default_factory=threading.Lock)

    def changes(self) -> list[tuple[str, str]]:
        """The calls that were to change something."""
        return [call for call in self.calls if call[0] != "GET"]


def api(fake: Fake, request: Request) -> Sent:
    """Judge, carry out, judge again."""
    refused = _refusal(fake, request)
    if refused is not None:
        return refused
    body = json.loads(request.content) if request.content.strip() else None
    candidates = found(request.method, request.path)
    if not candidates and not fake.lenient:
        fake.problems.append(f"{request.method} {request.path} is no address of the API")
    wrong = request_problems(candidates, body)
    if wrong:
        fake.problems.append(f"{request.method} {request.path} asked {wrong}")
        return _error(422, "invalid_params", "; ".join(wrong))
    try:
        done = answer(fake.world, fake.url, request.method, request.path, request.headers, body)
    except Refused as error:
        return _error(error.status, error.id, str(error))
    link = next((one for one in candidates), None)
    if link is not None:
        wrong = reply_problems(link, done.body)
        fake.problems.extend(f"{request.method} {request.path} answers {one}" for one in wrong)
    status = done.status or (link.status if link else 200)
    return status, done.headers, json.dumps(done.body).encode()


def _refusal(fake: Fake, request: Request) -> Sent | None:
    if request.headers.get("authorization") not in (f"Bearer {KEY}", f"bearer {KEY}"):
        return _error(401, "unauthorized", "Invalid credentials provided.")
    if "application/vnd.heroku+json; version=3" not in request.headers.get("accept", ""):
        fake.problems.append(f"{request.method} {request.path} does not name the API's version")
    return None


def _error(status: int, name: str, message: str) -> Sent:
    return status, {}, json.dumps({"id": name, "message": message}).encode()


def visit(world: World, app: App, path: str) -> Sent:
    """What a visitor of an app sees."""
    release = world.visible(app)
    commit = release.slug.commit if release.slug else None
    bad = commit in app.bad_commits or commit in app.crashing_commits
    if release.slug is None or commit in app.crashing_commits:
        return 503, {"content-type": "text/html"}, b"<html>Application error</html>"
    if path == "/health/live":
        body: dict[str, Any] = {"status": "live", "version": "0.1.0", "commit": commit}
        return 200, {}, json.dumps({**body, "release": f"v{release.version}"}).encode()
    if path == "/health":
        state = "unhealthy" if bad else "healthy"
        return 500 if bad else 200, {}, json.dumps({"status": state}).encode()
    return 404, {}, b"{}"


def _store(fake: Fake, request: Request) -> Sent:
    """The store of sources: its addresses are their own permission."""
    if "authorization" in request.headers:
        fake.problems.append("Heroku's key was sent to the store of sources")
    address = urlsplit(request.path)
    name = address.path.rsplit("/", 1)[1]
    if request.method != "PUT" or name not in fake.world.uploads or address.query != "signature=s":
        return 403, {"content-type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>"
    fake.world.uploads[name] = request.content
    return 200, {}, b""


def _dispatch(fake: Fake, request: Request) -> tuple[Sent, Fault | None]:
    with fake.lock:
        host = request.headers.get("host", "")
        for app in fake.world.apps.values():
            if host.split(":")[0] == app.host:
                return visit(fake.world, app, request.path), None
        fake.calls.append((request.method, urlsplit(request.path).path))
        fault = fake.faults.get(len(fake.calls))
        if fault in ("500", "503 page", "429", "silent"):
            return _faulty(fault), fault
        if request.path.startswith("/store/"):
            return _store(fake, request), fault
        return api(fake, request), fault


def _faulty(fault: str) -> Sent:
    if fault == "429":
        status, headers, body = _error(429, "rate_limit", "Your account reached the API rate limit")
        return status, {"retry-after": "3"}, body
    if fault == "503 page":
        return 503, {"content-type": "text/html"}, b"<html>no healthy upstream</html>"
    return _error(500, "internal_error", "Internal Server Error")


@contextmanager
def serving(world: World, *, lenient: bool = False) -> Iterator[Fake]:
    fake = Fake(world, lenient=lenient)
    with answering(partial(_dispatch, fake)) as fake.url:
        yield fake
