"""The flows that must never break, each in Chromium and in Firefox, as a user does them.

F1 to F13 name the flows; `page` fails a test on any console error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

from tests.live_fixtures import served
from tests.market_data import (
    GAPS,
    HOSTILE_CODE,
    HOSTILE_NAME,
    MINUTES,
    NO_BARS,
    ONE_BAR,
    SECTORS,
    SIMULATED,
)
from tests.page import Page

pytestmark = pytest.mark.browser

CANDLES = ".boxlayer path, .ohlclayer path"
PAINT_SECONDS = 10


def by_id(type: str, code: str) -> str:
    """The selector of a pattern id: `{"symbol": code, "type": type}`."""
    quoted = code.replace("\\", "\\\\").replace("'", "\\'")
    return f"""[id='{{"symbol":"{quoted}","type":"{type}"}}']"""


def rows(page: Page) -> set[str]:
    """The codes in the Overview's table."""
    found = page.js(
        "return [...document.querySelectorAll('#overview-table tbody .code')].map(e => e.innerText)"
    )
    return set(found)


def data_of(page: Page, graph: str) -> list[dict[str, Any]]:
    """What a graph has painted: its traces, without their long arrays."""
    return page.js(
        "const gd = document.querySelector(`#${arguments[0]} .js-plotly-plot`);"
        "return gd ? gd.data.map(t => ({name: t.name, type: t.type, color: t.line?.color})) : []",
        graph,
    )


def bar_centre(page: Page, graph: str, label: str) -> tuple[float, float]:
    """Where the bar of the group `label` is, as fractions of the graph's size."""
    place = page.js(
        """
        const gd = document.querySelector(`#${arguments[0]} .js-plotly-plot`);
        const box = gd.parentElement.getBoundingClientRect();
        for (const trace of gd.querySelectorAll('.barlayer .trace')) {
          for (const point of trace.querySelectorAll('.point')) {
            const datum = point.__data__;
            const path = point.querySelector('path').getBoundingClientRect();
            const cd = datum.trace || trace.__data__[0].trace;
            if (cd.customdata[datum.i] === arguments[1] && path.width > 3)
              return [(path.left + path.width / 2 - box.left) / box.width,
                      (path.top + path.height / 2 - box.top) / box.height];
          }
        }
        return null;""",
        graph,
        label,
    )
    assert place, f"no bar of {label} in {graph}"
    return place[0], place[1]


def click_bar(page: Page, graph: str, label: str) -> None:
    page.painted(graph, ".barlayer .point path")
    page.settle()
    page.click_mark(graph, *bar_centre(page, graph, label))


def overview(page: Page) -> None:
    page.open("/")
    page.until(lambda: "AAPL" in rows(page), "the table")
    page.settle()


def chart_shown(page: Page, code: str) -> None:
    page.until_text("#chart-head .chart-code", code)
    page.until(lambda: code in [t["name"] for t in data_of(page, "price-chart")], f"{code} painted")
    page.painted("price-chart", CANDLES)
    page.settle()


def note(page: Page) -> str:
    return page.text("#chart-note")


def in_sector(name: str) -> set[str]:
    return {code for code, (_, sector, _) in SECTORS.items() if sector == name}


def test_f1_click_on_a_sector_filters_and_stays(page: Page) -> None:
    overview(page)
    click_bar(page, "sector-chart", "Technology")
    page.until(lambda: rows(page) == in_sector("Technology"), "the table to be filtered")
    page.settle()
    assert page.path == "/"
    assert page.query["sector"] == "Technology"
    industries = page.text("#industry-chart")
    assert "Software" in industries and "Banks" not in industries


def test_hovering_a_bar_names_its_group(page: Page) -> None:
    overview(page)
    page.painted("sector-chart", ".barlayer .point path")
    bar = page.css("#sector-chart .barlayer .point path")
    ActionChains(page.driver).move_to_element(bar).move_by_offset(1, 0).perform()
    graph = "document.querySelector('#sector-chart .js-plotly-plot')"
    name = page.js(f"return {graph}.data[0].customdata[0]")
    label = "return document.querySelector('#sector-chart .hoverlayer').textContent"
    page.until(lambda: name in page.js(label), f"a label that names {name}")


def test_f2_click_on_an_industry_filters_and_its_badge_clears(page: Page) -> None:
    overview(page)
    everything = rows(page)
    click_bar(page, "industry-chart", "Banks")
    page.until(lambda: rows(page) == {"JPM"}, "the table to be filtered")
    assert page.path == "/"
    page.until_text("#overview-chips", "Banks")
    page.click("#overview-chips button")
    page.until(lambda: rows(page) == everything, "the table to be whole again")
    assert page.path == "/" and "industry" not in page.query


