"""Signing in, and what a page does when the server refuses a callback, in both browsers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.utils.clock import SystemClock
from tests import market_data
from tests.browser_fixtures import visiting
from tests.database_fixtures import clone, database_on
from tests.identities import PASSWORD, People
from tests.live_fixtures import served
from tests.looks import assert_accessible, assert_fits, other_theme
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from tests.page import Page
from tests.postgres_server import Server
from tests.visitors import SIGN_IN, STRICT

pytestmark = [pytest.mark.browser, pytest.mark.flow]

ATTEMPTS = 4
CHART = "/charts?symbol=AAPL&range=1Y"
BACK_SECONDS = 5.0


class Place:
    """A dashboard that people sign in to, its database, and the provider that it believes."""

    def __init__(self, url: str, people: People, provider: Provider) -> None:
        self.url = url
        self.people = people
        self.provider = provider
        self._added = 0

    def add(self, role: str = "analyst") -> str:
        """A new user of that role; no other test spends her attempts."""
        self._added += 1
        return self.people.add(f"user{self._added}", role)


@pytest.fixture(scope="module")
def place(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("signed-in")
    name = f"mlt_signed_in_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    (folder / "development.yml").write_text(STRICT)
    limits = {"MLTRADING_LIMIT_ACCOUNT": f"{ATTEMPTS}/3600", "MLTRADING_LIMIT_ADDRESS": "1000/60"}
    more = {**SIGN_IN, **limits, "MLTRADING_CONFIG": str(folder)}
    # Another address than the dashboard's: to a browser that is another site, as it is outside.
    with closing(Database(url, 1)) as database, running_provider("127.0.0.2") as provider:
        more |= {"OIDC_ISSUER": provider.address}
        more |= {"OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
        with served(url, folder, **more) as address:
            provider.redirect_uri = f"{address}/openid/back"
            yield Place(address, People(database), provider)


@pytest.fixture
def page(request: pytest.FixtureRequest, browser_page: Page, place: Place) -> Iterator[Page]:
    with visiting(request, browser_page, place.url) as page:
        yield page


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form that is on the screen, and send it."""
    page.replace("#login-email", f"{name}@example.com")
    page.replace("#login-password", password)
    page.click("#login-submit")


def open_signed_in(page: Page, people: People, name: str, path: str = CHART) -> None:
    """With a session from elsewhere: the form has tests of its own."""
    page.driver.add_cookie({"name": "session", "value": people.sign_in(name).token})
    page.open(path)


def chart_shown(page: Page) -> None:
    page.until_text("#chart-head .chart-code", "AAPL")
    page.painted("price-chart", ".boxlayer path")
    page.settle()


def press_range(page: Page, name: str) -> None:
    page.click(f"#range-buttons button[data-patch*='\"{name}\"']")


# -- signing in -----------------------------------------------------------------------------------


def test_a_visitor_signs_in_and_is_where_she_wanted_to_be(page: Page, place: Place) -> None:
    name = place.add()
    page.driver.get(page.server + CHART)
    assert page.path == "/login"
    sign_in(page, name, "not the password")
    page.until_text("[role=alert]", "E-mail address or password is not right.")
    assert page.css("#login-email").get_attribute("value") == f"{name}@example.com"
    sign_in(page, name)
    page.css("#nav")
    assert (page.path, page.query) == ("/charts", {"symbol": "AAPL", "range": "1Y"})
    chart_shown(page)
    assert page.all("#no-sign-in") == []


def test_a_provider_signs_in_and_leads_back_to_where_she_wanted_to_be(
    page: Page, place: Place
) -> None:
    name = place.add()
    place.provider.person = {"sub": name, "email": f"{name}@example.com", "email_verified": True}
    page.driver.get(page.server + CHART)
    assert page.css("#login-openid").text == "Sign in with 127.0.0.2"
    page.click("#login-openid")
    chart_shown(page)
    assert (page.path, page.query) == ("/charts", {"symbol": "AAPL", "range": "1Y"})
    [(road,)] = place.people.run(
        "SELECT details::json ->> 'road' FROM audit WHERE actor = %s AND action = 'session.begin'",
        (name,),
    )
    assert road == "openid" and "/authorize" in place.provider.asked


