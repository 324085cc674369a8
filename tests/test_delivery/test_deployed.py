"""The integration tests of a running release: they pass on a good one, and each can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.page
from mltrading.app import create_app
from mltrading.settings import load_settings
from tests.callback_client import CallbackClient
from tests.database_fixtures import execute
from tests.deployed import test_callbacks as callbacks
from tests.deployed import test_screen as screen
from tests.deployed.remote import callbacks_of, entered
from tests.factories import SECRET_KEY
from tests.live_fixtures import served
from tests.page import Page
from tests.test_delivery.releases import Fault, Release, Sent, listening, said
from tests.test_delivery.signing import PASSWORD, make_account
from tests.waiting import wait_until

EMAIL = "integration@example.com"  # of its own: attempts are counted by account
SYMBOLS = ["AAPL", "IBM"]  # of market_data
CALLBACKS = "/_dash-update-component"
ROOT = Path(__file__).parents[2]
SHORT_SECONDS = 4.0  # enough for a page that comes; a broken one need not be waited for longer


def suite(*words: str, url: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest of its own, as `make test-deployed` does it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env={**ours, "MLTRADING_TEST_URL": url, **more},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def live_url(small_market_url: str, run_folder: Path) -> Iterator[str]:
    """Gunicorn with two processes, as it is deployed."""
    with served(small_market_url, run_folder) as url:
        yield url


@pytest.fixture(scope="module")
def closed_url(small_market_url: str, run_folder: Path) -> Iterator[str]:
    """The same where users sign in."""
    make_account(small_market_url, EMAIL)
    variables = {"MLTRADING_AUTH": "on", "SECRET_KEY": SECRET_KEY}
    with served(small_market_url, run_folder, **variables) as url:
        yield url


@pytest.mark.browser
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_the_suite_passes_on_a_good_release(live_url: str, browser: str) -> None:
    run = suite("tests/deployed/test_screen.py", "-k", browser, url=live_url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout


def test_its_callbacks_pass_on_a_good_release(live_url: str) -> None:
    run = suite("tests/deployed/test_callbacks.py", url=live_url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "8 passed" in run.stdout


@pytest.mark.browser
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_the_suite_signs_in_where_one_has_to(
    closed_url: str, small_market_url: str, browser: str
) -> None:
    begun = "SELECT count(*) FROM audit WHERE action = 'session.begin'"
    before = execute(small_market_url, begun)[0][0]
    who = {"SMOKE_EMAIL": EMAIL, "SMOKE_PASSWORD": PASSWORD}
    run = suite("tests/deployed", "-k", f"{browser} or test_callbacks", url=closed_url, **who)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "14 passed" in run.stdout
    # For all tests, and in the browser by hand: attempts are counted.
    assert execute(small_market_url, begun) == [(before + 2,)]
    assert PASSWORD not in run.stdout + run.stderr


def test_without_an_account_the_suite_says_what_is_missing(closed_url: str) -> None:
    run = suite("tests/deployed/test_callbacks.py", url=closed_url, SMOKE_EMAIL="")
    assert run.returncode == 1
    assert "expected SMOKE_EMAIL and SMOKE_PASSWORD to be set" in run.stdout


def test_asked_for_without_an_address_it_says_what_to_run() -> None:
    run = suite("tests/deployed")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "which release? run: make test-deployed URL=https://..." in run.stderr


@pytest.mark.parametrize(("url", "part"), [("", False), ("http://127.0.0.1:1", True)])
def test_it_takes_part_in_a_run_where_an_address_is_given(url: str, part: bool) -> None:
    others = ("--ignore-glob=tests/test_*", "--ignore=tests/integration")
    run = suite("--collect-only", "tests", *others, url=url)
    assert ("tests/deployed/test_screen.py" in run.stdout) is part, run.stdout + run.stderr
    assert run.returncode == (pytest.ExitCode.OK if part else pytest.ExitCode.NO_TESTS_COLLECTED)


@pytest.fixture(scope="module")
def application(small_market_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLTRADING_HOME", str(tmp_path_factory.mktemp("deployed")))
        return create_app(load_settings(), small_market_url).server


@pytest.fixture
def release(application: Any) -> Release:
    return Release(application)


@pytest.fixture
def address(release: Release) -> Iterator[str]:
    """A port of its own for each test: browsers keep what they fetched from another."""
    with listening(release) as address:
        yield address


def answering(key: str, change: Callable[[Any], None]) -> Fault:
    """The answer of the callback with that output's component, altered."""

    def break_it(path: str, sent: Sent) -> Sent:
        if path != CALLBACKS or sent.status != 200:
            return sent
        body = sent.json()
        if key not in body["response"]:
            return sent
        change(body["response"][key])
        return said(sent, body)

    return break_it


def candles(figure: Any) -> Any:
    return next(trace for trace in figure["data"] if trace["type"] == "candlestick")


def in_chart(change: Callable[[Any], None]) -> Fault:
    return answering("chart-answer", lambda answer: change(answer["data"]["figure"]))


def low_above_high(figure: Any) -> None:
    if figure["data"]:
        bars = candles(figure)
        bars["low"], bars["high"] = bars["high"], bars["low"]


def times_fall(figure: Any) -> None:
    for run in figure["layout"]["meta"]["ts"]["runs"]:
        run[0] = -run[0]


def stale_number(answer: Any) -> None:
    answer["data"]["n"] = 2


