"""Each page at each size, in both themes and both browsers: nothing is cut off or jumps about, and
axe finds nothing serious."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.looks import assert_accessible, assert_fits, other_theme
from tests.market_data import HOSTILE_CODE, ONE_BAR
from tests.page import Page
from tests.test_dashboard_regression import chart_shown

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/",
    "charts": "/charts?symbol=AAPL&indicators=sma:20,rsi:14",
    "compare": "/compare?symbols=AAPL,IBM,MSFT",
    "ops": "/ops",
    "ops-log": "/ops/log",
    "help": "/help",
    "404": "/nowhere",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_screen_and_axe_finds_nothing_serious_in_either_theme(
    page: Page, name: str
) -> None:
    page.resize(390, 844)
    page.open(PAGES[name])
    assert_fits(page)
    page.resize(768, 1024)
    assert_fits(page)
    page.resize(1440, 900)
    page.settle()
    assert_accessible(page)
    other_theme(page)
    assert_accessible(page)


def test_charts_fill_the_window_without_scrolling(page: Page) -> None:
    page.open("/charts?symbol=AAPL")
    chart_shown(page, "AAPL")
    extra = "return document.documentElement.scrollHeight - innerHeight"
    assert page.js(extra) <= 0


def is_whole(page: Page, selector: str) -> bool:
    """Whether all of each element's text shows: none is cut by itself or by what it stands in."""
    return bool(
        page.js(
            "return [...document.querySelectorAll(arguments[0])].every(one => {"
            " const range = document.createRange(); range.selectNodeContents(one);"
            " const [text, frame] = [range, one.closest('tr, #chart-head')]"
            "   .map(of => of.getBoundingClientRect());"
            " return one.scrollWidth <= one.clientWidth + 1"
            "   && text.top >= frame.top - 1 && text.bottom <= frame.bottom + 1; })",
            selector,
        )
    )


@pytest.mark.parametrize("code", [ONE_BAR, HOSTILE_CODE])
def test_codes_are_whole_on_a_phone_and_the_head_of_charts_fits(page: Page, code: str) -> None:
    page.resize(360, 740)
    page.open(f"/?q={quote(code)}")
    page.until(lambda: code in page.text("#overview-table"), "the row")
    assert is_whole(page, "#overview-table tbody .code")
    page.open(f"/charts?symbol={quote(code)}")
    page.until_text("#chart-head .chart-code", code)
    head = page.css("#chart-head")
    for part in (".chart-code", ".chart-quote", "#share-link"):
        rect = page.css(f"#chart-head {part}").rect
        assert rect["x"] + rect["width"] <= 360, part
        assert rect["y"] >= head.rect["y"]
        assert rect["y"] + rect["height"] <= head.rect["y"] + head.rect["height"], part
    assert head.get_property("scrollWidth") <= head.get_property("clientWidth")
    assert is_whole(page, "#chart-head .chart-code")


LAYOUT_SHIFT = """
const done = arguments[arguments.length - 1];
const moved = [];
new PerformanceObserver(list => moved.push(...list.getEntries()))
  .observe({type: 'layout-shift', buffered: true});
requestAnimationFrame(() => requestAnimationFrame(() => done(
  moved.map(shift => [shift.value, shift.sources.map(s => s.node?.id || s.node?.className || '')])
)));
"""


@pytest.mark.parametrize("browser_page", ["chromium"], indirect=True)  # only Chromium measures it
@pytest.mark.parametrize("name", ["overview", "charts", "compare"])
def test_nothing_jumps_while_a_page_loads(page: Page, name: str) -> None:
    page.open(PAGES[name])
    page.painted(
        {"overview": "sector-chart", "charts": "price-chart"}.get(name, "compare-chart"), "path"
    )
    page.settle()
    shifts = page.driver.execute_async_script(LAYOUT_SHIFT)
    assert sum(value for value, _ in shifts) < 0.05, shifts
