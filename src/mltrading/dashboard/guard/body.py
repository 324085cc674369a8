"""How much a request may bring, and how deep its JSON may go."""

from __future__ import annotations

import re

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from mltrading.dashboard.guard.answers import refusal

MAX_BYTES = 1 << 20
MAX_DEPTH = 32  # a callback's own request goes seven deep
MAX_FIELDS = 50
BODILESS = ("GET", "HEAD")
MAX_FIELD_BYTES = 64 << 10

# Strings, closed or not, and all between brackets. Possessive, so that no text makes it go back.
_NOT_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[^]["{}]++', re.DOTALL)


def configure(server: Flask) -> None:
    """Where no length is announced, reading stops at the limit."""
    server.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    server.config["MAX_FORM_MEMORY_SIZE"] = MAX_FIELD_BYTES
    server.config["MAX_FORM_PARTS"] = MAX_FIELDS


def refuse_oversized() -> Response | None:
    """413 by the length that the request announces, before any of it is read."""
    length = request.content_length
    return _too_large() if length is not None and length > MAX_BYTES else None


def refuse_unreadable() -> Response | None:
    """Read what the request brings, once for all who look at it later. 400 where it does not come
    as announced, and for JSON so deep that whoever walks it might run out of stack."""
    if request.method in BODILESS:
        return None
    try:
        text = request.get_data()
    except HTTPException:
        raise
    except Exception:  # of the connection, or whatever the server in use has for a broken chunk
        return refusal(400, "the body of the request did not come as it was announced")
    if len(text) >= MAX_BYTES and request.content_length is None:
        return _too_large()  # Werkzeug cuts it there without a word
    if request.is_json and too_deep(text):
        return refusal(400, f"the request is no JSON, or is nested deeper than {MAX_DEPTH} levels")
    return None


def _too_large() -> Response:
    return refusal(413, f"the request is too large: {MAX_BYTES >> 20} MiB is the most")


def too_deep(text: bytes) -> bool:
    """Whether brackets stand in one another more than MAX_DEPTH times. Peels the innermost away,
    layer by layer; what is no JSON may be called too deep."""
    brackets = _NOT_STRUCTURE.sub(b"", text).translate(bytes.maketrans(b"{}", b"[]"))
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