def indicators_gone(figure: Any) -> None:
    figure["data"] = [trace for trace in figure["data"] if not trace["name"].startswith("EMA")]


def one_line(answer: Any) -> None:
    answer["figure"]["data"] = answer["figure"]["data"][:1]


def another_found(answer: Any) -> None:
    answer["data"]["code"] = "OTHER"


def some_chart(figure: Any) -> None:
    figure["data"] = figure["data"] or [{"type": "candlestick", "close": [1]}]


def failing(path: str, sent: Sent) -> Sent:
    return said(sent, "Internal Server Error", 500) if sent.status == 400 else sent


CALLBACK_FAULTS: dict[str, Fault] = {
    "test_a_chart_holds_bars_that_can_be": in_chart(low_above_high),
    "test_an_answer_names_the_question": answering("chart-answer", stale_number),
    "test_an_indicator_is_drawn": in_chart(indicators_gone),
    "test_two_symbols_are_compared": answering("compare-chart", one_line),
    "test_the_search_finds_a_symbol": answering("search-found", another_found),
    "test_an_unknown_symbol_is_said_and_no_other_is_shown": in_chart(some_chart),
    "test_a_request_of_no_browser_is_refused_in_a_line": failing,
}


def run_check(module: Any, name: str, **available: Any) -> None:
    """One test of the suite, here, with what it asks for."""
    test = getattr(module, name)
    wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
    test(**{argument: available[argument] for argument in wanted})


def check_callbacks(address: str, name: str) -> None:
    client: CallbackClient = callbacks_of(entered(address, None))
    run_check(callbacks, name, client=client, symbols=SYMBOLS)


@pytest.mark.parametrize("name", CALLBACK_FAULTS)
def test_a_fault_of_the_server_is_caught(release: Release, address: str, name: str) -> None:
    check_callbacks(address, name)
    release.fault = CALLBACK_FAULTS[name]
    with pytest.raises(AssertionError):
        check_callbacks(address, name)


def test_bars_out_of_order_are_caught(release: Release, address: str) -> None:
    release.fault = in_chart(times_fall)
    with pytest.raises(AssertionError):
        check_callbacks(address, "test_a_chart_holds_bars_that_can_be")


def test_every_test_of_callbacks_has_its_fault() -> None:
    names = {name for name in vars(callbacks) if name.startswith("test_")}
    assert names == {*CALLBACK_FAULTS, "test_smoke"}  # smoke_faults.py has those of that one


def script(name: str, text: str) -> Fault:
    """Another text in place of one of our scripts."""
    return lambda path, sent: said(sent, text) if path == f"/assets/js/{name}" else sent


def no_bars(figure: Any) -> None:
    figure["data"] = []


def wrong_symbol(figure: Any) -> None:
    for trace in figure["data"]:
        trace["name"] = "OTHER"


def forgetful(path: str, sent: Sent) -> Sent:
    """A theme that is never kept."""
    if path != "/assets/js/theme.js":
        return sent
    return said(sent, sent.body + b"\nlocalStorage.clear(); document.cookie = 'theme=; max-age=0';")


def without_frame(path: str, sent: Sent) -> Sent:
    return said(sent, "<h1>Not Found</h1>") if path == "/no-such-page" else sent


def no_layout_of_help(path: str, sent: Sent) -> Sent:
    hit = path == CALLBACKS and b"keyboard" in sent.body.lower() and b"page-shown" in sent.body
    return said(sent, "", 204) if hit else sent


SCREEN_FAULTS: dict[str, tuple[str, Fault]] = {
    "no bars": ("test_the_table_leads_to_a_chart_with_candles", in_chart(no_bars)),
    "another symbol's bars": ("test_another_symbol_is_one_search_away", in_chart(wrong_symbol)),
    "a page that stays away": ("test_every_page_of_the_menu_opens", no_layout_of_help),
    "no script paints": (
        "test_the_table_leads_to_a_chart_with_candles",
        script("chart.js", ""),
    ),
    "a theme that is not kept": ("test_the_theme_is_kept", forgetful),
    "a bare 404": ("test_an_unknown_address_says_so_in_the_frame", without_frame),
}


@pytest.fixture
def visit(
    browser_page: Page, address: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Run one test of the suite in the browser, with short patience."""
    monkeypatch.setattr(
        tests.page, "wait_until", lambda c, what, t=15.0: wait_until(c, what, min(t, SHORT_SECONDS))
    )
    browser_page.begin(address)
    yield lambda name: run_check(screen, name, page=browser_page, symbols=SYMBOLS)
    browser_page.driver.get("about:blank")


@pytest.mark.browser
@pytest.mark.parametrize("browser_page", ["chromium"], indirect=True)
@pytest.mark.parametrize(("name", "fault"), SCREEN_FAULTS.values(), ids=SCREEN_FAULTS)
def test_a_fault_on_the_screen_is_caught(
    release: Release, visit: Callable[[str], None], name: str, fault: Fault
) -> None:
    release.fault = fault
    with pytest.raises(AssertionError):
        visit(name)


@pytest.mark.browser
@pytest.mark.parametrize("browser_page", ["chromium"], indirect=True)
def test_an_error_on_the_console_is_caught(
    release: Release, browser_page: Page, visit: Callable[[str], None]
) -> None:
    release.fault = script("help.js", "throw new Error('broken release');")
    visit("test_the_theme_is_kept")
    assert any("broken release" in line for line in browser_page.drain())
