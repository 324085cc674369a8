"""A gunicorn of the dashboard for tests that count, kill and read logs."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

OURS = ("-c", "python:mltrading.cli.gunicorn_conf")
TOKEN = "t0ken-of-the-monitors"
START_SECONDS = 90


class Gunicorn:
    """A running one; `log` is all that it and its workers wrote."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def workers(self) -> list[int]:
        pid = self.process.pid
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def kill(self, worker: int, count: int) -> None:
        """Kill one worker; comes back when `count` others are there again."""
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(set(self.workers()) - {worker}) == count, "a worker in its place")

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def records(self) -> list[dict[str, Any]]:
        """The log of staging and production, where each line is JSON."""
        return [json.loads(line) for line in self.log.splitlines()]

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: str | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        """One request on a connection of its own; underscores in names of headers are dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name and labels."""
        status, _, text = self.ask("/metrics", Authorization=f"Bearer {TOKEN}")
        assert status == 200, text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def flood(self, path: str, times: int, clients: int = 8) -> tuple[int, int]:
        """So many GETs over kept connections; how many were answered by 200, and how many got no
        whole answer."""

        def client(share: int) -> tuple[int, int]:
            answered, lost = 0, 0
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            for _ in range(share):
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    answer.read()
                    answered += answer.status == 200
                except (OSError, http.client.HTTPException):
                    lost += 1
                    connection.close()
            connection.close()
            return answered, lost

        with ThreadPoolExecutor(clients) as pool:
            found = list(pool.map(client, [times // clients] * clients))
        return sum(one for one, _ in found), sum(one for _, one in found)


@contextmanager
def gunicorn(
    folder: Path, database_url: str, *options: str, **environment: str
) -> Iterator[Gunicorn]:
    """With our configuration unless `options` begin otherwise; METRICS_TOKEN is TOKEN."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = listener.getsockname()[1]
    path = folder / f"gunicorn-{port}.log"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLTRADING_", "OTEL_"))
    }
    with listener, path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *(options or OURS), "mltrading.wsgi:server"]
            + ["--bind", f"fd://{listener.fileno()}"],
            env={
                **kept,
                "DATABASE_URL": database_url,
                "METRICS_TOKEN": TOKEN,
                "MLTRADING_HOME": str(folder / "home"),
                **environment,
            },
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        found = Gunicorn(process, port, path)
        try:
            wait_until(lambda: _answers(found), f"it answers: {found.log}", START_SECONDS)
            yield found
        finally:
            process.terminate()
            process.wait(60)


def _answers(server: Gunicorn) -> bool:
    assert server.process.poll() is None, server.log
    try:
        return server.ask("/health/live")[0] == 200
    except (OSError, http.client.HTTPException):
        return False
