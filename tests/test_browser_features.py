"""Charts where advanced charts are switched off, as a user meets them in each browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.live_fixtures import served
from tests.page import Page

pytestmark = pytest.mark.browser

CANDLES = ".boxlayer path, .ohlclayer path"
TITLE = "return document.querySelector('#price-chart .js-plotly-plot')?.layout?.meta?.scale"


@pytest.fixture(scope="module")
def live_url(
    market_url: str, run_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    file = tmp_path_factory.mktemp("features") / "development.yml"
    file.write_text("environment: development\nfeatures: {advanced_charts: false}\n")
    with served(market_url, run_folder, MLTRADING_CONFIG=str(file)) as url:
        yield url


def test_plain_candles_are_drawn_and_the_rest_is_said_to_be_left_out(page: Page) -> None:
    page.open("/charts?symbol=AAPL&scale=log&indicators=sma:20")
    page.painted("price-chart", CANDLES)
    page.until_text("#chart-note", "left out: scale, indicators")
    assert page.js(TITLE) == "linear"
    assert page.all("#interval-picker") and page.all("#range-buttons")
    assert not page.all("#chart-type, #scale-picker, #indicator-picker")


def test_keys_of_what_is_not_there_do_nothing_and_the_others_work(page: Page) -> None:
    page.open("/charts?symbol=AAPL&range=1Y")
    page.painted("price-chart", CANDLES)
    page.settle()
    for keys in ((Keys.ALT, "l"), (Keys.ALT, "p"), ("/",), (Keys.ESCAPE,)):
        page.press(*keys)
    page.settle()
    assert page.query == {"symbol": "AAPL", "range": "1Y"}
    page.css("#chart-frame").click()
    page.press(Keys.CONTROL, Keys.ARROW_UP)
    page.until(lambda: "start" in page.query, "a zoom by key")
