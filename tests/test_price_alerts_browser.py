"""Alerts as a trader meets them, in both browsers: made from a chart, tried on the past, told."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mltrading.adapters.postgres.pool import Database
from mltrading.domain.bars import DAY, Bars
from tests import market_data
from tests.browser_fixtures import visiting
from tests.database_fixtures import clone, database_on, drop
from tests.factories import make_sessions
from tests.live_fixtures import served
from tests.page import Page
from tests.price_alerts_made import Desk
from tests.signed_app import real_now


class Place:
    """A dashboard of its own, and a worker that looks when it is told to."""

    def __init__(self, url: str, database: Database) -> None:
        self.url = url
        self.desk = Desk(database)
        self.desk.clock.moment = real_now()

    def next_close(self, close: float) -> None:
        """The next daily bar of AAPL arrives with that close, and the worker looks."""
        [(newest,)] = self.desk.people.run(
            "SELECT max(ts) FROM bars_1d JOIN symbols ON symbols.id = symbol_id"
            " WHERE code = 'AAPL'"
        )
        ts = np.array([int(newest.timestamp()) * 1_000_000 + DAY])
        made, value = make_sessions(1), np.array([close])
        prices = {"open": value, "high": value, "low": value, "close": value, "adj_close": value}
        self.desk.arrive(Bars(ts, *(getattr(replace(made, **prices), name) for name in REST)))
        self.desk.look()


REST = list(Bars.__slots__)[1:]


@pytest.fixture(scope="module")
def place(server_url: str, template: str, run_folder: Path) -> Iterator[Place]:
    name = f"mlt_alerts_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    database = Database(url)
    with served(url, run_folder, workers=1) as address:
        yield Place(address, database)
    database.close()
    drop(server_url, name)


@pytest.fixture
def desk_page(
    request: pytest.FixtureRequest, browser_page: Page, place: Place
) -> Iterator[tuple[Page, Place]]:
    place.desk.people.run("DELETE FROM price_alerts")
    place.desk.people.run("DELETE FROM price_alert_notices")
    with visiting(request, browser_page, place.url) as page:
        yield page, place


CHOOSE = """const line = document.querySelector('#alerts-form [name=line]');
line.value = arguments[0]; line.dispatchEvent(new Event('change', {bubbles: true}))"""


def shown(page: Page, selector: str) -> bool:
    return any(one.is_displayed() for one in page.all(selector))


def test_an_alert_is_made_from_a_chart_tried_on_the_past_and_told(
    desk_page: tuple[Page, Place],
) -> None:
    page, place = desk_page
    page.open("/charts?symbol=AAPL", ready="#new-alert")
    page.click("#new-alert")
    page.until(lambda: page.path == "/alerts", "the page of alerts")
    page.css("#alerts-form input[name=level]")
    assert page.query == {"symbol": "AAPL", "interval": "1d"}
    assert page.js("return document.querySelector('#alerts-form [name=symbol]').value") == "AAPL"
    place.next_close(60.0)
    page.replace("#alerts-form input[name=level]", "61.5")
    page.click("#alerts-form button[type=submit]")
    page.until_text("#alerts-preview", "AAPL 1d: Close crosses above 61.5")
    page.until_text("#alerts-preview", "it would have told you")
    assert page.js("return document.querySelector('#alerts-form [name=level]').value") == "61.5"
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#alerts-table", "Close crosses above 61.5")
    assert not shown(page, "#unread")
    place.next_close(63.0)
    page.js("window.mlt.askNotices()")
    page.until_text("#alerts-notices", "AAPL 1d: Close crosses above 61.5")
    page.until(lambda: page.text("#unread-count") == "1", "the mark of one unread notice")
    assert shown(page, "#unread") and "Notices, 1 unread" in page.text("#alerts-notices")
    page.click("#alerts-notices button")
    page.until(lambda: not shown(page, "#unread"), "the mark to go")
    assert "unread" not in page.text("#alerts-notices")


def test_the_mark_is_on_every_page_and_leads_to_the_notices(desk_page: tuple[Page, Place]) -> None:
    page, place = desk_page
    page.open("/alerts", ready="#alerts-form input[name=level]")
    page.replace("#alerts-form input[name=symbol]", "aapl")
    page.replace("#alerts-form input[name=level]", "70")
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#alerts-table", "crosses above 70")
    place.next_close(69.0)
    place.next_close(71.0)
    page.open("/help")
    page.click("#unread")
    page.until_text("#alerts-notices", "crosses above 70")


def test_an_alert_is_changed_switched_off_and_deleted(desk_page: tuple[Page, Place]) -> None:
    page, _ = desk_page
    page.open("/alerts?symbol=IBM&kind=indicator", ready="#alerts-form [name=line]")
    page.js(CHOOSE, "macd.signal")
    assert len([one for one in page.all("#alerts-form [name^=line_]") if one.is_displayed()]) == 3
    page.js(CHOOSE, "rsi")
    page.replace("#alerts-form fieldset:not([hidden]) > label > input[name=line_1]", "14")
    page.replace("#alerts-form input[name=against]", "30")
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#alerts-table", "RSI 14 crosses above 30")
    page.settle()
    page.click("#alerts-table a.button")
    page.until_text("#alerts-head", "Change an alert")
    page.replace("#alerts-form input[name=against]", "25")
    page.click("#alerts-form button[data-do=change]")
    page.until_text("#alerts-table", "RSI 14 crosses above 25")
    page.until(lambda: page.path == "/alerts" and page.query == {}, "the form for a new one")
    page.settle()  # else the table is drawn anew under the click
    page.click("#alerts-table button[data-act*=switch]")
    page.until_text("#alerts-table .state", "off")
    page.settle()
    page.click("#alerts-table button[data-act*=delete]")
    page.click(".confirm-yes")
    page.until_text("#alerts-list", "None yet")


def test_what_is_wrong_is_said_and_nothing_typed_is_lost(desk_page: tuple[Page, Place]) -> None:
    page, _ = desk_page
    page.open("/alerts?symbol=AAPK", ready="#alerts-form input[name=level]")
    page.replace("#alerts-form input[name=level]", "12,5")
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#toast", "is no number")
    page.replace("#alerts-form input[name=level]", "12.5")
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#toast", "nearest known: 'AAPL'")
    page.settle()
    assert page.js("return document.querySelector('#alerts-form [name=symbol]').value") == "AAPK"
    page.replace("#alerts-form input[name=symbol]", "AAPL")
    page.click("#alerts-form button[type=submit]")
    page.until_text("#alerts-preview", "it would have told you")
    page.until(lambda: page.text("#toast") == "", "the error to go")


def test_it_fits_a_phone(desk_page: tuple[Page, Place]) -> None:
    page, place = desk_page
    page.resize(390, 844)
    page.open("/alerts?symbol=AAPL&kind=indicator", ready="#alerts-form [name=line]")
    page.replace("#alerts-form input[name=against]", "30")
    page.click("#alerts-form button[data-do=add]")
    page.until_text("#alerts-table", "RSI 14 crosses above 30")
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.js(wide) <= 0
    for button in page.all("#alerts-table button"):
        box = button.rect
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