def test_whom_a_provider_sends_without_an_account_is_told_and_may_use_a_password(
    page: Page, place: Place
) -> None:
    name = place.add()
    nobody = {"sub": "nobody", "email": "nobody@example.com", "email_verified": True}
    place.provider.person = nobody
    page.driver.get(page.server + CHART)
    page.click("#login-openid")
    page.until_text("[role=alert]", "You have no account here; ask an administrator")
    assert page.all("#nav") == []
    sign_in(page, name)
    chart_shown(page)
    assert (page.path, page.query) == ("/charts", {"symbol": "AAPL", "range": "1Y"})


def test_a_lock_out_says_when_to_try_again(page: Page, place: Place) -> None:
    name = place.add()
    page.driver.get(page.server + "/login")
    for attempt in range(ATTEMPTS):
        sign_in(page, name, f"guess number {attempt}")
        page.until_text("[role=alert]", "not right")
        page.js("document.querySelector('[role=alert]').remove()")
    sign_in(page, name)
    page.until_text("[role=alert]", "Too many attempts to sign in; try again in 60 minutes.")


def test_the_keyboard_alone_signs_in(page: Page, place: Place) -> None:
    name = place.add()
    page.driver.get(page.server + "/login")
    page.css("#login-email")
    assert page.js("return document.activeElement.id") == "login-email"
    keys = f"{name}@example.com", Keys.TAB, PASSWORD, Keys.ENTER
    ActionChains(page.driver).send_keys(*keys).perform()
    page.css("#overview-table")


@pytest.mark.flow(False)
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/login", "/password/" + "x" * 43])
def test_axe_finds_nothing_serious_before_signing_in(page: Page, path: str, theme: str) -> None:
    page.js("document.cookie = `theme=${arguments[0]}; Path=/`", theme)
    page.driver.get(page.server + path)
    page.css("h1")
    assert page.js("return document.documentElement.dataset.theme") == theme
    assert_accessible(page)
    page.resize(360, 640)
    assert_fits(page)


# -- refused in the middle of work ----------------------------------------------------------------


def test_a_session_that_ended_is_said_and_leads_back_to_the_same_view(
    page: Page, place: Place
) -> None:
    name = place.add()
    open_signed_in(page, place.people, name)
    chart_shown(page)
    place.people.run("UPDATE sessions SET seen_at = now() - interval '31 minutes'")
    press_range(page, "3M")
    page.until_text("#toast", "Your session has ended.")
    page.painted("price-chart", ".boxlayer path")  # it stays
    page.click("#toast a.button")
    page.css("#login-email")
    sign_in(page, name)
    chart_shown(page)
    assert (page.path, page.query) == ("/charts", {"symbol": "AAPL", "range": "3M"})
    pressed = page.css("#range-buttons [aria-pressed=true]")
    assert pressed.text == "3M"


def test_a_page_opened_after_the_session_ended_asks_to_sign_in(page: Page, place: Place) -> None:
    name = place.add()
    open_signed_in(page, place.people, name)
    chart_shown(page)
    place.people.run("DELETE FROM sessions")
    page.driver.refresh()
    page.css("#login-email")
    sign_in(page, name)
    chart_shown(page)


def test_too_many_requests_are_said_with_when_to_try_again(page: Page, place: Place) -> None:
    open_signed_in(page, place.people, place.add())
    chart_shown(page)
    place.people.run(
        "UPDATE rate_limits SET taken = 1000, ends_at = now() + interval '50 s'"
        " WHERE key LIKE 'user:%%'"
    )
    press_range(page, "3M")
    page.until_text("#toast", "Too many requests; try again in ")
    place.people.run("UPDATE rate_limits SET ends_at = now()")
    press_range(page, "6M")
    page.until(lambda: page.query.get("range") == "6M", "the address")
    chart_shown(page)


def test_a_missing_right_is_said(page: Page, place: Place) -> None:
    name = place.add()
    open_signed_in(page, place.people, name)
    chart_shown(page)
    place.people.run("UPDATE users SET role = 'admin' WHERE subject = %s", (name,))
    press_range(page, "3M")
    page.until_text("#toast", "This needs the right can_view_shared_data")


