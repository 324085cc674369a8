"""The browser fixtures themselves: an error nobody hears would make every browser test vacuous."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium.common.exceptions import WebDriverException

from tests.page import Page
from tools.browsers import BROWSERS, start

pytestmark = [pytest.mark.browser, pytest.mark.flow]

PAGE = b"""<!doctype html><title>fixture</title><p id="nav">here</p>
<script>
function later() { setTimeout(() => { throw new Error('thrown later'); }, 0); }
async function reach(url) {
  try { await fetch(url, {mode: 'no-cors'}); return 'reached'; } catch (e) { return 'refused'; }
}
</script>"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        """The test speaks, not the server."""


@pytest.fixture(scope="module")
def live_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_console_error_is_heard(page: Page) -> None:
    page.driver.get(page.server)
    page.js("console.error('said aloud'); console.warn('not an error')")
    assert page.drain() == ["said aloud"]
    assert page.drain() == []


def test_uncaught_error_is_heard(page: Page) -> None:
    page.driver.get(page.server)
    page.js("later()")
    heard: list[str] = []
    page.until(lambda: heard.extend(page.drain()) or heard, "the uncaught error")
    assert "thrown later" in heard[0]


def test_only_this_machine_is_reachable(page: Page) -> None:
    page.driver.get(page.server)
    reach = "return reach(arguments[0])"
    assert page.js(reach, page.server) == "reached"
    assert page.js(reach, "https://example.com/") == "refused"
    page.drain()  # a refused request may be logged as an error; it was meant


@pytest.mark.parametrize("name", BROWSERS)
def test_one_site_more_is_reachable_where_it_is_named(name: str) -> None:
    host = socket.gethostname()
    try:
        place = socket.gethostbyname(host)
    except OSError:
        pytest.skip(f"this machine does not know its own name, {host}")
    with ThreadingHTTPServer((place, 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://{host}:{server.server_port}"
        try:
            assert (opened(name, url, host), opened(name, url, None)) == ("fixture", "")
        finally:
            server.shutdown()
            thread.join()


def opened(name: str, url: str, site: str | None) -> str:
    """The title of the page there, or "" where the browser may not go there."""
    with start(name, site=site) as browser:
        try:
            browser.driver.get(url)
        except WebDriverException:
            return ""
        return browser.driver.title if browser.driver.title == "fixture" else ""


def test_window_has_the_size_asked_for(page: Page) -> None:
    page.driver.get(page.server)
    for size in ([1440, 900], [390, 844]):
        page.resize(*size)
        page.until(lambda size=size: page.js("return [innerWidth, innerHeight]") == size, str(size))


def test_visitor_starts_clean(page: Page) -> None:
    page.driver.get(page.server)
    page.js("localStorage.x = 1; sessionStorage.x = 1; document.cookie = 'x=1'")
    page.begin(page.server)
    page.driver.get(page.server)
    stored = "return [localStorage.length, sessionStorage.length, document.cookie]"
    assert page.js(stored) == [0, 0, ""]
