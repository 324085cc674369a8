"""What can be wrong with a release: each fault, the check that finds it, words of what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.test_delivery.releases import Fault, Sent, headed, said


def on(path: str, fault: Callable[[Sent], Sent]) -> Fault:
    """A fault of one address; one that ends with * of all that begin so."""

    def break_it(asked: str, sent: Sent) -> Sent:
        hit = asked.startswith(path[:-1]) if path.endswith("*") else asked == path
        return fault(sent) if hit else sent

    return break_it


def changed(path: str, change: Callable[[Any], object], **how: Any) -> Fault:
    """The JSON of an address, altered."""
    return on(path, lambda sent: said(sent, change(sent.json()), **how))


def without(name: str) -> Callable[[Any], object]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def chart(change: Callable[[Any], None]) -> Fault:
    """The answer of the Charts callback, altered in its figure."""

    def alter(sent: Sent) -> Sent:
        body = sent.json() if sent.status == 200 else {}
        if "chart-answer" not in body.get("response", {}):
            return sent
        change(body["response"]["chart-answer"]["data"]["figure"])
        return said(sent, body)

    return on(CALLBACKS, alter)


def no_bars(figure: Any) -> None:
    figure["data"] = []


def empty_bars(figure: Any) -> None:
    for trace in figure["data"]:
        trace["close"] = []


def another_symbol(figure: Any) -> None:
    figure["layout"]["meta"]["symbol"] = "OTHER"


def replaced(path: str, old: str, new: str) -> Fault:
    def replace(sent: Sent) -> Sent:
        assert old.encode() in sent.body
        return said(sent, sent.body.replace(old.encode(), new.encode()))

    return on(path, replace)


def plain(sent: Sent) -> Sent:
    """A file as it would come from a server that does not pack."""
    return headed(sent, content_encoding=None)


CALLBACKS = "/_dash-update-component"
LIVE, READY, HEALTH = "/health/live", "/health/ready", "/health"
BOOM = '{"error": "boom"}'
TRACE = "Traceback (most recent call last):\n  File app.py, line 1"
STYLE, SCRIPT = "/assets/tokens.css", "/assets/js/chart.js"

FAULTS: dict[str, tuple[Fault, str, str]] = {
    "live answers as the release before": (
        changed(LIVE, lambda _: {"status": "alive"}), "live", "found {'status': 'alive'}",
    ),
    "live without a version": (changed(LIVE, without("version")), "live", "a version such as"),
    "live without a commit": (changed(LIVE, without("commit")), "live", "no REVISION"),
    "live with another commit": (
        changed(LIVE, lambda body: {**body, "commit": "0ther"}), "live", "found 0ther",
    ),
    "live is HTML": (on(LIVE, lambda s: said(s, "<p>", kind="text/html")), "live", "text/html"),
    "live redirects": (
        on(LIVE, lambda s: headed(said(s, "", 302), location="/login")), "live", "302 to /login",
    ),
    "not ready": (
        changed(READY, lambda body: {**body, "status": "unhealthy"}, status=503), "ready", "503",
    ),
    "ready with 200 and an old schema": (
        changed(READY, lambda body: {**body, "checks": {"database": "schema_outdated"}}),
        "ready", "found schema_outdated",
    ),
    "unhealthy with 200": (
        changed(HEALTH, lambda body: {**body, "status": "unhealthy"}), "health", "unhealthy",
    ),
    "healthy over a dead database": (
        changed(HEALTH, lambda b: {**b, "checks": {**b["checks"], "database": "timeout"}}),
        "health", "found timeout",
    ),
    "health with 500": (on(HEALTH, lambda s: said(s, s.body, 500)), "health", "found 500"),
    "health with an error beside": (
        changed(HEALTH, lambda body: {**body, "error": "x"}), "health", "'error': 'x'",
    ),
    "health without its time": (changed(HEALTH, without("timestamp")), "health", "timestamp"),
    "health with a time of no zone": (
        changed(HEALTH, lambda body: {**body, "timestamp": "2026-01-02T03:04:05"}),
        "health", "a time with its zone",
    ),
    "health without the external APIs": (
        changed(HEALTH, lambda body: {**body, "checks": {"database": "ok"}}),
        "health", "external_apis",
    ),
    "health is a list": (changed(HEALTH, lambda _: []), "health", "found []"),
    "health that caches": (
        on(HEALTH, lambda s: headed(s, cache_control="max-age=60")), "health", "no-store",
    ),
    "health that is cut": (on(HEALTH, lambda s: said(s, s.body[:9])), "health", "JSON from"),
    "an error page with 200": (
        on("/", lambda s: said(s, "<html><body>Application error")), "page", "react-entry-point",
    ),
    "a page without its scripts": (
        replaced("/", 'src="/', 'data-src="/'), "page", "the renderer's script",
    ),
    "a page as text": (on("/", lambda s: said(s, s.body, kind="text/plain")), "page", "text/plain"),
    "a missing file": (on(SCRIPT, lambda s: said(s, "Not found", 404)), "assets", "404"),
    "a file that is a page": (
        on(STYLE, lambda s: said(s, "<html>", kind="text/html")), "assets", "found text/html",
    ),
    "an empty file": (on(SCRIPT, lambda s: said(s, "")), "assets", "an empty one"),
    "a file kept for a minute": (
        on(STYLE, lambda s: headed(s, cache_control="public, max-age=60")), "assets", "max-age=60",
    ),
    "a file without caching": (
        on(STYLE, lambda s: headed(s, cache_control=None)), "assets", "long max-age",
    ),
    "a missing file of Dash": (
        on("/_dash-component-suites/dash/dash-renderer*", lambda s: said(s, "no", 404)),
        "assets", "dash_renderer",
    ),
    "files that are not packed": (on(SCRIPT, plain), "compressed", "Content-Encoding: br"),
    "a layout of nothing": (changed("/_dash-layout", lambda _: {}), "layout", "'theme-toggle'"),
    "a layout that fails": (
        on("/_dash-layout", lambda s: said(s, BOOM, 500)), "layout", "found 500",
    ),
    "callbacks that are none": (
        changed("/_dash-dependencies", lambda _: {"error": "boom"}), "dependencies", "boom",
    ),
    "no callback for the chart": (
        changed("/_dash-dependencies", lambda b: [d for d in b if "chart-" not in d["output"]]),
        "dependencies", "chart-answer.data",
    ),
    "a callback that fails": (on(CALLBACKS, lambda s: said(s, BOOM, 500)), "callback", "500"),
    "a callback that says nothing": (on(CALLBACKS, lambda s: said(s, "", 204)), "callback", "204"),
    "an error's toast with 200": (
        changed(CALLBACKS, lambda _: {"sideUpdate": {"toast": {}}, "multi": True}),
        "callback", "overview-drawn.data",
    ),
    "charts without a trace": (chart(no_bars), "callback", "found none in any"),
    "charts without a bar": (chart(empty_bars), "callback", "found none in any"),
    "the chart of another symbol": (chart(another_symbol), "callback", "that of OTHER"),
    "a chart that is no figure": (chart(dict.clear), "callback", "a figure in the answer"),
    "an unknown address that is a page": (
        on("/no-such-page*", lambda s: said(s, s.body, 200)), "not-found", "found 200",
    ),
    "a traceback on the page for unknown addresses": (
        on("/no-such-page*", lambda s: said(s, TRACE)), "clean", "Traceback",
    ),
    "Dash's developer tools": (replaced("/", '"ui":false', '"ui":true'), "clean", '"ui":true'),
    "the address of the database": (
        replaced("/_dash-layout", "Skip to content", "postgresql://me:secret@db/x"),
        "clean", "postgresql://",
    ),
}  # fmt: skip