def test_a_token_that_was_lost_is_said_and_a_reload_brings_another(
    page: Page, place: Place
) -> None:
    open_signed_in(page, place.people, place.add())
    chart_shown(page)
    page.js("document.cookie = 'csrf=; Path=/; Max-Age=0'")
    press_range(page, "3M")
    page.until_text("#toast", "Reload the page and try again")
    page.settle()
    page.driver.refresh()
    chart_shown(page)
    press_range(page, "6M")
    chart_shown(page)
    assert page.text("#toast") == ""


def test_a_request_that_is_too_large_is_said(page: Page, place: Place) -> None:
    open_signed_in(page, place.people, place.add())
    chart_shown(page)
    page.js("mlt.set('search-text', {data: {text: 'x'.repeat(2_000_000), n: 1}})")
    page.until_text("#toast", "The request is too large: 1 MiB is the most.")


def test_a_frame_that_may_not_be_fetched_any_more_asks_to_sign_in(page: Page, place: Place) -> None:
    """The session ended between the document and what Dash fetches for it."""
    open_signed_in(page, place.people, place.add())
    chart_shown(page)
    place.people.run("DELETE FROM sessions")
    page.js("fetch('/_dash-layout')")
    page.css("#login-email")
    assert page.query == {"next": "/charts?symbol=AAPL&range=1Y"}


# -- F10 ------------------------------------------------------------------------------------------


@dataclass
class Shaky:
    """A dashboard whose database stops and starts."""

    url: str
    server: Server
    people: People | None


@pytest.fixture(scope="module")
def stoppable(
    tmp_path_factory: pytest.TempPathFactory, binaries: Path | None
) -> Iterator[tuple[Server, People]]:
    """A server of our own with the market, and those who may sign in to what stands on it."""
    server = Server(tmp_path_factory.mktemp("stoppable") / "home", binaries)
    upgrade(server.url)
    market_data.load(server.url, minutes_of=0)
    with closing(Database(server.url, 1)) as database:
        people = People(database)
        people.add("vera", "analyst")
        yield server, people
    server.stop()


@pytest.fixture(scope="module", params=[True, False], ids=["signed in", "nobody signs in"])
def shaky(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    stoppable: tuple[Server, People],
) -> Iterator[Shaky]:
    server, people = stoppable
    if not server.runs:
        server.start()
    signed_in: bool = request.param
    folder = tmp_path_factory.mktemp("shaky")
    with served(server.url, folder, **(SIGN_IN if signed_in else {})) as url:
        yield Shaky(url, server, people if signed_in else None)


@pytest.fixture
def outage(
    request: pytest.FixtureRequest, browser_page: Page, shaky: Shaky
) -> Iterator[tuple[Page, Server]]:
    """A page on Charts, and the database behind it."""
    if not shaky.server.runs:  # a test failed half way
        shaky.server.start()
    with visiting(request, browser_page, shaky.url) as page:
        if shaky.people:
            open_signed_in(page, shaky.people, "vera")
        else:
            page.open(CHART)
        chart_shown(page)
        yield page, shaky.server


def test_f10_the_page_outlives_the_database_and_works_again(outage: tuple[Page, Server]) -> None:
    page, server = outage
    server.stop()
    press_range(page, "3M")
    page.until_text("#toast", "The database does not answer. Your view is kept; retrying.")
    page.until_text("#banner", "The database does not answer.")
    page.painted("price-chart", ".boxlayer path")
    server.start()
    began = time.monotonic()
    page.until(lambda: page.text("#banner") == "", "the page to come back", BACK_SECONDS + 30)
    assert time.monotonic() - began < BACK_SECONDS
    page.until_text("#toast", "The database answers again")
    page.until(lambda: page.query.get("range") == "3M", "the view that was asked for")
    chart_shown(page)
    assert page.css("#range-buttons [aria-pressed=true]").text == "3M"


