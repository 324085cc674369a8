"""HTTP to the provider: no redirects, bounded time and size, JSON objects only."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0  # of silence
WHOLE_SECONDS = 10.0
LARGEST_ANSWER = 256 * 1024
PIECE = 16 * 1024


class BadAnswer(Exception):
    """The provider's answer is none; the text says why."""


class Bounded(HTTPAdapter):
    """Reads an answer at once, while it is short and comes soon."""

    def send(self, request: requests.PreparedRequest, *rest: Any, **more: Any) -> requests.Response:
        deadline = time.monotonic() + WHOLE_SECONDS
        more |= {"stream": True, "timeout": (CONNECT_SECONDS, READ_SECONDS)}
        response = super().send(request, *rest, **more)
        try:
            body = _body(response, deadline)
        finally:
            response.close()
        response.raw = BytesIO(body)
        return response


def mount(session: requests.Session) -> None:
    """Let the session reach others by this adapter alone."""
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded())


def get_object(session: requests.Session, url: str, **more: Any) -> dict[str, Any]:
    """The JSON object at the address."""
    response = session.get(url, allow_redirects=False, **more)
    if response.status_code != requests.codes.ok:
        raise BadAnswer(f"it answered {response.status_code}")
    try:
        answer = response.json()
    except ValueError:
        raise BadAnswer("its answer is no JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("its answer is no JSON object")
    return answer


def _body(response: requests.Response, deadline: float) -> bytes:
    """What was sent, not unpacked: something small could unpack to something huge."""
    body = bytearray()
    while piece := response.raw.read1(PIECE, decode_content=False):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise BadAnswer(f"its answer is longer than {LARGEST_ANSWER // 1024} KiB")
        if time.monotonic() > deadline:
            raise BadAnswer(f"its answer took longer than {WHOLE_SECONDS:g} s")
    return bytes(body)