def test_f3_analyze_opens_the_chart_of_that_row(page: Page) -> None:
    overview(page)
    page.click(by_id("analyze", "MSFT"))
    chart_shown(page, "MSFT")
    assert (page.path, page.query["symbol"]) == ("/charts", "MSFT")
    assert page.css("#symbol-search").get_property("value") == "MSFT"
    assert page.driver.title.startswith("MSFT")  # several tabs, told apart


def test_f4_compare_on_two_rows_compares_them(page: Page) -> None:
    overview(page)
    page.click(by_id("compare", "AAPL"))
    page.settle()
    assert page.path == "/"
    page.click(by_id("compare", "IBM"))
    page.until(lambda: page.path == "/compare", "Compare to open")
    page.until(lambda: len(page.all("#compare-chart .scatterlayer path.js-line")) == 2, "two lines")
    assert page.query["symbols"] == "AAPL,IBM"
    assert {t["name"] for t in data_of(page, "compare-chart")} == {"AAPL", "IBM"}


def test_f5_charts_by_the_menu_stays_on_charts(page: Page) -> None:
    overview(page)
    page.click("#nav a[href='/charts']")
    page.painted("price-chart", CANDLES)
    page.settle()
    assert page.path == "/charts"
    page.click_at("#price-chart", 0.5, 0.4)
    page.settle()
    assert page.path == "/charts"


def test_f6_the_last_of_ten_fast_switches_wins(page: Page) -> None:
    codes = [*list(SECTORS)[:6], GAPS, "IBM", ONE_BAR, "GS"]
    page.open("/charts?symbol=AAPL")
    chart_shown(page, "AAPL")
    page.js("for (const symbol of arguments[0]) window.mlt.patchQuery({symbol})", codes)
    chart_shown(page, "GS")
    assert page.query["symbol"] == "GS"
    assert page.text("#chart-head .chart-code") == "GS"
    assert page.css("#symbol-search").get_property("value") == "GS"


def test_f7_zoom_loads_finer_bars_and_a_double_click_returns(page: Page) -> None:
    page.open(f"/charts?symbol={MINUTES}&range=1Y")
    chart_shown(page, MINUTES)
    first, shown = page.driver.current_url, note(page)
    assert "auto" in shown
    seen = [shown.split(",")[0]]
    for _ in range(2):
        zoom_in(page, until_finer_than=seen[-1])
        seen.append(note(page).split(",")[0])
    assert minutes_of(seen[2]) < minutes_of(seen[1]) < minutes_of(seen[0])
    for _ in range(3):  # on a busy machine more than 300 ms pass between two clicks
        page.click_at("#price-chart", 0.5, 0.3, times=2)
        with suppress(AssertionError):
            page.until(lambda: note(page) == shown, f"the first view again: {shown}", timeout=20)
            break
    page.settle()
    assert (note(page), page.driver.current_url) == (shown, first)


def zoom_in(page: Page, until_finer_than: str) -> None:
    """Turn the wheel over the chart until bars of a finer interval are there."""
    origin = ScrollOrigin.from_element(page.css("#price-chart"))

    def turned() -> bool:
        if minutes_of(note(page).split(",")[0]) < minutes_of(until_finer_than):
            return True
        ActionChains(page.driver).scroll_from_origin(origin, 0, -400).perform()
        page.settle()
        return False

    page.until(turned, f"bars finer than {until_finer_than}", timeout=40)
    page.settle()


def minutes_of(interval: str) -> int:
    number = int("".join(c for c in interval if c.isdigit()))
    unit = "".join(c for c in interval if c.isalpha())
    return number * {"m": 1, "h": 60, "d": 1440, "w": 10080, "mo": 43200}[unit]


# A system whose theme a test turns; a reload finds it as it was turned to.
SYSTEM = """() => {
    const real = window.matchMedia.bind(window);
    const light = new EventTarget();
    light.matches = sessionStorage.getItem('system') === 'light';
    window.matchMedia = (asked) => asked.includes('prefers-color-scheme') ? light : real(asked);
    window.turnSystem = (theme) => {
        sessionStorage.setItem('system', theme);
        light.matches = theme === 'light';
        light.dispatchEvent(new Event('change'));
    };
}"""


