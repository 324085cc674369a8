"""What a visitor is told who is not let through."""

from __future__ import annotations

import math
from urllib.parse import quote

from flask import Response, redirect, render_template, request

RETRY_SECONDS = 2  # as often as the page asks while the database is away
OUTAGE = "The database does not answer; try again in a moment"


def refusal(status: int, text: str, again_after_seconds: float | None = None) -> Response:
    """One line of text with an honest status; with Retry-After where a time is known."""
    response = Response(f"{text}\n", status, mimetype="text/plain")
    if again_after_seconds is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(again_after_seconds)))
    return response


def outage(document: bool) -> Response:
    """The database is away, so nobody can say who asks. static/js/network.js knows it by its
    header, and brings the page back."""
    if document:
        response = Response(render_template("outage.html", seconds=RETRY_SECONDS), 503)
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    else:
        response = refusal(503, OUTAGE, RETRY_SECONDS)
    response.headers["X-Outage"] = "database"
    return response


def to_sign_in() -> Response:
    """Send a person to /login, and from there back to what was asked for."""
    wanted = request.full_path.removesuffix("?") if request.method == "GET" else "/"
    place = "" if wanted == "/" else f"?next={quote(wanted, safe='/')}"
    response = redirect(f"/login{place}", 302)
    assert isinstance(response, Response)
    return response


def in_words(seconds: float) -> str:
    """A span to wait, rounded up: "12 s", "4 min"."""
    whole = max(1, math.ceil(seconds))
    return f"{whole} s" if whole < 120 else f"{math.ceil(whole / 60)} min"
