"""The dashboard as it is served: gunicorn, two processes, on a loaded PostgreSQL."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import market_data
from tests.database_fixtures import clone, database_on

START_SECONDS = 60
METRICS_TOKEN = "t0ken-of-the-monitors"


@pytest.fixture(scope="session")
def market_url(request: pytest.FixtureRequest, run_folder: Path) -> str:
    """The URL of a database with the market of `market_data`, loaded once a run. Read only.

    `MLTRADING_TEST_MARKET` names one that `python -m tests.market_data URL` filled before.
    """
    if given := os.environ.get("MLTRADING_TEST_MARKET"):
        return given
    server_url, template = (request.getfixturevalue(n) for n in ("server_url", "template"))
    record = run_folder / "market"
    with (run_folder / "market.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            name = f"mlt_market_{secrets.token_hex(4)}"
            clone(server_url, template, name)
            market_data.load(database_on(server_url, name))
            record.write_text(name)
    return database_on(server_url, record.read_text())


@pytest.fixture(scope="session")
def live_url(market_url: str, run_folder: Path) -> Iterator[str]:
    """The address of the dashboard over that market."""
    with served(market_url, run_folder) as url:
        yield url


@contextmanager
def served(
    database_url: str, folder: Path, *, workers: int = 2, **environment: str
) -> Iterator[str]:
    """Gunicorn on a free port until the block ends, as a deployment runs it, with these variables;
    its log is shown when a test fails."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    log = folder / f"gunicorn-{port}.log"
    with listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "python:mltrading.cli.gunicorn_conf"]
            + ["--bind", f"fd://{listener.fileno()}", "--workers", str(workers)]
            + ["mltrading.wsgi:server"],
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "METRICS_TOKEN": METRICS_TOKEN,
                "MLTRADING_TIMINGS": "1",  # every load, so that tests meet one
                **environment,
            },
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, log)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(url: str, log: Path) -> None:
    # The socket listens already: the first request waits in it until a worker accepts.
    try:
        urllib.request.urlopen(f"{url}/health/ready", timeout=START_SECONDS).read()
    except OSError as error:
        pytest.fail(f"the dashboard did not start: {error}\n{log.read_text()}", pytrace=False)
