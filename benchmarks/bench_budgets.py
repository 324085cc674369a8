"""What the served dashboard takes of its budgets: answers, callbacks, health, loads and paints.

The server's own numbers (/metrics, the buckets of utils/histogram.py) are what is judged, as on the
Ops page; a browser that reports every load drives it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import requests
from dash.testing.browser import Browser

from benchmarks.bench_memory import CHARTS
from benchmarks.callbacks import PATH, payload
from benchmarks.report import Row, budget
from mltrading.utils.histogram import BOUNDS_SECONDS, quantile
from tools.browsers import start

CODES = ("AAPL", "IBM", "MSFT", "GOOG", "FB")
HEALTH_CALLS = 300
CALLBACK_ROUNDS = 15
REPORT_SECONDS = 10.0
_LINE = re.compile(
    r"mltrading_(?P<family>\w+)_bucket\{(?P<labels>.*),?le=\"(?P<le>[^\"]+)\"\} (?P<n>\d+)"
)

Select = Callable[[str], bool]


def measure(url: str, token: str) -> list[Row]:
    """One row for each budget that the dashboard is served for."""
    session = requests.Session()
    _callbacks(session, url)
    health = [_timed(session, f"{url}/health") for _ in range(HEALTH_CALLS)]
    _browse(url)
    text = _metrics(session, url, token)
    answers = _histogram(text, "http_request_seconds", lambda labels: _of_people(labels))
    return [
        budget("callback", 1000 * quantile(_histogram(text, "callback_seconds", _every), 0.95)),
        budget("answer", 1000 * quantile(answers, 0.95)),
        budget("health", 1000 * sorted(health)[int(0.95 * len(health))]),
        budget("page load", 1000 * quantile(_of_browsers(text, "load"), 0.75)),
        budget("chart paint", 1000 * quantile(_of_browsers(text, "paint"), 0.75)),
        budget("failed answers", _failed_percent(text)),
    ]


def _callbacks(session: requests.Session, url: str) -> None:
    listed = session.get(f"{url}/_dash-dependencies", timeout=30).json()
    for number in range(CALLBACK_ROUNDS):
        for chart in CHARTS:
            search = f"?symbol={CODES[number % len(CODES)]}&{chart}"
            address = {"path": "/charts", "search": search, "n": number}
            body = payload(listed, "chart-answer.data", {"address": address})
            session.post(url + PATH, json=body, timeout=30).raise_for_status()


def _timed(session: requests.Session, url: str) -> float:
    started = time.perf_counter()
    session.get(url, timeout=30).raise_for_status()
    return time.perf_counter() - started


def _browse(url: str) -> None:
    """Charts opened and changed, in a browser that reports them."""
    with start("chromium") as browser:
        for code in CODES:
            _open(browser, f"{url}/charts?symbol={code}")
            for query in ("range=1Y", "range=5Y", "range=ALL"):
                browser.driver.execute_script(
                    "window.painted = new Promise((done) => document.addEventListener("
                    "'mlt:painted', done, {once: true}));"
                    f"window.mlt.navigate('/charts?symbol={code}&{query}')"
                )
                browser.driver.execute_async_script(
                    "const done = arguments[0]; window.painted.then(() => done())"
                )
            browser.driver.execute_script("window.mlt.tellTimings()")


def _open(browser: Browser, url: str) -> None:
    browser.driver.get(url)
    browser.wait_for_element(".js-plotly-plot .xtick", timeout=20)


def _metrics(session: requests.Session, url: str, token: str) -> str:
    """The numbers, once the reports of the browser are among them."""
    deadline = time.monotonic() + REPORT_SECONDS
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        text = session.get(f"{url}/metrics", headers=headers, timeout=30).text
        if sum(_of_browsers(text, "paint")) >= 4 * len(CODES) or time.monotonic() > deadline:
            return text
        time.sleep(0.2)


def _every(labels: str) -> bool:
    return True


def _of_people(labels: str) -> bool:
    return not re.search(r'route="/(health|assets|_dash-component|metrics|timings|favicon)', labels)


def _of_browsers(text: str, kind: str) -> list[int]:
    return _histogram(text, "browser_seconds", lambda labels: f'kind="{kind}"' in labels)


def _histogram(text: str, family: str, select: Select) -> list[int]:
    """The buckets of a family, those that `select` takes by their labels, added up."""
    names = [*(str(bound).removesuffix(".0") for bound in BOUNDS_SECONDS), "+Inf"]
    so_far = dict.fromkeys(names, 0)
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found and found["family"] == family and select(found["labels"]):
            so_far[found["le"]] += int(found["n"])
    values = list(so_far.values())
    return [now - before for now, before in zip(values, [0, *values])]


def _failed_percent(text: str) -> float:
    counted = re.findall(r'http_requests_total\{.*status="(\d)\d\d"\} (\d+)', text)
    answered = sum(int(count) for status, count in counted if status != "4")
    failed = sum(int(count) for status, count in counted if status == "5")
    return 100 * failed / answered
