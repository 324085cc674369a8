"""What a platform's refusal says: its own words, and how long to wait. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MESSAGE_LENGTH = 300

ADVICE: dict[int, str] = {
    401: "the key was refused: it is wrong, expired or revoked",
    403: "the key has no right to do this",
    404: "there is no such thing, or the key may not see it",
    422: "the request does not fit what is there",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    id: str
    text: str


def refusal(content: bytes) -> Refusal:
    """What the platform says of its refusal: {id, message} of Heroku, {message} of others."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return Refusal("", "")
    if not isinstance(body, dict):
        return Refusal("", "")
    name, message = body.get("id"), body.get("message")
    name = name if isinstance(name, str) else ""
    words = ": ".join(part for part in (name, message) if isinstance(part, str) and part)
    words = re.sub(r"[^\S ]+|[\x00-\x1f\x7f]+", " ", words)[:MESSAGE_LENGTH]
    return Refusal(name, f" ({words})" if words else "")


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """GitHub refuses too many requests with a 403."""
    return status == 403 and (
        "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    )


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds a platform asks to wait, 0 where it does not say (in a way we know)."""
    text = headers.get("retry-after", "").strip()
    now = datetime.now(timezone.utc)
    try:
        if text.isascii() and text.isdigit():
            return float(text[:9])
        if text:
            moment = parsedate_to_datetime(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            return max(0.0, (moment - now).total_seconds())
        if headers.get("x-ratelimit-remaining") == "0":
            return max(0.0, int(headers.get("x-ratelimit-reset", "")) - now.timestamp())
    except (ValueError, OverflowError):
        pass
    return 0.0
