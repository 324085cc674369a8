"""Integration tests of a release that runs somewhere: `make test-deployed URL=https://...`, with
SMOKE_EMAIL and SMOKE_PASSWORD where users sign in.

They know nothing of its data but that there is some. Without an address they do not take part in a
run, and asked for by name they say what is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from delivery.smoke_login import Account, account_of
from delivery.smoke_visit import Visit, Wrong
from delivery.visit import Unreached
from tests.browser_fixtures import refuse_or_skip, visiting
from tests.callback_client import CallbackClient
from tests.deployed.remote import callbacks_of, entered
from tests.page import Page
from tools.browsers import BROWSERS, missing, start

URL = os.environ.get("MLTRADING_TEST_URL", "")
HERE = Path(__file__).parent
FEWEST_SYMBOLS = 2  # to switch between


def pytest_configure(config: pytest.Config) -> None:
    """UsageError where somebody asked for these tests and named no release."""
    asked = [config.invocation_params.dir / word.partition("::")[0] for word in config.args]
    if not URL and any(path.resolve().is_relative_to(HERE) for path in asked):
        raise pytest.UsageError("which release? run: make test-deployed URL=https://...")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Not part of a run without an address."""
    return None if URL else True


@pytest.fixture(scope="session")
def live_url() -> str:
    """The address of the release under test."""
    return URL.rstrip("/")


@pytest.fixture(scope="session", params=BROWSERS)
def browser_page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """One browser for the session, which may reach the release and nothing else."""
    reason = missing(request.param)
    if reason:
        refuse_or_skip(reason)
    with start(request.param, site=urlsplit(URL).hostname) as browser:
        yield Page(browser, request.param)


@pytest.fixture(scope="session")
def account() -> Account | None:
    """Whom the tests sign in as, once for all of them: attempts are counted."""
    return account_of(os.environ)


@pytest.fixture(scope="session")
def visit(live_url: str, account: Account | None) -> Visit:
    """A visit to the release by somebody who signed in, where one has to."""
    try:
        return entered(live_url, account)
    except (Wrong, Unreached) as error:
        pytest.fail(f"{URL}: {error}", pytrace=False)


@pytest.fixture
def stranger(request: pytest.FixtureRequest, browser_page: Page, live_url: str) -> Iterator[Page]:
    """A browser without a session on the release. Any console error fails the test."""
    with visiting(request, browser_page, live_url) as page:
        yield page


@pytest.fixture
def page(stranger: Page, visit: Visit) -> Page:
    """A browser that has the session of the visit."""
    for name, cookie in visit.visitor.cookies.items():
        stranger.driver.add_cookie(
            {"name": name, "value": cookie.value, "path": "/", "secure": bool(cookie["secure"])}
        )
    return stranger


@pytest.fixture(scope="session")
def client(visit: Visit) -> CallbackClient:
    return callbacks_of(visit)


@pytest.fixture(scope="session")
def symbols(client: CallbackClient) -> list[str]:
    """Symbols with bars, those with the greatest volume first."""
    address = {"path": "/", "search": "?sort=volume&order=desc", "n": 1}
    shown = client.fire("overview-drawn.data", "address.data", **{"address.data": address})
    links = re.findall(r"/charts\?symbol=([^'\"&]+)", str(shown["overview-drawn.data"]))
    codes = [unquote(link) for link in dict.fromkeys(links)]
    if len(codes) < FEWEST_SYMBOLS:
        pytest.fail(
            f"{URL} holds {len(codes)} symbols; these tests need {FEWEST_SYMBOLS}"
            " (mltrading sample --simulated fills a database)",
            pytrace=False,
        )
    return codes
