"""Take the pictures of docs/screenshots: every page, dark and light, wide and on a phone.

`make screenshots`. Serves the bundled sample and the simulated exchange from a database of its
own, so that the pictures show what `make run` shows.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.page import Page
from tools.browsers import start

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
START_SECONDS = 180
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
PAGES = {
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
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with served() as url, start("chromium") as browser:
        page = Page(browser, "chromium")
        page.begin(url)
        for theme in ("dark", "light"):
            page.js("document.cookie = `theme=${arguments[0]}; Path=/`", theme)
            for size, (width, height) in SIZES.items():
                page.resize(width, height)
                for name, (path, ready) in PAGES.items():
                    page.open(path)
                    page.css(ready)
                    page.settle()
                    file = FOLDER / f"{name}-{theme}-{size}.png"
                    browser.driver.save_screenshot(str(file))
                    sys.stderr.write(f"{file.name}\n")


@contextmanager
def served() -> Iterator[str]:
    """`mltrading serve` on a fresh data folder with the sample, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mltrading-screenshots-") as home:
        environment = {**os.environ, "MLTRADING_HOME": home}
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
