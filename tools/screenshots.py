"""Take the pictures of docs/screenshots: every page, dark and light, wide and on a phone.

`make screenshots`. Serves the bundled sample and the simulated exchange from a database of its
own, so that the pictures show what `make run` shows; then the same where users sign in.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.pool import Database
from mltrading.errors import SignInRefused
from mltrading.utils.clock import SystemClock
from tests.identities import People
from tests.page import Page
from tests.visitors import SIGN_IN
from tools.browsers import start

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
START_SECONDS = 180
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
Pages = Mapping[str, tuple[str, str]]
PAGES: Pages = {
    "overview": ("/", "#overview-table tbody .code"),
    "overview-filtered": (
        "/?sector=Information%20Technology&sort=change_1y&order=desc",
        "#overview-chips button",
    ),
    "charts": (
        "/charts?symbol=AAPL&range=1Y&indicators=sma:20,ema:50,rsi:14,macd:12:26:9",
        "#price-chart .boxlayer path",
    ),
    "charts-area": ("/charts?symbol=MSFT&range=ALL&type=area&scale=log", "#price-chart .js-line"),
    "charts-unknown": ("/charts?symbol=APPL", "#chart-note"),
    "compare": ("/compare?symbols=AAPL,IBM,MSFT,GOOG&range=5Y", "#compare-chart .js-line"),
    "compare-empty": ("/compare", "#compare-metrics h2"),
    "alerts": ("/alerts?symbol=AAPL&interval=1d", "#alerts-form input"),
    "help": ("/help", "#help-page table, #help-page h2"),
    "not-found": ("/nowhere", "#page h1, #page h2"),
    "ops": ("/ops", "#ops-latency-chart .js-plotly-plot, #ops-latency-chart.js-plotly-plot"),
    "ops-alerts": ("/ops/alerts", "#page h2"),
}
SIGNED_IN: Pages = {
    "account": ("/account", "#account-data h2"),
    "admin-users": ("/admin", "#users-table"),
    "admin-symbols": ("/admin?tab=symbols", "#symbols-table"),
    "admin-audit": ("/admin?tab=audit", "#audit-table"),
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mltrading-screenshots-") as home:
        with start("chromium") as browser:
            page = Page(browser, "chromium")
            with served(home) as url:
                page.begin(url)
                take(page, PAGES)
            with served(home, **SIGN_IN) as url, EmbeddedServer(Path(home)) as server:
                page.begin(url)
                take(page, {"login": ("/login", "#login-submit")}, frame=False)
                page.driver.add_cookie({"name": "session", "value": session(server.start())})
                take(page, SIGNED_IN)


def take(page: Page, pages: Pages, *, frame: bool = True) -> None:
    """Each of the pages, in both themes and sizes. `frame`: it is drawn by Dash."""
    for theme in ("dark", "light"):
        page.driver.add_cookie({"name": "theme", "value": theme})
        for size, (width, height) in SIZES.items():
            page.resize(width, height)
            for name, (path, ready) in pages.items():
                page.driver.get(page.server + path)
                page.css(ready)
                if frame:
                    page.settle()
                file = FOLDER / f"{name}-{theme}-{size}.png"
                page.driver.save_screenshot(str(file))
                sys.stderr.write(f"{file.name}\n")


def session(url: str) -> str:
    """That of an administrator, who is not alone."""
    with closing(Database(url)) as database:
        people = People(database)
        people.clock.moment = SystemClock().now()
        for name, role in (("ann", "admin"), ("ben", "analyst"), ("vera", "viewer")):
            people.add(name, role)
        for name in ("vera", "ben"):
            people.sign_in(name)
        with suppress(SignInRefused):
            people.sign_in("vera", "not her password")
        return people.sign_in("ann", code=people.code(people.enrol("ann"))).token


@contextmanager
def served(home: str, **variables: str) -> Iterator[str]:
    """`mltrading serve` on that data folder, with the sample, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "MLTRADING_HOME": home, **variables}
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "mltrading", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/health/ready", timeout=5).read()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"mltrading serve did not come up: {error}") from None
            threading.Event().wait(0.2)


if __name__ == "__main__":
    main()
