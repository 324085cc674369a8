"""The Ops page in both browsers: it is drawn again while somebody looks, and takes nothing away."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from mltrading.dashboard.pages.ops_frame import SECTIONS
from tests.page import Page

pytestmark = pytest.mark.browser

MOMENT = ".ops-moment"
WIDEST = """const room = document.documentElement.clientWidth;
return [...document.querySelectorAll('.ops *')].filter((one) => !one.closest('.table-wrap'))
  .filter((one) => one.getBoundingClientRect().right > room)
  .map((one) => one.tagName + "#" + one.id + "." + one.className).slice(0, 5)"""

CUT = """return [...document.querySelectorAll('.table-wrap, .sheet-tabs')]
  .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.id || one.className)"""
"""What has to be scrolled to be seen whole."""


def refresh_soon(page: Page) -> None:
    """As if the time between two drawings were over."""
    page.js("document.querySelector('[data-refresh]').dataset.every = '0.3'")


def drawn_again(page: Page) -> None:
    before = page.text(MOMENT)
    page.until(lambda: page.text(MOMENT) != before, "it is drawn again")


def test_it_is_drawn_again_and_what_was_typed_scrolled_and_opened_stays(page: Page) -> None:
    page.open("/ops", "#ops-latency-chart .js-plotly-plot, #ops-latency-chart.js-plotly-plot")
    assert page.js("return document.querySelectorAll('.nav-link[aria-current]').length") >= 1
    page.resize(390, 844)
    page.css("#ops-state-table-wrap")
    page.js("document.getElementById('ops-state').style.width = '160px'")  # else all of it fits
    page.js("document.getElementById('ops-state-table-wrap').scrollTo(40, 0); scrollTo(0, 300)")
    place = "return [document.getElementById('ops-state-table-wrap').scrollLeft, scrollY]"
    before = page.js(place)
    assert before[0] > 0 and before[1] > 0, "there is nothing to scroll"
    refresh_soon(page)
    drawn_again(page)
    assert page.js(place) == before

    page.js("scrollTo(0, 0)")
    page.click(".sheet-tab[href='/ops/log']")
    page.type("#ops-log-form input[name=text]", "no such line")
    refresh_soon(page)
    drawn_again(page)
    field = "document.querySelector('#ops-log-form input[name=text]')"
    assert page.js(f"return {field}.value") == "no such line"
    assert page.js(f"return document.activeElement === {field}")
    page.type("#ops-log-form input[name=text]", Keys.ENTER)
    page.until_text("#ops-lines", "No line of that kind was kept in this time.")
    assert page.query == {"text": "no such line"}
    assert page.css(".nav-link[href='/ops']").get_attribute("aria-current") == "page"


RESTS = {
    "text is selected": (
        "getSelection().selectAllChildren(document.getElementById('ops-flags-table'))",
        "getSelection().removeAllRanges()",
    ),
    "the tab is hidden": (
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})",
        "delete document.visibilityState",
    ),
    "nothing was touched for long": (
        # By the window: Firefox runs scripts of tests with a Date of their own.
        "const now = window.Date.now; window.Date.now = () => now() + 16 * 60 * 1000",
        "dispatchEvent(new Event('wheel'))",
    ),
}


@pytest.mark.parametrize("why", RESTS)
def test_it_rests_while_nobody_looks_or_something_would_be_taken_away(page: Page, why: str) -> None:
    begins, ends = RESTS[why]
    page.open("/ops/deployments", "#ops-flags-table")
    page.js(begins)
    refresh_soon(page)
    counted = (
        "return performance.getEntriesByType('resource')"
        ".filter(e => e.name.includes('_dash-update-component')).length"
    )
    before, moment = page.js(counted), page.text(MOMENT)
    page.js("window.looked = 0; setInterval(() => { window.looked += 1; }, 300)")
    page.until(lambda: page.js("return window.looked >= 4"), "time to ask four times")
    assert (page.js(counted), page.text(MOMENT)) == (before, moment)
    page.js(ends)
    drawn_again(page)


def test_no_part_is_wider_than_a_phone(page: Page) -> None:
    page.resize(390, 844)
    for path in SECTIONS:
        page.open(path, ".ops section table, .ops section p")
        wider = page.js(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wider <= 0, (path, page.js(WIDEST))
        assert page.js(CUT) == [], path
