"""A small JSON client for the APIs of platforms: what fails is one line that says what to do.

Repeated are requests that can not have been carried out (no connection, 429) and, after a 5xx, a
silence or a broken body, those that are safe to carry out twice: GET, PUT, DELETE, and others with
`repeat=True`. Anything else is `Unsettled`: whoever asked has to look whether it happened.
"""

from __future__ import annotations

import json
import re
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    SSLError,
    TimeoutError,
)

from delivery.errors import PlatformError
from delivery.replies import ADVICE, Refusal, asked_wait, is_limited, refusal

REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
ATTEMPTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 20.0
LONGEST_WAIT_ASKED = 120.0  # a platform that asks for more is answered by the next run
LONGEST_ANSWER = 64 * 1024 * 1024

Body = dict[str, Any] | list[Any] | bytes | None


class Unsettled(PlatformError):
    """The platform may or may not have done what was asked: look before asking again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx: `body` is the parsed JSON, or None where there was none; header names are lower."""

    status: int
    body: Any
    headers: Mapping[str, str]


class _Failed(Exception):
    """One attempt failed; `sent` is whether the platform may have acted on it."""

    def __init__(self, why: str, *, sent: bool, status: int | None = None, wait: float = 0) -> None:
        super().__init__(why)
        self.sent, self.status, self.wait = sent, status, wait


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Client:
    """Requests to one API.

    `headers` hold the credential, which is neither printed nor sent to another host; `advice` says
    by HTTP status or by the API's own error id what a person can do; `ca_data` are PEM certificates
    to trust instead of the system's. PlatformError (or its kind Unsettled) on anything but a 2xx.
    """

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    service: str = "the platform"
    advice: Mapping[int | str, str] = field(default_factory=dict)
    timeout_seconds: float = 20.0
    attempts: int = ATTEMPTS
    ca_data: str | None = None
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = _tell
    _pool: urllib3.PoolManager = field(init=False, repr=False)

    def __post_init__(self) -> None:
        address = _split(self.service, self.base_url)
        if address.scheme != "https" and address.hostname not in LOCAL:
            raise PlatformError(
                f"{self.service}: {_shown(self.base_url)} is not https; a key is sent there"
            )
        for name, value in self.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise PlatformError(
                    f"{self.service}: the value for the header {name} holds a line break or a"
                    " character that is not ASCII; store the secret again without it"
                )
        trusted = ssl.create_default_context(cadata=self.ca_data) if self.ca_data else None
        self._pool = urllib3.PoolManager(retries=False, ssl_context=trusted)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Body = None, *, repeat: bool = False) -> Answer:
        return self.request("POST", path, body, repeat=repeat)

    def patch(
        self,
        path: str,
        body: Body = None,
        *,
        repeat: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return self.request("PATCH", path, body, repeat=repeat, headers=headers)

    def put(self, path: str, body: Body = None) -> Answer:
        return self.request("PUT", path, body)

    def delete(self, path: str, body: Body = None) -> Answer:
        return self.request("DELETE", path, body)

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        repeat: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` below `base_url`, or a whole address of the same host. JSON, unless body is bytes;
        `repeat` says whether carrying it out twice does no harm (None: by the method)."""
        safe = method in REPEATABLE if repeat is None else repeat
        what = f"{self.service}: {method} {_shown(path)}"
        url = self._address(path)
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(what, method, url, body, headers or {})
            except _Failed as failed:
                again = safe or not failed.sent
                if not again or attempt == self.attempts:
                    raise self._given_up(what, failed, again) from None
                pause = failed.wait or min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
                self.tell(f"{what} {failed}; asking again in {pause:g} s")
                self.sleep(pause)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _address(self, path: str) -> str:
        url = path if "://" in path else self.base_url.rstrip("/") + "/" + path.lstrip("/")
        ours, asked = _split(self.service, self.base_url), _split(self.service, url)
        if (ours.scheme, ours.netloc) != (asked.scheme, asked.netloc):
            raise PlatformError(f"{self.service}: {_shown(url)} is another host; no key goes there")
        return url

    def _given_up(self, what: str, failed: _Failed, repeated: bool) -> PlatformError:
        text = f"{what} {failed}"
        if not repeated:
            return Unsettled(f"{text}; whether it was carried out is unknown", failed.status)
        return PlatformError(f"{text}, {self.attempts} times; run again later", failed.status)

    def _once(
        self, what: str, method: str, url: str, body: Body, extra: Mapping[str, str]
    ) -> Answer:
        raw = isinstance(body, bytes)
        headers = {"accept": "application/json", "user-agent": "mltrading-delivery"}
        headers |= {name.lower(): value for name, value in {**self.headers, **extra}.items()}
        if body is not None and not raw:
            headers.setdefault("content-type", "application/json")
        data = body if raw or body is None else json.dumps(body).encode()
        try:
            response = self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=urllib3.Timeout(self.timeout_seconds),
                redirect=False,
                preload_content=False,
            )
        except (NewConnectionError, ConnectTimeoutError, MaxRetryError) as error:
            raise _Failed(f"got no connection ({_reason(error)})", sent=False) from None
        except SSLError as error:
            raise PlatformError(
                f"{self.service}: no safe connection to {_shown(self.base_url)} ({_reason(error)})"
            ) from None
        except TimeoutError:
            raise _Failed(f"got no answer in {self.timeout_seconds:g} s", sent=True) from None
        except (HTTPError, OSError) as error:
            raise _Failed(f"was broken off ({_reason(error)})", sent=True) from None
        try:
            return self._judge(what, response)
        finally:
            response.close()

    def _judge(self, what: str, response: urllib3.BaseHTTPResponse) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        status = response.status
        content = self._read(response)
        if 200 <= status < 300:
            return Answer(status, _parsed(content, headers, status), headers)
        said = refusal(self._without_key(content))
        if status == 429 or is_limited(status, headers):
            raise self._slow_down(status, said, headers)
        if status >= 500:
            raise _Failed(f"answered {status}{said.text}", sent=True, status=status)
        advice = self.advice.get(said.id) or self.advice.get(status) or ADVICE.get(status, "")
        if 300 <= status < 400:
            advice = f"it moved to {_shown(headers.get('location', 'an address not said'))}"
        text = f"{what} answered {status}{said.text}"
        raise PlatformError(f"{text}; {advice}" if advice else text, status)

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The whole body; a body that drips is as silent as one that does not come."""
        deadline = time.monotonic() + 3 * self.timeout_seconds
        parts, length = [], 0
        try:
            while part := response.read1(65536):
                parts.append(part)
                length += len(part)
                if length > LONGEST_ANSWER or time.monotonic() > deadline:
                    raise _Failed("answered with a body without end", sent=True)
        except TimeoutError:
            raise _Failed("stopped in the middle of its answer", sent=True) from None
        except (HTTPError, OSError, ValueError) as error:
            raise _Failed(f"broke off its answer ({_reason(error)})", sent=True) from None
        return b"".join(parts)

    def _slow_down(self, status: int, said: Refusal, headers: Mapping[str, str]) -> Exception:
        wait = asked_wait(headers)
        if wait > LONGEST_WAIT_ASKED:
            return PlatformError(
                f"{self.service}: its limit of requests is used up; it asks to wait {wait:.0f} s,"
                " run again then",
                status,
            )
        why = f"answered {status}: too many requests{said.text}"
        return _Failed(why, sent=False, status=status, wait=wait)

    def _without_key(self, content: bytes) -> bytes:
        """A refusal that repeats the credential is printed without it."""
        secrets = [word for value in self.headers.values() for word in value.split()]
        for secret in secrets:
            if len(secret) >= 12:
                content = content.replace(secret.encode(), b"***")
        return content


def _parsed(content: bytes, headers: Mapping[str, str], status: int) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        kind = headers.get("content-type", "a body of no type")
        raise _Failed(f"answered {status} with {kind[:60]!r} that is not JSON", sent=True) from None


def _split(service: str, url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        if address.scheme in ("http", "https") and address.hostname and address.port != 0:
            return address
    except ValueError:  # a port that is no number, a bracket that is not closed
        pass
    raise PlatformError(f"{service}: {_shown(url)!r} is not an http(s) address")


def _shown(url: str) -> str:
    """An address without its query and its user: both may be secrets."""
    address = re.sub(r"[?#].*", "", url, flags=re.DOTALL)
    return re.sub(r"//[^/@]*@", "//", address)


def _reason(error: BaseException) -> str:
    """The last cause, in one line: urllib3 wraps the system's words in its own."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return (getattr(error, "strerror", None) or type(error).__name__).strip()