@pytest.fixture
def system(page: Page) -> Iterator[None]:
    script = page.driver.script.pin(SYSTEM)
    yield
    page.driver.script.unpin(script)


def test_f8_theme_and_view_survive_a_reload(page: Page, system: None) -> None:
    page.open("/charts?symbol=IBM&interval=1w&indicators=sma:20&start=2023-01-02&end=2024-06-03")
    chart_shown(page, "IBM")
    dark = data_of(page, "price-chart")
    page.js("turnSystem('light')")
    page.until(lambda: data_of(page, "price-chart") != dark, "the colours of the system's theme")
    page.settle()
    assert page.driver.get_cookie("theme") is None, "nobody chose one"
    theme, shown = page.js("return document.documentElement.dataset.theme"), note(page)
    assert theme == "light"
    before = data_of(page, "price-chart")
    page.click("#theme-toggle")
    page.until(lambda: data_of(page, "price-chart") != before, "the colours of the other theme")
    page.settle()
    changed, url = data_of(page, "price-chart"), page.driver.current_url
    page.driver.refresh()
    chart_shown(page, "IBM")
    assert page.js("return document.documentElement.dataset.theme") != theme
    assert page.driver.current_url == url
    assert data_of(page, "price-chart") == changed
    assert note(page) == shown
    assert "SMA 20" in " ".join(t["name"] or "" for t in changed)


def test_f9_back_and_forward_restore_each_view(page: Page) -> None:
    overview(page)
    page.click(by_id("analyze", "JPM"))
    chart_shown(page, "JPM")
    page.driver.back()
    page.until(lambda: "AAPL" in rows(page), "the Overview again")
    page.settle()
    page.click(by_id("compare", "GS"))
    page.click(by_id("compare", "XOM"))
    page.until(lambda: len(page.all("#compare-chart .scatterlayer path.js-line")) == 2, "two lines")
    page.driver.back()
    page.until(lambda: page.path == "/" and "AAPL" in rows(page), "the Overview again")
    page.driver.forward()
    page.until(
        lambda: {t["name"] for t in data_of(page, "compare-chart")} == {"GS", "XOM"}, "both lines"
    )
    assert page.path == "/compare" and page.query["symbols"] == "GS,XOM"


def test_f9_back_on_charts_restores_symbol_and_range(page: Page) -> None:
    page.open("/charts?symbol=AAPL&range=3M")
    chart_shown(page, "AAPL")
    shown = note(page)
    page.click("#range-buttons button:last-child")
    page.until(lambda: note(page) != shown, "all of the history")
    page.driver.back()
    page.until(lambda: note(page) == shown, "three months again")
    page.driver.forward()
    page.until(lambda: note(page) != shown, "all of the history again")
    assert page.query["range"] == "ALL"


@pytest.mark.parametrize("code", [ONE_BAR, GAPS, MINUTES, SIMULATED])
def test_f12_every_kind_of_history_is_painted(page: Page, code: str) -> None:
    page.driver.get(f"{page.server}/charts?symbol={code}&range=ALL")
    page.until(
        lambda: page.all(f"#price-chart :is({CANDLES})"), f"{code} painted", timeout=PAINT_SECONDS
    )
    chart_shown(page, code)


def test_f12_one_bar_stays_in_sight_when_the_window_changes(page: Page) -> None:
    page.open(f"/charts?symbol={ONE_BAR}")
    chart_shown(page, ONE_BAR)
    page.js("window.mlt.chart.show(window.mlt.chart.range(), {gesture: false})")  # as a resize does
    low, high = page.js("return window.mlt.chart.range()")
    assert low < 0 < high
    candle = page.css("#price-chart .boxlayer path").rect
    plot = page.css("#price-chart .nsewdrag").rect
    assert plot["x"] <= candle["x"] <= plot["x"] + plot["width"] - candle["width"]


def test_f12_a_symbol_without_bars_says_so(page: Page) -> None:
    page.open(f"/charts?symbol={NO_BARS}")
    page.until(lambda: "no bars" in page.text("#page").lower(), "the reason")
    page.settle()


def test_f13_hostile_code_and_name_are_text_everywhere(page: Page) -> None:
    overview(page)
    assert HOSTILE_CODE in rows(page)
    page.click(by_id("analyze", HOSTILE_CODE))
    page.until_text("#chart-head .chart-code", HOSTILE_CODE)
    page.until_text("#chart-head", HOSTILE_NAME)
    page.painted("price-chart", CANDLES)
    assert page.query["symbol"] == HOSTILE_CODE
    page.open("/compare?symbols=%27%3B%20DROP%20TABLE,AAPL")
    page.until_text("#compare-metrics", HOSTILE_NAME)
    page.replace("#symbol-search", "<img")
    page.until_text("#symbol-options", HOSTILE_NAME)
    assert page.all("img[src='x']") == []


