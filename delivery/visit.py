"""Ask a deployed release over HTTP: every answer is taken as it comes, whatever its status."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from delivery.errors import DeliveryError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0  # Heroku's router gives up a request after as long
LONGEST_ANSWER = 32 * 1024 * 1024
AGENT = "mltrading-smoke"
Cookies = dict[str, Morsel[str]]


class Unreached(Exception):
    """No answer at all, or one that broke off: nobody listens there, or not yet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is what came over the wire, unpacked where gzip was asked for; header names lower."""

    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The parsed body; ValueError where it is no JSON."""
        return json.loads(self.body)


class Visitor:
    """Requests to one site, as a browser sends them: with the cookies that the site set, and, where
    something is sent, the page's origin. Redirects are not followed: a release answers at its own
    address.

    `host` connects elsewhere than the name in `url` says, as `curl --connect-to` does: "ADDRESS" or
    "ADDRESS:PORT" keeps the scheme (and the certificate must be that of the name in `url`),
    "http://ADDRESS:PORT" replaces it.
    """

    def __init__(
        self, url: str, host: str | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        named = _address(url)
        target = named if host is None else _address(_with_scheme(host, named.scheme))
        self.url = f"{named.scheme}://{named.netloc}"
        self.replies: list[Reply] = []
        self.cookies: Cookies = {}
        self._base = f"{target.scheme}://{target.netloc}"
        self._headers = {"User-Agent": AGENT, "Host": named.netloc}
        self._clock = clock
        self._kept = threading.Lock()
        self._pool = urllib3.PoolManager(retries=False, maxsize=8)
        if target.scheme == "https":  # the name's certificate, wherever the connection goes
            name = {"server_hostname": named.hostname, "assert_hostname": named.hostname}
            self._pool.connection_pool_kw.update(name)

    def get(self, path: str, encoding: str = "gzip") -> Reply:
        return self._ask("GET", path, {"Accept-Encoding": encoding}, None)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Send JSON, as a script of the page would."""
        kind = {"Content-Type": "application/json", **(headers or {})}
        return self._ask("POST", path, {**self._sending(), **kind}, json.dumps(body).encode())

    def submit(self, path: str, fields: Mapping[str, str]) -> Reply:
        """Send a form that was read at `path`."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = {**self._sending(), **kind, "Referer": self.url + path, "Sec-Fetch-Mode": "navigate"}
        return self._ask("POST", path, sent, urlencode(fields).encode())

    def close(self) -> None:
        self._pool.clear()

    def _sending(self) -> dict[str, str]:
        """What a browser says beside what it sends."""
        told = {"Origin": self.url, "Referer": f"{self.url}/", "Sec-Fetch-Site": "same-origin"}
        return {"Accept-Encoding": "gzip", **told}

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Reply:
        began = self._clock()
        with self._kept:
            pairs = [f"{name}={cookie.coded_value}" for name, cookie in self.cookies.items()]
        cookies = {"Cookie": "; ".join(pairs)} if pairs else {}
        try:
            response = self._pool.request(
                method,
                self._base + path,
                body=body,
                headers={**self._headers, **headers, **cookies},
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
            )
            # Brotli is taken as it comes: the jobs that run this have no decoder for it.
            content = self._read(response, began, headers["Accept-Encoding"] == "gzip")
        except (HTTPError, OSError) as error:
            raise Unreached(f"{method} {path}: {_reason(error)}") from None
        lower = {name.lower(): value for name, value in response.headers.items()}
        reply = Reply(path, response.status, lower, content, self._clock() - began)
        with self._kept:
            self.replies.append(reply)
            for line in response.headers.getlist("set-cookie"):
                _keep(line, self.cookies)
        return reply

    def _read(self, response: urllib3.BaseHTTPResponse, began: float, unpack: bool) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.stream(65536, decode_content=unpack):
            parts.append(part)
            size += len(part)
            if size > LONGEST_ANSWER or self._clock() - began > ANSWER_SECONDS:
                response.close()
                raise HTTPError(f"the answer did not end ({size:,} bytes)")
        response.release_conn()
        return b"".join(parts)


def _keep(line: str, cookies: Cookies) -> None:
    """Do what a Set-Cookie header says; one that is none is no cookie."""
    try:
        read: SimpleCookie = SimpleCookie(line)
    except CookieError:
        return
    for name, cookie in read.items():
        if cookie["max-age"] == "0" or not cookie.value:
            cookies.pop(name, None)
        else:
            cookies[name] = cookie


def _with_scheme(host: str, scheme: str) -> str:
    return host if "://" in host else f"{scheme}://{host}"


def _address(url: str) -> SplitResult:
    """The parts of an address of a site; a DeliveryError where it is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - parsed on access, and refused here when it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise DeliveryError(f"'{url}' is no address of a site; give one as https://name.example")
    return parts


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    text = str(inner).partition(": ")[2] or str(inner) or type(inner).__name__
    return " ".join(text.split())[:200]
