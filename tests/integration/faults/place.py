"""The dashboard with everything real, and every hold on it that a fault needs: a PostgreSQL of its
own behind a TCP proxy, gunicorn as it is deployed, people who are signed in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import requests

from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from tests import market_data
from tests.database_fixtures import execute
from tests.fault_proxy import Proxy, proxied, to_socket
from tests.gunicorn_server import Gunicorn, gunicorn
from tests.identities import People
from tests.postgres_server import Server
from tests.visitors import SIGN_IN, LiveVisitor
from tests.waiting import wait_until

FIND = {
    "output": "search-found.data",
    "outputs": {"id": "search-found", "property": "data"},
    "inputs": [{"id": "search-enter", "property": "data", "value": {"text": "AAPL", "n": 1}}],
    "state": [],
    "changedPropIds": ["search-enter.data"],
}
"""A callback that reads."""

UNLIMITED = {
    "MLTRADING_LIMIT_CALLBACK": "999999/60",
    "MLTRADING_LIMIT_ADDRESS": "999999/60",
    "MLTRADING_LIMIT_ACCOUNT": "999999/60",
}

WAITING = """SELECT pid FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND application_name = 'mltrading'"""


class Place:
    """`direct` is the database's address without the proxy, `url` the one that the program has."""

    def __init__(self, server: Server, proxy: Proxy, app: Gunicorn) -> None:
        self.server = server
        self.proxy = proxy
        self.app = app
        self.direct = server.url
        self.url = proxied_url(proxy)

    def visitor(self, name: str = "vera") -> LiveVisitor:
        """Somebody of that name, signed in."""
        found = LiveVisitor(f"http://127.0.0.1:{self.app.port}")
        assert found.sign_in(name).status_code == 303
        return found

    def twin(self, visitor: LiveVisitor) -> LiveVisitor:
        """The same browser, for a thread of its own."""
        found = LiveVisitor(visitor.url)
        found.cookies.update(visitor.cookies)
        return found

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return execute(self.direct, statement)

    def waiting(self) -> set[int]:
        """The backends of the program that wait for a lock."""
        return {int(str(pid)) for pid, in self.sql(WAITING)}

    @contextmanager
    def locked(self, what: str) -> Iterator[Callable[[], None]]:
        """A lock ("symbols IN ACCESS EXCLUSIVE MODE") until the block ends, or what it is given is
        called: whoever needs the table waits."""
        with closing(psycopg2.connect(self.direct)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {what}")
            yield connection.rollback

    @contextmanager
    def asking(
        self, visitor: LiveVisitor, times: int = 1
    ) -> Iterator[Callable[[], Future[requests.Response]]]:
        """Begins a read in a thread; there is room for so many."""
        with ThreadPoolExecutor(times) as threads:
            yield lambda: threads.submit(find, self.twin(visitor))

    def health(self) -> tuple[int, float]:
        """What /health answers, and in how many seconds."""
        started = time.monotonic()
        status, _, _ = self.app.ask("/health")
        return status, time.monotonic() - started

    def well(self, visitor: LiveVisitor) -> bool:
        """Whether it is healthy and answers."""
        return self.health()[0] == 200 and find(visitor).status_code == 200

    def until_well(self, visitor: LiveVisitor, since: float) -> float:
        """The seconds from `since` until it is."""
        wait_until(lambda: self.well(visitor), "it is well again")
        return time.monotonic() - since


def find(visitor: LiveVisitor) -> requests.Response:
    return visitor.fire(FIND)


def sign_out(visitor: LiveVisitor) -> requests.Response:
    """A change: the session ends."""
    return visitor.ask("POST", "/logout", data={"csrf_token": visitor.cookies["csrf"]})


def proxied_url(proxy: Proxy) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"


def socket_of(url: str) -> str:
    """The socket of an embedded server."""
    [folder] = parse_qs(urlsplit(url).query)["host"]
    return f"{folder}/.s.PGSQL.5432"


@contextmanager
def placed(folder: Path, binaries: Path | None, **environment: str) -> Iterator[Place]:
    with ExitStack() as opened:
        server = Server(folder / "pg", binaries)
        opened.callback(server.stop)
        upgrade(server.url)
        market_data.load(server.url, minutes_of=0)
        with closing(Database(server.url, 1)) as database:
            people = People(database)
            people.add("vera", "analyst")
            for name in ("walt", "rita", "zoe"):
                people.add(name, "viewer")
        proxy = opened.enter_context(proxied(to_socket(socket_of(server.url))))
        app = opened.enter_context(
            gunicorn(folder, proxied_url(proxy), **{**SIGN_IN, **UNLIMITED, **environment})
        )
        yield Place(server, proxy, app)


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`mltrading` with nothing of this machine's settings but what is given."""
    kept = {name: value for name, value in os.environ.items() if not _ours(name)}
    return subprocess.run(
        [sys.executable, "-m", "mltrading", *words],
        env={**kept, "MLTRADING_HOME": str(folder / "home"), **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _ours(name: str) -> bool:
    return name in ("DATABASE_URL", "ENVIRONMENT", "HOST", "PORT") or name.startswith("MLTRADING_")