def test_a_page_that_is_loaded_during_an_outage_comes_by_itself(
    outage: tuple[Page, Server],
) -> None:
    page, server = outage
    server.stop()
    page.driver.refresh()
    page.until(lambda: "does not answer" in page.text("body"), "the outage to be said")
    server.start()
    chart_shown(page)


# -- accounts and administration ------------------------------------------------------------------


def test_an_administrator_sets_up_a_second_factor_and_makes_an_analyst_who_signs_in(
    page: Page, place: Place
) -> None:
    newcomer = f"new-of-{page.name}@example.com"
    open_signed_in(page, place.people, place.add("admin"))
    assert page.path == "/account"
    page.click("#account-second-factor button")
    secret = page.css("#totp-secret").text.replace(" ", "")
    page.type("[name=code]", pyotp.TOTP(secret).now())
    page.click("#account-second-factor button[type=submit]")
    page.css("#overview-table .code")  # the rest of the pages is open from here on
    for tab in ("symbols", "features", "audit", "users"):
        page.open(f"/admin?tab={tab}", ready="#admin-part h2")
    page.type("[name=email]", newcomer)
    page.js("document.querySelector('[name=role]').value = 'analyst'")
    page.click("#admin-part form button")
    link = page.css("#one-time-link").text
    page.click("#user-menu summary")
    page.click("#sign-out")
    page.until_text(".said", "You are signed out.")
    page.driver.get(link)
    for field in page.all("input[type=password]"):
        field.send_keys(PASSWORD)
    page.click("button[type=submit]")
    page.replace("#login-email", newcomer)
    page.replace("#login-password", PASSWORD)
    page.click("#login-submit")
    page.css("#overview-table .code")
    assert page.all("#nav a[href='/admin']") == []
    assert page.css("#overview-csv").get_dom_attribute("href").startswith("/export/overview.csv")


@pytest.mark.flow(False)
def test_axe_finds_nothing_serious_in_account_and_administration_and_nothing_scrolls_sideways(
    page: Page, place: Place
) -> None:
    name = place.add("admin")
    place.people.clock.moment = SystemClock().now()
    secret = place.people.enrol(name)
    session = place.people.sign_in(name, code=place.people.code(secret))
    place.people.add(f"a.rather.long.name.that.nobody.has.{name}", "viewer", None)
    page.driver.add_cookie({"name": "session", "value": session.token})
    parts = [f"/admin{query}" for query in ("", f"?user={name}", "?tab=symbols", "?tab=features")]
    for path in ("/account", *parts, "/admin?tab=audit"):
        page.open(path, ready="#account-data h2, #admin-part h2")
        assert_fits(page)
        assert_accessible(page)
        other_theme(page)
        assert_accessible(page)
        for size in ((768, 1024), (390, 844)):
            page.resize(*size)
            assert_fits(page)
        assert_accessible(page)
        cut = "return [...document.querySelectorAll('.table-wrap')].filter(e => e.scrollWidth >"
        assert page.js(f"{cut} e.clientWidth).map(e => e.innerText)") == [], f"cut: {path} {size}"


def test_a_code_is_asked_for_where_there_is_a_second_factor(page: Page, place: Place) -> None:
    name = place.add()
    place.people.clock.moment = SystemClock().now()
    secret = place.people.enrol(name)
    page.driver.get(page.server + CHART)
    sign_in(page, name)
    page.until_text("[role=alert]", "six digits")
    page.type("#login-code", place.people.code(secret))
    page.replace("#login-password", PASSWORD)
    page.click("#login-submit")
    chart_shown(page)


def test_a_viewer_sees_what_is_shared_and_takes_nothing_along(page: Page, place: Place) -> None:
    place.people.run(
        "INSERT INTO shared_symbols (symbol_id) SELECT id FROM symbols WHERE code = 'AAPL'"
        " ON CONFLICT DO NOTHING"
    )
    open_signed_in(page, place.people, place.add("viewer"))
    chart_shown(page)
    page.open("/")
    page.until(lambda: len(page.all("#overview-table tbody tr")) == 1, "the one shared symbol")
    assert page.all("#overview-csv[href]") == page.all("#nav a[href='/admin']") == []
