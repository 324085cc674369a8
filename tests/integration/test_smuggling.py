"""One request is one request: what a proxy in front might read as one and gunicorn as two is
refused, or read as one. Raw bytes against the server as a deployment runs it."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.database_fixtures import clone, database_on, drop
from tests.live_fixtures import served

pytestmark = pytest.mark.database

HIDDEN = b"GET /health/live?hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = len(HIDDEN)
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture(scope="module")
def address(server_url: str, template: str, run_folder: Path) -> Iterator[tuple[str, int]]:
    """Where a server listens."""
    name = f"mlt_smuggling_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    with served(database_on(server_url, name), run_folder) as url:
        parts = urlsplit(url)
        yield str(parts.hostname), int(parts.port or 0)
    drop(server_url, name)


def statuses(address: tuple[str, int], sent: bytes) -> list[int]:
    """The status of each answer to these bytes, until the server closes."""
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while piece := client.recv(1 << 16):
                received += piece
        except ConnectionResetError:
            pass  # closed with bytes unread, which is as good
    return [int(status) for status in STATUS.findall(received)]


def post(
    *headers: bytes, body: bytes = b"", line: bytes = b"POST /_dash-update-component HTTP/1.1"
) -> bytes:
    """A request whose body is read, if nothing else is said."""
    kind = b"Content-Type: application/json"
    return b"\r\n".join([line, b"Host: localhost", kind, *headers, b"", b""]) + body


CHUNKED = b"0\r\n\r\n" + HIDDEN
CL, TE = b"Content-Length: %d" % len(CHUNKED), b"Transfer-Encoding: chunked"

REFUSED: dict[str, bytes] = {
    # Both lengths, in every order.
    "CL.TE": post(CL, TE, body=CHUNKED),
    "TE.CL": post(TE, b"Content-Length: 4", body=b"%x\r\n%s\r\n0\r\n\r\n" % (LENGTH, HIDDEN)),
    # An encoding that one side does not recognise.
    "TE unknown": post(b"Transfer-Encoding: xchunked", CL, body=CHUNKED),
    "TE twice": post(TE, b"Transfer-Encoding: identity", body=CHUNKED),
    "TE twice chunked": post(TE, TE, body=CHUNKED),
    "TE not last": post(b"Transfer-Encoding: chunked, identity", body=CHUNKED),
    "TE quoted": post(b'Transfer-Encoding: "chunked"', CL, body=CHUNKED),
    "TE space before colon": post(b"Transfer-Encoding : chunked", CL, body=CHUNKED),
    "TE tab before colon": post(b"Transfer-Encoding\t: chunked", CL, body=CHUNKED),
    "TE after a bare LF": post(b"X: x\nTransfer-Encoding: chunked", CL, body=CHUNKED),
    "TE after a bare CR": post(b"X: x\rTransfer-Encoding: chunked", CL, body=CHUNKED),
    "TE with a vertical tab": post(b"Transfer-Encoding: \x0bchunked", CL, body=CHUNKED),
    "TE with a NUL": post(b"Transfer-Encoding: chunked\0", CL, body=CHUNKED),
    "TE of HTTP/1.0": post(TE, CL, body=CHUNKED, line=b"POST /_dash-update-component HTTP/1.0"),
    # Lines that go on.
    "obs-fold": post(b"X: a", b" b", CL, body=CHUNKED),
    "obs-fold hides TE": post(b"X: a", b" Transfer-Encoding: chunked", CL, body=CHUNKED),
    "obs-fold first": post(b" X: a", CL, body=CHUNKED),
    "TE folded": post(b"Transfer-Encoding:", b" chunked", CL, body=CHUNKED),
    # Lengths that are none, or two.
    "CL twice": post(b"Content-Length: 0", b"Content-Length: %d" % LENGTH, body=HIDDEN),
    "CL twice the same": post(b"Content-Length: 1", b"Content-Length: 1", body=b"x" + HIDDEN),
    "CL list": post(b"Content-Length: 0, %d" % LENGTH, body=HIDDEN),
    "CL signed": post(b"Content-Length: +%d" % LENGTH, body=HIDDEN),
    "CL negative": post(b"Content-Length: -1", body=HIDDEN),
    "CL hexadecimal": post(b"Content-Length: 0x0", body=HIDDEN),
    "CL grouped": post(b"Content-Length: 0_0", body=HIDDEN),
    "CL empty": post(b"Content-Length:", body=HIDDEN),
    "CL of other digits": post("Content-Length: \u0660".encode(), body=HIDDEN),
    "CL space before colon": post(b"Content-Length : 0", body=HIDDEN),
    # Chunks that are none.
    **{
        f"chunk size {size!r}": post(TE, body=size + b"\r\n" + HIDDEN)
        for size in (b"0x0", b"+0", b"-1", b"0_0", b" 0", b"", b"g", b"f" * 40, b"0\n0", b"0 x")
    },
    "chunk without its end": post(TE, body=b"1\r\nx0\r\n\r\n" + HIDDEN),
    "chunk ended by LF": post(TE, body=b"1\nx\n0\n\n" + HIDDEN),
    "chunk extension with a bare LF": post(TE, body=b"1;a\nb\r\nx\r\n0\r\n\r\n" + HIDDEN),
    # Lines that are none.
    "two spaces": post(line=b"GET  /health/live HTTP/1.1"),
    "space at the end": post(line=b"GET /health/live HTTP/1.1 "),
    "tab for a space": post(line=b"GET\t/health/live\tHTTP/1.1"),
    "no version": post(line=b"GET /health/live"),
    "HTTP/2": post(line=b"GET /health/live HTTP/2.0"),
    "HTTP/1.10": post(line=b"GET /health/live HTTP/1.10"),
    "http/1.1": post(line=b"GET /health/live http/1.1"),
    "control character in the path": post(line=b"GET /health/\x01live HTTP/1.1"),
    "no colon": post(b"X", CL, body=CHUNKED),
    "no name": post(b": x", CL, body=CHUNKED),
    "space in a name": post(b"X Y: x", CL, body=CHUNKED),
    "NUL in a value": post(b"X: a\0b", CL, body=CHUNKED),
    "two hosts": post(b"Host: evil.example", line=b"GET /health/live HTTP/1.1"),
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "bare LF everywhere": b"GET /health/live HTTP/1.1\nHost: localhost\n\n" + HIDDEN,
    "a line too long": post(b"X: " + b"x" * 100_000, body=HIDDEN),
    "too many headers": post(*[b"X-%d: x" % n for n in range(1000)], body=HIDDEN),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_be_read_in_two_ways_is_refused(address: tuple[str, int], sent: bytes) -> None:
    answered = statuses(address, sent)
    assert len(answered) <= 1, "the hidden request was answered"
    assert all(400 <= status < 500 or status in (501, 505) for status in answered)


READ_AS_ONE: dict[str, tuple[bytes, int]] = {
    "a body that nobody reads": (
        post(b"Content-Length: %d" % LENGTH, body=HIDDEN, line=b"POST /health/live HTTP/1.1"),
        405,
    ),
    "a body of a GET": (
        post(b"Content-Length: %d" % LENGTH, body=HIDDEN, line=b"GET /health/live HTTP/1.1"),
        200,
    ),
    "chunks that nobody reads": (
        post(
            TE,
            body=b"%x\r\n%s\r\n0\r\n\r\n" % (LENGTH, HIDDEN),
            line=b"POST /health/live HTTP/1.1",
        ),
        405,
    ),
    "a body that is refused by its length": (
        post(b"Content-Length: 5000000", body=HIDDEN * 2000),
        413,
    ),
    "an underscore for TE": (
        post(
            b"Transfer_Encoding: chunked",
            b"Content-Length: %d" % len(CHUNKED),
            body=CHUNKED,
            line=b"GET /health/live HTTP/1.1",
        ),
        200,
    ),
    "an underscore for CL": (
        post(
            b"Content_Length: 0",
            b"Content-Length: %d" % LENGTH,
            body=HIDDEN,
            line=b"GET /health/live HTTP/1.1",
        ),
        200,
    ),
    "headers that set the path": (
        post(b"Path_Info: /", b"Script_Name: /x", line=b"GET /health/live HTTP/1.1"),
        200,
    ),
}


@pytest.mark.parametrize(("sent", "status"), READ_AS_ONE.values(), ids=READ_AS_ONE.keys())
def test_what_is_clear_is_one_request(address: tuple[str, int], sent: bytes, status: int) -> None:
    assert statuses(address, sent) == [status]


def test_two_requests_would_be_seen(address: tuple[str, int]) -> None:
    assert statuses(address, HIDDEN + HIDDEN) == [200, 200]
