"""One POST of JSON: a deadline, verified TLS, no redirect; an Outcome, never an exception."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3

from mltrading.errors import ConfigurationError
from mltrading.utils.message import DELIVERED, Outcome, shorten
from mltrading.utils.text import one_line

TIMEOUT_SECONDS = 5.0
LONGEST_ANSWER = 2_000  # bytes that are read of what the receiver says
LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LATER = {408, 425, 429}


def checked_url(url: str, name: str) -> str:
    """`url` if it may be posted to: https, or http to this machine; ConfigurationError names
    the setting `name` and never the address, which may be a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is not a valid URL") from None
    odd = any(not character.isprintable() or character.isspace() for character in url)
    if odd or not host:
        raise ConfigurationError(f"{name} is not a valid URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ConfigurationError(f"{name} must start with https://")
    return url


class Poster:
    """Posts JSON to one address; knows which words of an answer must not be repeated."""

    def __init__(
        self,
        url: str,
        *,
        secrets: tuple[str, ...] = (),
        timeout_seconds: float = TIMEOUT_SECONDS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._secrets = tuple(secret for secret in (url, *secrets) if secret)
        self._timeout = urllib3.Timeout(total=timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._context = context or ssl.create_default_context()

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Outcome:
        """One attempt; 2xx is delivered, 408, 425, 429, 5xx and a broken or silent connection may
        be tried again, everything else (a redirect too) is dead."""
        sent = {"Content-Type": "application/json", "User-Agent": "mltrading", **(headers or {})}
        try:
            with urllib3.PoolManager(
                ssl_context=self._context, timeout=self._timeout, retries=False
            ) as pool:
                answer = pool.request(
                    "POST",
                    self._url,
                    body=body,
                    headers=sent,
                    redirect=False,
                    preload_content=False,
                )
                try:
                    said = answer.read(LONGEST_ANSWER, decode_content=False)
                finally:
                    answer.close()
        except urllib3.exceptions.HTTPError as error:
            return self._broken(error)
        return self._judged(answer.status, answer.headers.get("Retry-After"), said)

    def _broken(self, error: Exception) -> Outcome:
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return Outcome("retry", f"no answer within {self._timeout_seconds:g} s")
        if isinstance(error, urllib3.exceptions.SSLError):
            return Outcome("dead", "its certificate can not be verified")
        # The texts of urllib3 quote the address, which is a secret; the kind alone is told.
        return Outcome("retry", f"the connection failed ({type(error).__name__})")

    def _judged(self, status: int, retry_after: str | None, said: bytes) -> Outcome:
        if 200 <= status < 300:
            return DELIVERED
        reason = f"answered {status}"
        words = self._without_secrets(one_line(said.decode("utf-8", "replace")))
        if words:
            reason += f": {shorten(words, 200)}"
        if status in _LATER or status >= 500:
            return Outcome("retry", reason, seconds_of(retry_after, datetime.now(UTC)))
        return Outcome("dead", reason)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def json_bytes(value: object) -> bytes:
    """JSON in ASCII, so that no half of a surrogate pair can fail to be encoded."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, as number or HTTP date; None where it says
    nothing that can be understood."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # a date of zone -0000
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - now).total_seconds()
    if not math.isfinite(seconds):
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
