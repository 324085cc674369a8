"""What is asked of every request, whoever sends it: where it comes from, how large it is, how deep;
and what every answer tells the browser."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.dashboard.guard.body import MAX_BYTES, MAX_DEPTH, too_deep
from mltrading.dashboard.guard.web import Web
from mltrading.utils.hosts import is_loopback, without_port
from tests.test_dashboard.people_made import SIGNED, Place
from tests.visitors import CALLBACK, Visitor

pytestmark = pytest.mark.smoke

EXPOSED = replace(SIGNED, exposed=True)
PROXIED = replace(EXPOSED, proxy=True)


def visitor(web: Web = Web(), **more: str) -> Visitor:
    return Visitor(Place(web).server, **more)


# -- this machine alone ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:8050", "127.0.0.1", "[::1]:8050"])
def test_where_nobody_signs_in_this_machine_is_served(host: str) -> None:
    assert visitor().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8050", "localhost.evil.example", "10.0.0.7", "0.0.0.0"]
)
def test_where_nobody_signs_in_no_other_name_is_served(host: str) -> None:
    """A page of evil.example whose name was bound to 127.0.0.1 meanwhile."""
    client = visitor()
    for path in ("/", "/_dash-layout", "/health/live", "/assets/tokens.css"):
        assert client.get(path, headers={"Host": host}).status_code == 403, path
    assert client.http.post(CALLBACK, json={}, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.9", "::ffff:10.0.0.7", "fe80::1", ""])
def test_where_nobody_signs_in_no_other_machine_is_served(address: str) -> None:
    assert visitor(address=address).get("/").status_code == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Host"])
def test_where_nobody_signs_in_nobody_is_served_through_a_proxy(name: str) -> None:
    assert visitor().get("/", headers={name: "127.0.0.1"}).status_code == 403


def test_every_page_says_that_nobody_signs_in() -> None:
    assert "nobody signs in" in visitor().get("/_dash-layout").text


def test_no_page_says_so_where_people_sign_in() -> None:
    client = visitor(SIGNED, address="203.0.113.9")
    client.sign_in("vera")
    assert client.get("/", headers={"Host": "dashboard.example"}).status_code == 302
    assert "nobody signs in" not in client.get("/_dash-layout").text


@pytest.mark.parametrize(
    ("place", "host"),
    [("a:1", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b")],
)
def test_the_port_is_taken_off(place: str, host: str) -> None:
    assert without_port(place) == host


@given(st.ip_addresses())
def test_loopback_is_what_the_library_says(address: Any) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert is_loopback(str(address)) == (mapped or address).is_loopback
    assert not is_loopback(f"{address}.example")


# -- HTTPS, and the proxy -------------------------------------------------------------------------


def test_exposed_a_page_is_sent_to_https_and_nothing_is_taken_by_http() -> None:
    client = visitor(EXPOSED, prefix="__Host-")
    answer = client.get("/charts?symbol=A", headers={"Host": "d.example"})
    assert (answer.status_code, answer.headers["Location"]) == (
        308,
        "https://d.example/charts?symbol=A",
    )
    assert "Strict-Transport-Security" not in answer.headers
    assert client.http.post("/login", data={"email": "a"}).status_code == 400
    assert client.http.post(CALLBACK, json={}).status_code == 400


def test_exposed_https_is_kept_to_and_cookies_belong_to_this_host() -> None:
    place = Place(EXPOSED)
    place.server.config["PREFERRED_URL_SCHEME"] = "https"  # as the test client asks
    client = Visitor(place.server, prefix="__Host-")
    answer = client.sign_in("vera")
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    given = [*answer.headers.getlist("Set-Cookie"), *client.get("/").headers.getlist("Set-Cookie")]
    names = {cookie.partition("=")[0] for cookie in given}
    assert names >= {"__Host-session", "__Host-visit", "__Host-csrf"}
    for cookie in given:
        assert cookie.startswith("__Host-") and "Secure" in cookie and "Path=/" in cookie
        assert "SameSite=Lax" in cookie and "Domain" not in cookie
        assert ("HttpOnly" in cookie) != cookie.startswith("__Host-csrf")


def test_the_proxys_word_counts_only_where_there_is_one() -> None:
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"}
    assert visitor(EXPOSED).get("/help", headers=said).status_code == 308
    assert visitor(PROXIED).get("/help", headers=said).status_code == 302


def test_the_client_is_whom_the_proxy_names_last() -> None:
    place = Place(PROXIED)
    client = Visitor(place.server, address="10.0.0.1", prefix="__Host-")
    for first in ("1.1.1.1", "2.2.2.2", "evil, 3.3.3.3"):
        more = {"X-Forwarded-For": f"{first}, 203.0.113.9", "X-Forwarded-Proto": "https"}
        token = {"csrf_token": _token(client.get("/login", headers=more).text)}
        form = {**token, "email": "x@example.com", "password": "x"}
        client.http.post("/login", data=form, headers=more)
    assert {origin.address for origin in place.identity.origins} == {"203.0.113.9"}


def _token(page: str) -> str:
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


# -- addresses, methods ---------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["a b", "a/b", "a\\b", "<script>", "a@b", "a,b", "a\tb"])
def test_a_host_that_can_not_be_is_refused(host: str) -> None:
    for web in (Web(), SIGNED, EXPOSED):
        answer = visitor(web).get("/login", headers={"Host": host})
        assert answer.status_code == 400
        assert host not in answer.headers.get("Location", "")


@pytest.mark.parametrize("path", ["/%00", "/charts%00", "/assets/%00.css", "/?q=%00", "/x?%00=1"])
def test_a_nul_in_the_address_is_refused(path: str) -> None:
    assert visitor().get(path).status_code == 400


@pytest.mark.parametrize("path", ["/", "/charts", "/_dash-layout", CALLBACK, "/login", "/nowhere"])
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "X"])
def test_unknown_methods_are_405(path: str, method: str) -> None:
    for web in (Web(), SIGNED):
        answer = visitor(web).http.open(path, method=method)
        assert answer.status_code == 405
        assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]


# -- size and depth -------------------------------------------------------------------------------


class Unreadable(io.BytesIO):
    """A body that must not be touched."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("read although it is too large")