COUNT_STEPS = """
const push = history.pushState.bind(history);
window.steps = 0;
history.pushState = (...step) => { window.steps += 1; return push(...step); };
"""


def steps(page: Page) -> int:
    """How many addresses were opened since COUNT_STEPS (history.length ends at 50)."""
    return int(page.js("return window.steps"))


@pytest.mark.parametrize(
    ("path", "selectors"),
    [
        (
            "/charts?symbol=AAPL",
            ["#range-buttons button:nth-child(4)", "#chart-type button:nth-child(3)"],
        ),
        (
            "/compare?symbols=AAPL,IBM,GS",
            ["#compare-range button:nth-child(4)", "#compare-symbols button"],
        ),
        ("/", ["#overview-table thead .sort", by_id("analyze", "AAPL")]),
    ],
)
def test_f11_a_double_click_is_one_action(page: Page, path: str, selectors: list[str]) -> None:
    page.open(path)
    page.js(COUNT_STEPS)
    for number, selector in enumerate(selectors, 1):
        page.css(selector)
        page.settle()
        ActionChains(page.driver).double_click(page.css(selector)).perform()
        page.until(lambda number=number: steps(page) >= number, "an address to be opened")
        page.settle()
        assert steps(page) == number, selector


def test_f11_a_double_click_on_compare_puts_the_symbol_in_once(page: Page) -> None:
    overview(page)
    ActionChains(page.driver).double_click(page.css(by_id("compare", "AAPL"))).perform()
    page.until_text("#compare-tray", "AAPL")
    page.settle()
    assert page.js("return JSON.parse(sessionStorage.getItem('compare-basket'))") == ["AAPL"]


def test_compare_from_the_chart_adds_its_symbol(page: Page) -> None:
    page.open("/charts?symbol=AAPL")
    chart_shown(page, "AAPL")
    page.click(by_id("compare", "AAPL"))
    page.settle()
    page.open("/")
    page.until_text("#compare-tray", "AAPL")


def test_symbol_search_opens_by_name_with_the_keyboard_alone(page: Page) -> None:
    overview(page)
    page.press(Keys.CONTROL, "k")
    page.until(lambda: page.js("return document.activeElement.id") == "symbol-search", "the focus")
    page.type("#symbol-search", "goldman")
    page.until_text("#symbol-options", "Goldman")
    page.type("#symbol-search", Keys.ARROW_DOWN, Keys.ENTER)
    chart_shown(page, "GS")


def test_symbols_typed_faster_than_answered_open_the_last(page: Page) -> None:
    page.open("/charts?symbol=AAPL")
    chart_shown(page, "AAPL")
    for code in ("IBM", "AAPL", "IBM", "GS"):
        page.press(Keys.CONTROL, "k")
        ActionChains(page.driver).send_keys(code, Keys.ENTER).perform()
    chart_shown(page, "GS")
    page.settle()
    assert page.query["symbol"] == "GS"


def focused(page: Page) -> str:
    return str(page.js("return document.activeElement.id"))


def test_keyboard_reaches_the_filter_and_each_bar_in_few_steps(page: Page) -> None:
    overview(page)
    page.js("document.getElementById('help-open').focus()")
    stops = []
    while not stops or (stops[-1] != "overview-search" and len(stops) < 9):
        page.press(Keys.TAB)
        stops.append(focused(page))
    assert stops == ["sector-key-0", "industry-key-0", "overview-search"]
    page.js("document.getElementById('sector-key-0').focus()")
    page.press(Keys.ARROW_DOWN)
    assert focused(page) == "sector-key-1"
    key, panel = page.css("#sector-key-1").rect, page.css(".panel-sector .breadth-chart")
    assert panel.rect["x"] <= key["x"] <= panel.rect["x"] + panel.rect["width"] - key["width"]
    assert panel.get_property("scrollWidth") <= panel.get_property("clientWidth")
    page.press(Keys.END)
    page.press(Keys.ARROW_DOWN)
    assert focused(page) == "sector-key-0"  # round
    name = page.css("#sector-key-0").get_attribute("data-name")
    page.press(Keys.ENTER)
    page.until(lambda: page.query.get("sector") == name, f"the table of {name}")
    page.settle()
    assert focused(page) == "sector-key-0"  # the drawing of the answer leaves the focus alone


