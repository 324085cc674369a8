"""What the delivery tests share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests import market_data
from tests.database_fixtures import clone, database_on, drop
from tests.test_delivery.github_fake import GitHub, serving
from tests.test_delivery.releases import COMMIT, Release
from tests.test_delivery.smoke_stage import deploy

SESSIONS_OF_MINUTES = 5


@pytest.fixture(scope="session")
def small_market_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a database with the market of `market_data`, of minutes five sessions only."""
    name = f"mlt_small_market_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    market_data.load(database_on(server_url, name), SESSIONS_OF_MINUTES)
    yield database_on(server_url, name)
    drop(server_url, name)


@pytest.fixture
def hub() -> Iterator[GitHub]:
    """A GitHub on 127.0.0.1; the test fails where we or it left GitHub's own description."""
    with serving(GitHub()) as running:
        yield running
    assert running.problems == []


@pytest.fixture(scope="module")
def deployed(
    small_market_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Release, str]]:
    yield from deploy(small_market_url, tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def release(deployed: tuple[Release, str]) -> Iterator[Release]:
    """The release without a fault; a test may give it one."""
    release, _ = deployed
    yield release
    release.fault, release.commit = None, COMMIT
    release.hosts.clear()


@pytest.fixture
def address(deployed: tuple[Release, str]) -> str:
    return deployed[1]
