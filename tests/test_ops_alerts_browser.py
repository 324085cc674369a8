"""The operators' page of alerts in both browsers, over a real worker and what it watches."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from mltrading.adapters.postgres.pool import Database
from tests.alert_workers import Receiver, environment, receiving, working
from tests.browser_fixtures import visiting
from tests.database_fixtures import clone, database_on
from tests.identities import PASSWORD, People
from tests.live_fixtures import served
from tests.looks import assert_accessible, assert_fits, other_theme
from tests.page import Page
from tests.signed_app import real_now
from tests.test_delivery.scripted_server import Reply, Script, scripted
from tests.visitors import SIGN_IN, STRICT

pytestmark = pytest.mark.browser

HEALTHY = Reply(200, {"status": "healthy", "checks": {"database": "ok"}})
SICK = Reply(500, {"status": "unhealthy", "error": "database_error"})
FILE = """channels:
  critical: [{slack: "#critical"}]
  warning: [{slack: "#warning"}]
  info: [{slack: "#info"}]
rules:
  AppDown: {severity: critical, when: app_down, resolve_after: 1s, mutes: all}
"""
FIRING = "#ops-alerts-firing"
SILENCES = "#ops-alerts-silences-table"


class Place:
    """A dashboard, a worker that alerts, and the application that it watches."""

    def __init__(self, url: str, people: People, app: Script) -> None:
        self.url = url
        self.people = people
        self.app = app
        self._admins = 0

    def admin(self) -> tuple[str, str]:
        """A new administrator, and a code."""
        self._admins += 1
        name = self.people.add(f"admin{self._admins}", "admin")
        self.people.clock.moment = real_now()
        return name, self.people.code(self.people.enrol(name))


@pytest.fixture(scope="module")
def place(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("ops-alerts")
    name = f"mlt_ops_alerts_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    (folder / "development.yml").write_text(STRICT + "monitoring: {alerts: true}\n")
    with ExitStack() as opened:
        app: Script = opened.enter_context(scripted(HEALTHY))
        slack = opened.enter_context(receiving(Receiver()))
        secret = {"SLACK_WEBHOOK": f"{slack.url}/services/x"}
        env = environment(folder, url, FILE, **secret, MLTRADING_URL=app.url)
        opened.enter_context(working(env, folder / "worker.log"))
        database = opened.enter_context(closing(Database(url, 1)))
        more = {**SIGN_IN, **secret, "MLTRADING_CONFIG": str(folder)}
        address = opened.enter_context(served(url, folder, **more))
        yield Place(address, People(database), app)


@pytest.fixture
def page(request: pytest.FixtureRequest, browser_page: Page, place: Place) -> Iterator[Page]:
    place.app.replies[:] = [HEALTHY]
    with visiting(request, browser_page, place.url) as page:
        sign_in(page, place)
        yield page


def sign_in(page: Page, place: Place) -> None:
    name, code = place.admin()
    page.driver.get(f"{page.server}/ops/alerts")
    page.replace("#login-email", f"{name}@example.com")
    page.replace("#login-password", PASSWORD)
    page.click("#login-submit")
    page.css("#login-code")
    page.type("#login-code", code)
    page.replace("#login-password", PASSWORD)
    page.click("#login-submit")
    page.css("#ops-alerts-rules h2")
    page.js("document.querySelector('[data-refresh]').dataset.every = '0.5'")


def test_an_alert_fires_is_silenced_by_click_and_ends_before_the_eyes_of_an_administrator(
    page: Page, place: Place
) -> None:
    page.until_text(FIRING, "Nothing fires.")
    place.app.replies[:] = [SICK]
    page.until_text(FIRING, "/health answered 500: database_error")
    page.until_text(FIRING, "slack #critical")
    page.click(f"{FIRING} a.button")
    assert page.css("#silence-matchers").get_attribute("value") == "rule=AppDown"
    assert page.js("return document.activeElement.id") == "silence-reason"
    page.type("#silence-reason", "we are moving it")
    page.click("#ops-alerts-form button[type=submit]")
    page.until_text(SILENCES, "we are moving it")
    page.until_text(FIRING, "muted by silence")
    assert (page.query, page.all("#silence-reason")) == ({}, [])
    [*_, (_, outcome, target, _)] = place.people.trail_of("alerts.silence")
    assert outcome == "done"
    page.click(f"{SILENCES} button")
    page.click(".confirm-yes")
    page.until_text(SILENCES, "Nothing is silenced.")
    assert place.people.trail_of("alerts.unsilence")[-1][2] == target
    place.app.replies[:] = [HEALTHY]
    page.until_text(FIRING, "Nothing fires.")
    page.until_text("#ops-alerts-history-table tbody tr", "over")


def test_what_is_typed_and_where_the_page_stands_outlive_the_refresh(
    page: Page, place: Place
) -> None:
    page.resize(1440, 500)
    page.open("/ops/alerts?silence=new", ready="#silence-matchers")
    page.js("document.querySelector('[data-refresh]').dataset.every = '0.2'")
    page.type("#silence-matchers", "rule=Err")
    _ask_twice(page)
    page.driver.switch_to.active_element.send_keys("or*")
    assert page.css("#silence-matchers").get_attribute("value") == "rule=Error*"
    # A browser shows the field that has the focus; without one the page stands where it was put.
    page.js("document.activeElement.blur(); window.scrollTo(0, 300)")
    page.until(lambda: page.js("return window.scrollY") == 300, "the page stands there")
    _ask_twice(page)
    assert page.js("return window.scrollY") == 300


def _ask_twice(page: Page) -> None:
    """Wait until the page has shown itself anew, as of another second, twice."""
    for _ in range(2):
        before = page.text("#ops-alerts-at")
        page.until(
            lambda before=before: page.text("#ops-alerts-at") != before, "the page asks again"
        )


def test_a_page_that_nobody_sees_asks_for_nothing(page: Page, place: Place) -> None:
    hide = "Object.defineProperty(document, 'visibilityState', {get: () => arguments[0]})"
    page.js(hide.replace("arguments[0]", "window.seen") + "; window.seen = 'hidden'")
    page.settle()
    page.js(
        "window.asked = 0; const real = window.fetch;"
        "window.fetch = (...all) => { window.asked += 1; return real(...all); };"
        "window.looks = 0; setInterval(() => { window.looks += 1; }, 250)"
    )
    page.js("document.querySelector('[data-refresh]').dataset.every = '0.1'")
    page.until(lambda: page.js("return window.looks") >= 6, "six times it could have asked")
    assert page.js("return window.asked") == 0
    page.js("window.seen = 'visible'")
    page.until(lambda: page.js("return window.asked") > 0, "it asks again once it is seen")


def test_nothing_overflows_and_axe_finds_nothing_serious(page: Page, place: Place) -> None:
    place.app.replies[:] = [SICK]
    page.until_text(FIRING, "AppDown")
    page.open("/ops/alerts?silence=new", ready="#silence-matchers")
    page.css("#ops-alerts-rules h2")
    for width in (1440, 390):
        page.resize(width, 900)
        for _ in range(2):
            page.settle()
            assert_fits(page)
            assert_accessible(page)
            other_theme(page)