def test_compare_adds_by_enter_and_removes_by_chip(page: Page) -> None:
    page.open("/compare")
    page.type("#compare-add", "AAPL", Keys.ENTER)
    page.until_text("#compare-symbols", "AAPL")
    page.type("#compare-add", "goldman", Keys.ENTER)
    page.until(lambda: page.query.get("symbols") == "AAPL,GS", "both in the address")
    page.until(lambda: len(page.all("#compare-chart .scatterlayer path.js-line")) == 2, "two lines")
    page.settle()
    page.click("#compare-symbols button")
    page.until(lambda: page.query.get("symbols") == "GS", "one left")


def test_compare_zooms_to_what_was_dragged(page: Page) -> None:
    page.open("/compare?symbols=AAPL,IBM")
    page.painted("compare-chart", ".scatterlayer path.js-line")
    page.settle()
    shown = page.text("#compare-note")
    chart = page.css("#compare-chart .draglayer .nsewdrag")
    width = chart.size["width"]
    drag = ActionChains(page.driver).move_to_element_with_offset(chart, -width // 4, 0)
    drag.click_and_hold().move_by_offset(width // 4, 0).move_by_offset(width // 4, 0)
    drag.release().perform()
    page.until(lambda: "start" in page.query, "the window in the address")
    page.until(lambda: page.text("#compare-note") != shown, "the metrics of that window")
    assert page.path == "/compare"


def test_unknown_address_shows_the_frame_and_says_so(page: Page) -> None:
    page.open("/nowhere")
    page.until_text("#page", "/nowhere")
    assert page.all("#nav a[href='/charts']")


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        (
            "symbol=AAPL&start=2024-08-20&end=2024-09-01",
            ["20 Aug", "21", "22", "23", "26", "27", "28", "29", "30"],
        ),
        (
            f"symbol={MINUTES}&interval=1m&start=2023-01-10T15:00Z&end=2023-01-10T15:09Z",
            ["10:00", *(f"10:0{minute}" for minute in range(1, 9))],
        ),
    ],
)
def test_closest_zoom_names_every_bar(page: Page, query: str, labels: list[str]) -> None:
    page.open(f"/charts?{query}")
    page.painted("price-chart", CANDLES)
    page.settle()
    shown = "return [...document.querySelectorAll('#price-chart .xtick')].map(e => e.textContent)"
    page.until(lambda: page.js(shown) == labels, f"{labels}, not {page.js(shown)}")


def test_keys_zoom_about_the_newest_bar_and_keep_it_at_the_edge(page: Page) -> None:
    page.open("/charts?symbol=AAPL&range=1Y")
    chart_shown(page, "AAPL")
    ends = (
        "const [from, to] = mlt.chart.range(); return [to - from, to - mlt.chart.meta().ts.length]"
    )
    before, room = page.js(ends)
    page.js("document.getElementById('chart-frame').focus()")
    page.press(Keys.CONTROL, Keys.ARROW_UP)
    page.until(lambda: page.js(ends)[0] < before, "a narrower window")
    width, rest = page.js(ends)
    assert rest <= room * width / before + 0.5


@pytest.fixture(scope="module")
def debug_url(market_url: str, run_folder: Path) -> Iterator[str]:
    """The same dashboard with Dash's developer tools, which report what they would not else."""
    with served(market_url, run_folder, DASH_DEBUG="true") as url:
        yield url


@pytest.mark.parametrize("browser_page", ["chromium"], indirect=True)  # the tools are Dash's alone
def test_developer_tools_count_no_error(
    request: pytest.FixtureRequest, browser_page: Page, debug_url: str
) -> None:
    page = browser_page
    page.begin(debug_url)
    visits: dict[str, Callable[[], object]] = {
        "/": lambda: page.until(lambda: rows(page), "the table"),
        "/charts?symbol=AAPL&indicators=sma:20": lambda: chart_shown(page, "AAPL"),
        "/compare?symbols=AAPL,IBM": lambda: page.painted("compare-chart", "path.js-line"),
        "/help": page.settle,
    }
    for path, ready in visits.items():
        page.open(path)
        ready()
        page.css(".dash-debug-menu, .dash-debug-menu__outer")
        page.settle()
        assert page.all(".test-devtools-error-count") == [], path
    assert page.drain() == []
