"""A PostgreSQL of one test's own, which may be stopped, frozen and shot at."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.server_folder import is_supervised
from tests.database_fixtures import FAST
from tests.waiting import wait_until

# What was said to be saved has to be there after a kill.
SURE = {**FAST, "synchronous_commit": "on"}


class Server:
    """A running server, to be stopped, frozen and started again."""

    def __init__(self, home: Path, binaries: Path | None) -> None:
        self._embedded = EmbeddedServer(home, binaries, settings=SURE)
        self.url = self.start()

    def start(self) -> str:
        return self._embedded.start()

    @property
    def runs(self) -> bool:
        return is_supervised(self._embedded.folder)

    def stop(self) -> None:
        self._embedded.close()
        wait_until(lambda: not self.runs, "the server stops")

    def processes(self) -> list[int]:
        """The server's processes, the main one first."""
        data = self._embedded.folder / "data"
        main = int((data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def signal(self, number: int) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):  # a child may end meanwhile
                os.kill(pid, number)
