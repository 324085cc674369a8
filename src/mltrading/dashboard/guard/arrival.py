"""What is asked of every request before anybody asks who sent it: a host that makes sense, HTTPS
where the deployment is exposed, this very machine where nobody signs in."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from mltrading.dashboard.guard.answers import onward, refusal
from mltrading.dashboard.guard.routes import Route
from mltrading.dashboard.guard.web import Web
from mltrading.utils.hosts import is_loopback, without_port

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")


def believe_proxy(server: Flask, web: Web) -> None:
    """Take the client's address and the scheme from the one proxy in front, where there is one:
    what it appended last. Without one these headers are anybody's, and not looked at."""
    if web.proxy:
        trusting = ProxyFix(server.wsgi_app, x_for=1, x_proto=1)
        server.wsgi_app = trusting  # type: ignore[method-assign]


def refuse_malformed() -> Response | None:
    """400 for what no browser sends: no host, an impossible one, a NUL in the address."""
    old = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
    if not request.host or ("Host" not in request.headers and not old):
        return refusal(400, "the request names no host that could be")
    if "\0" in request.path or b"%00" in request.query_string:
        return refusal(400, "the address holds a NUL")
    return None


def refuse_plain() -> Response | None:
    """Send a page that is asked for by HTTP to HTTPS; refuse what brings something along."""
    route: Route | None = g.route
    if request.is_secure or (route is not None and route.health):
        return None
    if request.method in ("GET", "HEAD"):
        return onward(f"https://{request.host}{request.full_path.removesuffix('?')}", 308)
    return refusal(400, "this address is served by HTTPS alone")


def refuse_strangers() -> Response | None:
    """403 for whoever is not on this machine, or was sent by a page that calls it by another name
    (DNS rebinding): everybody here may do everything."""
    near = is_loopback(request.remote_addr or "") and is_loopback(without_port(request.host))
    if near and not any(name in request.headers for name in FORWARDED):
        return None
    return refusal(
        403,
        "nobody signs in here, so this is for this machine alone, by the name of localhost or"
        " 127.0.0.1; for others set MLTRADING_AUTH=on",
    )
