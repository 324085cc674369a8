"""First-load and repeat-load bytes of every page, as a real Chromium counts them."""

from __future__ import annotations

from dash.testing.browser import Browser

from benchmarks.report import Row, budget
from tools.browsers import start

PAGES = {"Overview": "/", "Charts": "/charts?symbol=AAPL", "Compare": "/compare?symbols=AAPL,IBM"}
READY = {"Overview": "#overview-table td", "Charts": ".js-plotly-plot .xtick", "Compare": ".xtick"}

_TRANSFERRED = """
return performance.getEntriesByType('navigation')
  .concat(performance.getEntriesByType('resource'))
  .reduce((sum, entry) => sum + entry.transferSize, 0)
"""


def measure(url: str) -> list[Row]:
    """A fresh browser a page, so that nothing is cached at the first load."""
    rows = []
    for name, path in PAGES.items():
        with start("chromium") as browser:
            first = _load(browser, url + path, READY[name])
            repeat = _load(browser, url + path, READY[name])
        rows.append(budget("first load", first / 1000, name))
        rows.append(budget("repeat load", repeat / 1000, name))
    return rows


def _load(browser: Browser, url: str, ready: str) -> int:
    browser.driver.get(url)
    browser.wait_for_element(ready, timeout=20)
    return int(browser.driver.execute_script(_TRANSFERRED))
