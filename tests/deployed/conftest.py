"""Integration tests of a release that runs somewhere: `make test-deployed URL=https://...`.

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

from tests.browser_fixtures import refuse_or_skip
from tests.callback_client import CallbackClient
from tests.deployed.remote import callbacks_of
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
def client(live_url: str) -> CallbackClient:
    return callbacks_of(live_url)


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
