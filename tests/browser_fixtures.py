"""Chromium and Firefox, each once a session and worker, on a real server with a real database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.page import Page
from tools.browsers import BROWSERS, missing, start

FAILURES = Path(__file__).parents[1] / ".cache" / "failures"
_REPORT = pytest.StashKey[pytest.TestReport]()


def refuse_or_skip(reason: str) -> None:
    """A missing browser or database is a failure in CI and a skip on a laptop."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", params=BROWSERS)
def browser_page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """One browser kept for the whole session; `page` hands it out clean."""
    name: str = request.param
    reason = missing(name)
    if reason:
        refuse_or_skip(reason)
    with start(name) as browser:
        yield Page(browser, name)


@pytest.fixture
def page(request: pytest.FixtureRequest, browser_page: Page, live_url: str) -> Iterator[Page]:
    """A fresh visitor on the running dashboard. Any console error fails the test."""
    with visiting(request, browser_page, live_url) as page:
        yield page


@contextmanager
def visiting(request: pytest.FixtureRequest, page: Page, url: str) -> Iterator[Page]:
    """A fresh visitor on the dashboard at `url`; the same for servers of a test's own."""
    page.begin(url)
    yield page
    _keep_picture_of_failure(request, page)
    errors = page.drain()
    assert not errors, f"{page.name} console: {errors}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: they take longest, and no worker should wait for them at the end. Both
    browsers keep both processors busy, so what is no flow has its Firefox in a run of its own."""
    items.sort(key=lambda item: "browser_page" not in getattr(item, "fixturenames", ()))
    for item in items:
        called = getattr(item, "callspec", None)
        if called and called.params.get("browser_page") == "firefox" and not _is_flow(item):
            item.add_marker(pytest.mark.again)


def _is_flow(item: pytest.Item) -> bool:
    named = re.match(r"test_f\d+_", item.name)
    marked = item.get_closest_marker("flow")
    return named is not None or (marked is not None and marked.args != (False,))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Each file on one worker, once a browser: first those in Chromium, then those in Firefox, so
    that each worker changes browsers once, then those without."""
    config.option.loadscopereorder = False
    return _ByBrowser(config, log)


class _ByBrowser(LoadScopeScheduling):
    # xdist's own --dist loadgroup is without effect under pytest >= 9.2: it writes a private
    # attribute that pytest no longer reads. Here the browser is read from the test's name.
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        parameters = nodeid.partition("[")[2].rstrip("]").split("-")
        return next((f"{name} {file}" for name in BROWSERS if name in parameters), file)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


def _keep_picture_of_failure(request: pytest.FixtureRequest, page: Page) -> None:
    report = request.node.stash.get(_REPORT, None)
    if report is not None and report.failed:
        FAILURES.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", request.node.name)
        page.driver.save_screenshot(str(FAILURES / f"{name}.png"))