@pytest.mark.parametrize("path", [CALLBACK, "/login", "/logout"])
def test_what_is_too_large_is_refused_unread(path: str) -> None:
    answer = visitor(SIGNED).http.post(
        path,
        input_stream=Unreadable(),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(MAX_BYTES + 1)},
    )
    assert answer.status_code == 413


def test_a_body_of_unknown_length_is_read_up_to_the_limit() -> None:
    body = io.BytesIO(b"[" + b"1," * MAX_BYTES)
    answer = visitor().http.post(
        CALLBACK,
        input_stream=body,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == 413
    assert body.tell() <= MAX_BYTES + (1 << 16)


def test_json_is_taken_to_a_depth_and_no_deeper() -> None:
    def status(levels: int) -> int:
        deep = "[" * levels + "]" * levels
        body = f'{{"output": {deep}}}'
        kind = "application/json"
        return visitor().http.post(CALLBACK, data=body, content_type=kind).status_code

    assert status(MAX_DEPTH - 1) == 400  # no callback has that output
    answers = [status(levels) for levels in (MAX_DEPTH, 1000, 100_000)]
    assert answers == [400, 400, 400]


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


BRACKETS = st.text('[]{}"\\ax', max_size=12)


@given(
    st.recursive(
        st.none() | BRACKETS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(BRACKETS, inner, max_size=2),
        max_leaves=60,
    ),
    st.integers(0, 45),
)
def test_the_depth_is_that_of_the_parsed_value(value: Any, wrapped: int) -> None:
    for _ in range(wrapped):
        value = [value]
    assert too_deep(json.dumps(value).encode()) == (_depth(value) > MAX_DEPTH)


@pytest.mark.parametrize("web", [Web(), SIGNED], ids=["development", "signed in"])
def test_an_encoding_that_hides_its_brackets_does_no_harm(web: Web) -> None:
    body = ('"\u2200"' + "[" * 5_000).encode("utf-16-le")
    answer = visitor(web).http.post(CALLBACK, data=body, content_type="application/json")
    assert answer.status_code in (400, 401)


# -- headers --------------------------------------------------------------------------------------

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PATHS = ("/", "/login", "/nowhere", "/_dash-layout", "/assets/tokens.css", "/favicon.ico", "/%00")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_says_what_to_refuse(path: str) -> None:
    for web in (Web(), SIGNED):
        headers = visitor(web).get(path).headers
        assert {name: headers[name] for name in EVERYWHERE} == EVERYWHERE
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
        assert "unsafe-eval" not in policy
        scripts = policy.partition("script-src ")[2].partition(";")[0]
        assert "unsafe-inline" not in scripts and scripts.startswith("'self'")
        assert "camera=()" in headers["Permissions-Policy"]


def test_what_a_user_is_shown_is_kept_nowhere_and_files_are() -> None:
    client = visitor(SIGNED)
    client.sign_in("vera")
    for path in ("/", "/charts", "/_dash-layout", "/_dash-dependencies", "/login"):
        assert client.get(path).headers["Cache-Control"] == "no-store", path
        assert "ETag" not in client.get(path).headers
    document = client.get("/").text
    link = document.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "immutable" in client.get(link).headers["Cache-Control"]


def test_an_error_is_one_line_and_no_page_of_html() -> None:
    client = visitor(SIGNED)
    client.sign_in("vera")
    answer = client.http.put("/_dash-layout")
    assert (answer.status_code, answer.mimetype) == (405, "text/plain")
    assert answer.text.count("\n") == 1
