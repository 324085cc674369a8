"""What a visitor is told who is not let through."""

from __future__ import annotations

import math
from urllib.parse import quote

import orjson
from flask import Response, g, render_template, request

from mltrading.dashboard.edge import outage_of, outage_update
from mltrading.dashboard.guard.routes import CALLBACKS
from mltrading.dashboard.sealed import sealed
from mltrading.errors import DatabaseUnavailable

RETRY_SECONDS = 2  # as often as the page asks while the database is away


def refusal(status: int, text: str, again_after_seconds: float | None = None) -> Response:
    """One line with an honest status: a small page for a person, plain text for the rest. With
    Retry-After where a time is known."""
    if _is_document():
        said = text[:1].upper() + text[1:]
        response = Response(render_template("refused.html", status=status, text=said), status)
    else:
        response = Response(f"{text}\n", status, mimetype="text/plain")
    return retry_after(response, again_after_seconds)


def retry_after(response: Response, seconds: float | None) -> Response:
    if seconds is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return response


def outage(error: DatabaseUnavailable) -> Response:
    """The database fails before anybody can say who asks. A document asks again by itself; to the
    page it says what edge.py would, which static/js/network.js knows by its header."""
    if is_callback():
        update = {"multi": True, "response": {}, "sideUpdate": outage_update(error)}
        response = Response(orjson.dumps(sealed(update)), 503, mimetype="application/json")
    elif _is_document() and request.method == "GET":
        fact = outage_of(error).fact
        page = render_template(
            "outage.html", seconds=RETRY_SECONDS, fact=fact[:1].upper() + fact[1:]
        )
        response = Response(page, 503)
    else:
        response = refusal(503, outage_of(error).line)
    return _marked(response, error)


def honest(response: Response) -> Response:
    """A callback's answer, by which the page learns that the database failed in it, has the status
    of a failure too. For Flask's `after_request`."""
    error = g.get("outage")
    if error is None:
        return response
    response.status_code = 503
    return _marked(response, error)


def _marked(response: Response, error: DatabaseUnavailable) -> Response:
    response.headers["X-Outage"] = outage_of(error).name
    return retry_after(response, RETRY_SECONDS)


def onward(place: str, status: int = 303) -> Response:
    """Send the browser to a path of this site."""
    return Response(status=status, headers={"Location": place})


def to_sign_in() -> Response:
    """Send a person to /login, and from there back to what was asked for."""
    wanted = request.full_path.removesuffix("?") if request.method == "GET" else "/"
    place = "" if wanted == "/" else f"?next={quote(wanted, safe='/')}"
    return onward(f"/login{place}", 302)


def is_callback() -> bool:
    return request.path == CALLBACKS


def _is_document() -> bool:
    route = g.get("route")
    return route is not None and bool(route.document)
