"""What a deployed release has to show before it counts as good: bodies, never a status alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from delivery.smoke_callbacks import answering, callback
from delivery.smoke_login import closed, sign_in
from delivery.smoke_visit import Check, Visit, Wrong, answered, json_of, of_type, short
from delivery.visit import Unreached, Visitor

SLOWEST_SECONDS = 10.0  # longer is an alert of its own
SMALL = 512  # bytes; the server packs nothing below
LEAST_CACHED_SECONDS = 30 * 24 * 3600
ASKED_AT_ONCE = 4
MARKUP = ('<div id="react-entry-point">', 'id="_dash-config"', 'id="nav"', 'id="top-bar"')
TYPES = {
    ".js": ("text/javascript", "application/javascript"),
    ".css": ("text/css",),
    ".svg": ("image/svg+xml",),
}
LEAKS = (
    "Traceback (most recent call last)",
    "Werkzeug Debugger",
    "__debugger__",
    "postgresql://",
    "postgres://",
    '"hot_reload"',
    '"ui":true',  # Dash's developer tools are on
    '"props_check":true',
)


def live(visit: Visit) -> str:
    body = json_of(visit.visitor.get("/health/live"))
    other = visit.commit is not None  # an earlier release may still answer, in its own shape
    if not isinstance(body, dict) or body.get("status") != "live":
        raise Wrong('/health/live {"status": "live", ...}', short(body), starting=other)
    version, commit = body.get("version"), body.get("commit")
    if not isinstance(version, str) or not re.fullmatch(r"\d+\.\d+\.\d+\S*", version):
        raise Wrong("a version such as 1.2.3 in /health/live", short(version), starting=other)
    if visit.commit is None:
        return f"version {version}, commit {commit} (not compared: none was asked for)"
    if not isinstance(commit, str) or not commit.startswith(visit.commit):
        known = "no commit: the build holds no REVISION file" if commit is None else short(commit)
        raise Wrong(f"commit {visit.commit}", known, starting=True)
    return f"version {version}, commit {commit}"


def ready(visit: Visit) -> str:
    body = json_of(visit.visitor.get("/health/ready"))
    _healthy("/health/ready", body, {"database"})
    return "database ok, schema of this release"


def health(visit: Visit) -> str:
    reply = visit.visitor.get("/health")
    body = json_of(reply)
    _healthy("/health", body, {"database", "external_apis"})
    if "no-store" not in reply.headers.get("cache-control", ""):
        raise Wrong("Cache-Control: no-store on /health", short(reply.headers.get("cache-control")))
    return f"database ok, external APIs {body['checks']['external_apis']}"


def page(visit: Visit) -> str:
    reply = answered(visit.visitor.get("/"))
    of_type(reply, ("text/html",))
    missing = [part for part in MARKUP if part not in reply.text]
    if missing:
        raise Wrong(f"{missing[0]} in /", short(reply.text))
    visit.page = reply.text
    scripts = re.findall(r'<script\b[^>]*?\ssrc="(/[^"]+)"', reply.text)
    styles = _assets(reply.text, ".css")
    if not any("dash_renderer" in path for path in scripts) or not styles:
        raise Wrong("the renderer's script, and style sheets, in /", f"{scripts} and {styles}")
    return f"{len(scripts)} scripts, {len(styles)} style sheets"


def assets(visit: Visit) -> str:
    """Every file of the first load: there, of its type, not empty, cached for long."""
    paths = _assets(visit.page)
    if not paths:
        raise Wrong("links to assets in /", "none")
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        sizes = list(pool.map(lambda path: _asset(visit.visitor, path), paths))
    return f"{len(sizes)} files, {sum(sizes):,} bytes unpacked"


def compressed(visit: Visit) -> str:
    """The same files again as a browser asks for them, packed with Brotli."""
    sizes = {r.path: len(r.body) for r in visit.visitor.replies if r.status == 200}
    paths = [path for path in _assets(visit.page) if sizes.get(path, 0) >= SMALL]
    if not paths:
        raise Wrong("assets to pack", "none")
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        packed = list(pool.map(lambda p: _packed(visit.visitor, p, sizes[p]), paths))
    return f"{len(packed)} files, {sum(packed):,} bytes packed"


def layout(visit: Visit) -> str:
    body = json_of(visit.visitor.get("/_dash-layout"))
    ids = set(_ids(body))
    missing = {"address", "nav", "page", "theme-toggle"} - ids
    if missing:
        raise Wrong(f"components with the ids {sorted(missing)}", f"{len(ids)} others")
    return f"{len(ids)} components with an id"


def dependencies(visit: Visit) -> str:
    body = json_of(visit.visitor.get("/_dash-dependencies"))
    if not isinstance(body, list) or not all(isinstance(d, dict) and "output" in d for d in body):
        raise Wrong("a list of callbacks from /_dash-dependencies", short(body))
    visit.callbacks = [one for one in body if one.get("clientside_function") is None]
    for output in ("page.children", "overview-drawn.data", "chart-answer.data"):
        answering(visit, output)
    return f"{len(body)} callbacks, {len(visit.callbacks)} of the server"


def not_found(visit: Visit) -> str:
    reply = visit.visitor.get("/no-such-page/of-any-release")
    if reply.status != 404:
        raise Wrong("404 for an address that is no page", str(reply.status))
    return "an unknown address answers 404"


def clean(visit: Visit) -> str:
    """Nothing that was read in this round shows the inside of the program."""
    for reply in visit.visitor.replies:
        found = next((leak for leak in LEAKS if leak in reply.text), None)
        if found:
            raise Wrong("no trace of the program's inside in any body", f"{found} in {reply.path}")
    return (
        f"{len(visit.visitor.replies)} bodies without a traceback, a debugger or a database address"
    )


def speed(visit: Visit) -> str:
    slowest = max(visit.visitor.replies, key=lambda reply: reply.seconds)
    said = f"{slowest.path} took {slowest.seconds:.2f} s"
    if slowest.seconds > SLOWEST_SECONDS:
        raise Wrong(f"every answer within {SLOWEST_SECONDS:g} s", said)
    return f"slowest of {len(visit.visitor.replies)} answers: {said}"


CHECKS: tuple[tuple[str, Callable[[Visit], str]], ...] = (
    ("live", live),
    ("ready", ready),
    ("health", health),
    ("closed", closed),
    ("sign-in", sign_in),
    ("page", page),
    ("assets", assets),
    ("compressed", compressed),
    ("layout", layout),
    ("dependencies", dependencies),
    ("callback", callback),
    ("not-found", not_found),
    ("clean", clean),
    ("speed", speed),
)
NEEDED = ("live", "sign-in")


def run_checks(visit: Visit, clock: Callable[[], float]) -> list[Check]:
    """Every check in order, as far as one of NEEDED: where it fails nothing more is to be seen."""
    done: list[Check] = []
    for name, check in CHECKS:
        began, starting = clock(), False
        try:
            passed, detail = True, check(visit)
        except Wrong as wrong:
            passed, detail, starting = False, str(wrong), wrong.starting
        except Unreached as error:
            passed, detail, starting = False, f"expected an answer, found none: {error}", True
        done.append(Check(name, passed, detail, clock() - began, starting))
        if name in NEEDED and not passed:
            break
    return done


def _healthy(path: str, body: Any, checks: set[str]) -> None:
    shape = {"status", "timestamp", "checks"}
    if not isinstance(body, dict) or set(body) != shape or body["status"] != "healthy":
        raise Wrong(f"{path} healthy, with {', '.join(sorted(shape))}", short(body))
    if not isinstance(body["checks"], dict) or set(body["checks"]) != checks:
        raise Wrong(f"{path} checks {', '.join(sorted(checks))}", short(body["checks"]))
    if body["checks"]["database"] != "ok":
        raise Wrong("database ok", short(body["checks"]["database"]))
    try:
        aware = datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    if not aware:
        raise Wrong(f"a time with its zone in {path}", short(body["timestamp"]))


def _assets(page: str, suffix: str = "") -> list[str]:
    """Addresses of scripts, styles and icons in the page, in their order, each once."""
    found = re.findall(r'<(?:script|link)\b[^>]*?\s(?:src|href)="(/[^"]+)"', page)
    return [path for path in dict.fromkeys(found) if suffix in _suffix(path)]


def _suffix(path: str) -> str:
    return "." + path.partition("?")[0].rpartition(".")[2]


def _asset(visitor: Visitor, path: str) -> int:
    reply = answered(visitor.get(path))
    of_type(reply, TYPES.get(_suffix(path), ("a known type of file",)))
    if not reply.body.strip():
        raise Wrong(f"a body from {path}", "an empty one")
    cached = re.search(r"max-age=(\d+)", reply.headers.get("cache-control", ""))
    if not cached or int(cached[1]) < LEAST_CACHED_SECONDS:
        found = short(reply.headers.get("cache-control"))
        raise Wrong(f"a long max-age for {path}", found)
    return len(reply.body)


def _packed(visitor: Visitor, path: str, plain: int) -> int:
    reply = answered(visitor.get(path, "br"))
    encoding = reply.headers.get("content-encoding")
    if encoding != "br":
        raise Wrong(f"Content-Encoding: br for {path}", short(encoding))
    if not 0 < len(reply.body) < plain:
        raise Wrong(f"fewer than {plain:,} bytes for {path}", f"{len(reply.body):,}")
    return len(reply.body)


def _ids(tree: Any) -> Iterable[str]:
    if isinstance(tree, list):
        for part in tree:
            yield from _ids(part)
    elif isinstance(tree, dict):
        props = tree.get("props") or {}
        if isinstance(props.get("id"), str):
            yield props["id"]
        yield from _ids(props.get("children"))
