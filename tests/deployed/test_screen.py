"""What a visitor of a release sees and does, in Chromium and Firefox; a console error fails."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from delivery.smoke_login import Account
from delivery.smoke_visit import Visit
from tests.page import Page

pytestmark = pytest.mark.browser

CANDLES = ".boxlayer path, .ohlclayer path"
CODES = "return [...document.querySelectorAll('#overview-table tbody .code')].map(e => e.innerText)"
TRACES = """
const plot = document.querySelector('#price-chart .js-plotly-plot');
return plot ? plot.data.filter(t => t.close?.length).map(t => t.name) : [];
"""
OUTLINES = """
return [...document.querySelectorAll('#price-chart .boxlayer path')]
  .filter(p => p.getBoundingClientRect().height > 0).length;
"""
CONTENT = "return document.querySelector('#page > *')?.id"
THEME = "return document.documentElement.dataset.theme"


def chart_shown(page: Page, code: str) -> None:
    """The chart of `code`, in its title, its data and on the screen."""
    page.until_text("#chart-head .chart-code", code)
    page.until(lambda: page.js(TRACES) == [code], f"bars of {code}")
    page.painted("price-chart", CANDLES)
    page.settle()


def test_a_visitor_signs_in_and_sees_what_was_asked_for(
    stranger: Page, visit: Visit, account: Account | None
) -> None:
    if visit.open or account is None:
        pytest.skip("nobody signs in there")
    stranger.driver.get(f"{stranger.server}/charts?range=1Y")
    stranger.type("#login-email", account.email)
    stranger.type("#login-password", account.password)
    stranger.click("#login-submit")
    stranger.css("#nav")
    stranger.settle()
    assert (stranger.path, stranger.query["range"]) == ("/charts", "1Y")


def test_the_table_leads_to_a_chart_with_candles(page: Page, symbols: list[str]) -> None:
    page.open("/?sort=volume&order=desc")
    page.until(lambda: symbols[0] in page.js(CODES), f"{symbols[0]} in the table")
    page.settle()
    link = f"/charts?symbol={quote(symbols[0], safe='')}"
    page.click(f'#overview-table a[href="{link}"]')
    chart_shown(page, symbols[0])
    assert page.query["symbol"] == symbols[0]
    assert page.js(OUTLINES) > 0
    assert "bars" in page.text("#chart-note")


def test_another_symbol_is_one_search_away(page: Page, symbols: list[str]) -> None:
    first, second = symbols[:2]
    page.open(f"/charts?symbol={quote(first)}")
    chart_shown(page, first)
    page.replace("#symbol-search", second)
    page.press(Keys.ENTER)
    chart_shown(page, second)
    assert page.query["symbol"] == second


def test_every_page_of_the_menu_opens(page: Page) -> None:
    page.open("/")
    page.until(lambda: page.js(CODES), "the table")
    links = [link.get_dom_attribute("href") for link in page.all("#nav a")]
    assert {"/", "/charts"} <= set(links)
    for path in [*links[1:], links[0]]:
        before = page.js(CONTENT)
        page.click(f"#nav a[href='{path}']")
        page.until(lambda before=before: page.js(CONTENT) not in (None, before), f"{path} to open")
        page.settle()
        assert page.path == path and not page.all("#not-found")


def test_the_theme_is_kept(page: Page, symbols: list[str]) -> None:
    page.open(f"/charts?symbol={quote(symbols[0])}")
    chart_shown(page, symbols[0])
    before = page.js(THEME)
    page.click("#theme-toggle")
    page.until(lambda: page.js(THEME) != before, "the other theme")
    page.settle()
    page.driver.refresh()
    chart_shown(page, symbols[0])
    assert page.js(THEME) != before


def test_an_unknown_address_says_so_in_the_frame(page: Page) -> None:
    page.open("/no-such-page")
    page.until_text("#not-found", "/no-such-page")
    page.drain()  # browsers may log the 404 of the document itself
    page.click("#not-found a")
    page.until(lambda: page.path == "/", "the Overview")
    page.settle()
