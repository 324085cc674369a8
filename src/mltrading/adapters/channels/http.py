"""One POST of JSON: a deadline, verified TLS, no redirect; an Outcome, never an exception."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

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
    if not all("!" <= character <= "~" for character in url) or not is_host(host):
        raise ConfigurationError(f"{name} is not a valid URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise ConfigurationError(f"{name} must start with https://")
    if parts.username is not None or parts.fragment:
        raise ConfigurationError(f"{name} must have no user, password or # part")
    return url


def is_host(host: str | None) -> bool:
    """Whether a name may be looked up; odd ones make Python's codec of names raise."""
    labels = (host or "").rstrip(".").split(".")
    return all(0 < len(label) < 64 and label.isascii() and label.isprintable() for label in labels)


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
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secrets = tuple(secret for secret in (url, self._target, *secrets) if len(secret) > 1)
        # Not through urllib3's pool: it logs the path of every request, which may be the secret.
        if parts.scheme == "https":
            context = context or ssl.create_default_context()
            self._connect: Callable[[], HTTPConnection] = partial(
                HTTPSConnection, parts.netloc, timeout=timeout_seconds, context=context
            )
        else:
            self._connect = partial(HTTPConnection, parts.netloc, timeout=timeout_seconds)
        self._timeout_seconds = timeout_seconds

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Outcome:
        """One attempt; 2xx is delivered, 408, 425, 429, 5xx and a broken or silent connection may
        be tried again, everything else (a redirect too) is dead."""
        sent = {"Content-Type": "application/json", "User-Agent": "mltrading", **(headers or {})}
        try:
            with closing(self._connect()) as connection:
                connection.request("POST", self._target, body, sent)
                answer = connection.getresponse()
                if 200 <= answer.status < 300:  # whatever becomes of the rest, it was taken
                    return DELIVERED
                said = _beginning(answer)
        except (OSError, HTTPException) as error:
            return self._broken(error)
        return self._refused(answer.status, answer.headers.get("Retry-After"), said)

    def _broken(self, error: Exception) -> Outcome:
        if isinstance(error, TimeoutError):
            return Outcome("retry", f"no answer within {self._timeout_seconds:g} s")
        if isinstance(error, ssl.SSLCertVerificationError):
            return Outcome("dead", "its certificate can not be verified")
        # The texts of some quote what was sent, which may be a secret; the kind alone is told.
        return Outcome("retry", f"the connection failed ({type(error).__name__})")

    def _refused(self, status: int, retry_after: str | None, said: bytes) -> Outcome:
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


def _beginning(answer: HTTPResponse) -> bytes:
    try:
        return answer.read(LONGEST_ANSWER)
    except (OSError, HTTPException):  # the status says enough
        return b""


def json_bytes(value: object) -> bytes:
    """JSON in UTF-8, so that a character costs 4 bytes at most."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


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
