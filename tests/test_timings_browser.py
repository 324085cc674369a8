"""Browsers report how long pages took; seen in /metrics of the server that they report to."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

import pytest

from tests.live_fixtures import METRICS_TOKEN
from tests.page import Page

pytestmark = pytest.mark.browser


def timings(page: Page) -> dict[str, float]:
    """How many of each there are: {'/charts paint ': 3, ...}."""
    request = urllib.request.Request(
        f"{page.server}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    start = "mltrading_browser_seconds_count{"
    found = {}
    for line in lines:
        if line.startswith(start):
            labels, _, value = line.removeprefix(start).rpartition("} ")
            names = [part.split('"')[1] for part in labels.split(",")]
            found[" ".join(names)] = float(value)
    return found


def more(page: Page, before: dict[str, float], name: str) -> Callable[[], bool]:
    return lambda: timings(page).get(name, 0) > before.get(name, 0)


def test_a_chart_is_told_from_its_address_to_its_paint(page: Page) -> None:
    before = timings(page)
    page.open("/charts?symbol=AAPL", ".js-plotly-plot .xtick")
    page.until(
        lambda: page.js("return performance.getEntriesByType('navigation')[0].loadEventEnd"),
        "loaded",
    )
    page.js("setTimeout(() => { window.told = true; }, 50)")
    page.until(lambda: page.js("return window.told"), "the load was noted")
    page.js("window.mlt.tellTimings()")
    for name in ("/charts load ", "/charts paint ", "/charts callback chart-answer.data"):
        page.until(more(page, before, name), f"{name} arrives")


def test_what_waits_is_told_when_the_page_goes(page: Page) -> None:
    page.open("/charts?symbol=AAPL", ".js-plotly-plot .xtick")
    before = timings(page)
    page.driver.get(f"{page.server}/health/live")
    page.until(more(page, before, "/charts paint "), "the paint arrives")


def test_a_load_that_is_not_of_the_share_reports_nothing(page: Page) -> None:
    page.open("/help")
    page.js("document.documentElement.dataset.timings = '0'")
    assert page.js("return typeof window.mlt.tellTimings") == "function"
    source = page.js("return [...document.scripts].find(s => s.src.includes('timings.js')).src")
    page.js("delete window.mlt.tellTimings")
    page.driver.execute_async_script(
        """const [source, done] = arguments; const script = document.createElement('script');
        script.src = source + '&again'; script.onload = done; document.head.append(script);""",
        source,
    )
    assert page.js("return typeof window.mlt.tellTimings") == "undefined"
