"""The CSV buttons, in Chromium and in Firefox: a click saves the file and leaves the page alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.market_data import HOSTILE_CODE, HOSTILE_NAME
from tests.page import Page
from tests.test_dashboard_regression import chart_shown, overview, rows
from tools.browsers import DOWNLOADS

pytestmark = pytest.mark.browser

SYMBOL = {"chromium": "IBM", "firefox": "MSFT"}  # both save into one folder, perhaps at once
LINKS = (
    "return [...document.querySelectorAll('a[download][href]')].map(a => a.getAttribute('href'))"
)


@pytest.fixture
def code(page: Page) -> Iterator[str]:
    """The symbol of this browser, of which nothing was saved yet."""
    code = SYMBOL[page.name]
    for old in DOWNLOADS.glob(f"*{code}*"):
        old.unlink()
    yield code
    for new in DOWNLOADS.glob(f"*{code}*"):
        new.unlink()


def saved(page: Page, pattern: str) -> list[list[str]]:
    """The rows of the one file that was saved under such a name, once all of it is there."""

    def whole() -> Path | None:
        found = [path for path in DOWNLOADS.glob(pattern) if path.read_bytes().endswith(b"\r\n")]
        return found[0] if found else None

    page.until(whole, f"{pattern} to be saved")
    path = whole()
    assert path is not None
    return list(csv.reader(path.read_text("utf-8").splitlines(), strict=True))


def links(page: Page) -> list[str]:
    found: list[str] = page.js(LINKS)
    return found


def test_a_click_saves_the_bars_on_screen_and_the_page_stays(page: Page, code: str) -> None:
    page.open(f"/charts?symbol={code}&range=1M&indicators=sma:20")
    chart_shown(page, code)
    bars = int(page.text("#chart-bars").split()[0])
    page.click("#chart-csv")
    header, *found = saved(page, f"chart_{code}_1d_*.csv")
    assert header[:5] == ["timestamp", "open", "high", "low", "close"] and "sma_20" in header
    assert len(found) == bars
    assert (page.path, page.query["symbol"]) == ("/charts", code)


def test_the_file_follows_a_pan_that_asks_the_server_nothing(page: Page, code: str) -> None:
    page.open(f"/charts?symbol={code}&range=1Y")
    chart_shown(page, code)
    assert links(page) == [f"/export/chart.csv?symbol={code}&range=1Y"]
    page.js("window.mlt.chart.pan(-5)")
    page.until(lambda: "start" in page.query, "the address to follow")
    [link] = links(page)
    assert "range=" not in link and page.query["start"] in link and page.query["end"] in link
    page.click("#chart-csv")
    _, *found = saved(page, f"chart_{code}_1d_*.csv")
    assert found[0][0] == page.query["start"] and found[-1][0] < page.query["end"]


def test_a_comparison_is_two_files(page: Page, code: str) -> None:
    page.open(f"/compare?symbols={code},AAPL")
    page.painted("compare-chart", "path.js-line")
    page.click("#compare-csv")
    header, *_ = saved(page, f"compare_{code}_*.csv")
    assert header[:3] == ["timestamp", f"{code} percent", "AAPL percent"]
    page.click("#compare-metrics .csv")
    _, *found = saved(page, f"compare-metrics_{code}_*.csv")
    assert [row[0] for row in found] == [code, "AAPL"]


FETCH = """
const done = arguments[arguments.length - 1];
const link = document.querySelector('#overview-csv');
fetch(link.href).then(a => a.text().then(t => done([a.headers.get('content-disposition'), t])));
"""


def test_the_table_comes_as_it_is_filtered_with_hostile_names_as_text(page: Page) -> None:
    overview(page)
    page.type("#overview-search", "DROP")
    page.until(lambda: rows(page) == {HOSTILE_CODE}, "the table to be filtered")
    page.settle()
    assert links(page) == ["/export/overview.csv?q=DROP"]
    disposition, text = page.driver.execute_async_script(FETCH)
    assert disposition == 'attachment; filename="overview.csv"'
    _, row = csv.reader(text.splitlines(), strict=True)
    assert row[:2] == [HOSTILE_CODE, HOSTILE_NAME]
