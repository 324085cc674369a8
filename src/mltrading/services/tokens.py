"""Random tokens: what a browser or a person holds, and what is stored of it."""

from __future__ import annotations

import hashlib
import re
import secrets

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """256 random bits, fit for a cookie or an address."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """A random name for a row, which is no secret."""
    return secrets.token_hex(8)


def token_hash(token: str) -> bytes | None:
    """What is stored of a token, which is random, so that a fast hash will do; None where it can
    be none of ours."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None
