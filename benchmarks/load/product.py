"""The product as it is deployed: gunicorn with its production configuration on a real PostgreSQL,
the sample and the simulated exchange in it, and accounts to sign in to."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.server_folder import is_supervised
from tests.gunicorn_server import Gunicorn, gunicorn
from tests.identities import PASSWORD, SECRET_KEY, People
from tests.waiting import wait_until

MEGABYTE = 1_000_000
CONFIGURATION = Path(__file__).parents[2] / "production.yml"
MINUTES_TABLE = "bars_1m"


@dataclass(frozen=True)
class Processors:
    """Seconds of processors, of the workers, the database, this program, and all there is."""

    workers: float
    database: float
    driver: float
    machine: float


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # a session of the database that ended
        return 0.0
    return float(times.user + times.system)


@dataclass
class Product:
    """What runs. `url` is the database's."""

    server: Gunicorn
    database: EmbeddedServer
    url: str

    @property
    def port(self) -> int:
        return self.server.port

    def resident_megabytes(self) -> float:
        """Of all workers together."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.workers()) / MEGABYTE

    def workers(self) -> list[int]:
        return self.server.workers()

    def processor_seconds(self) -> Processors:
        """What each part has used so far."""
        database = self.database.folder / "data" / "postmaster.pid"
        server = psutil.Process(int(database.read_text().split()[0]))
        return Processors(
            sum(map(_used, map(psutil.Process, self.workers()))),
            sum(map(_used, (server, *server.children(recursive=True)))),
            time.process_time(),
            sum(psutil.cpu_times()[:3]),
        )

    @contextmanager
    def minutes_locked(self) -> Iterator[None]:
        """Whoever reads minute bars waits meanwhile, as long as a statement may."""
        with closing(psycopg2.connect(self.url)) as link, link.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {MINUTES_TABLE} IN ACCESS EXCLUSIVE MODE")
            yield

    def waiting(self) -> int:
        """How many statements wait for a lock now."""
        with closing(psycopg2.connect(self.url)) as link, link.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            [(count,)] = cursor.fetchall()
            return int(count)

    def answers(self) -> bool:
        """Whether the database takes connections."""
        try:
            psycopg2.connect(self.url, connect_timeout=1).close()
            return True
        except psycopg2.OperationalError:
            return False


@contextmanager
def running(users: int) -> Iterator[Product]:
    """All of it until the block ends; `users` accounts are called user0, user1, ..."""
    with tempfile.TemporaryDirectory(prefix="mltrading-load-") as given:
        folder = Path(given)
        with EmbeddedServer(folder / "home") as database:
            url = database.start()
            _fill(url, folder)
            _add_users(url, users)
            with gunicorn(folder, url, **_environment(folder)) as server:
                yield Product(server, database, url)
        # It stops after the last who used it, and its folder goes with it.
        wait_until(lambda: not is_supervised(database.folder), "the database stops")


def _environment(folder: Path) -> dict[str, str]:
    """Production, but for TLS to a database that is reached by a socket of this machine."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    plain = text.replace("ssl_required: true", "ssl_required: false")
    if plain == text:
        raise RuntimeError(f"{CONFIGURATION.name} says no more that TLS is required")
    (folder / "production.yml").write_text(plain, encoding="utf-8")
    return {
        "ENVIRONMENT": "production",
        "MLTRADING_CONFIG": str(folder),
        "MLTRADING_PROXY": "on",  # as behind the platform's router, which tells each user's address
        "SECRET_KEY": SECRET_KEY,
    }


def _fill(url: str, folder: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": url, "MLTRADING_HOME": str(folder / "home")}
    for command in (("db", "upgrade"), ("sample", "--simulated")):
        subprocess.run(
            [sys.executable, "-m", "mltrading", *command],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _add_users(url: str, count: int) -> None:
    with closing(Database(url, 1)) as database:
        people = People(database)
        for number in range(count):
            people.add(f"user{number}", "analyst", PASSWORD)
