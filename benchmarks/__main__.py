"""Run every benchmark on a database of its own and print one table (`make bench`)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import (
    bench_budgets,
    bench_chart,
    bench_import,
    bench_loads,
    bench_measuring,
    bench_memory,
)
from benchmarks.report import Row, keep, missed, show
from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.settings import load_settings

TOKEN = "t0ken-of-the-benchmark"
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """0, or 1 where a bound or budget is missed."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="mltrading-bench-") as folder:
        with _dashboard(Path(folder, "served")) as (url, pid):
            rows += bench_loads.measure(url)
            rows += bench_budgets.measure(url, TOKEN)
            rows += bench_memory.worker(url, pid)
            rows += bench_memory.database(str(Path(folder, "served")))
        rows += _on_database(Path(folder, "bench"))
    keep(rows, RESULTS)
    print(show(rows))
    names = missed(rows)
    print(f"missed: {', '.join(names)}" if names else "every bound is met")
    return 1 if names else 0


def _on_database(home: Path) -> list[Row]:
    """What needs a database of a size: on an embedded server as `make run` starts it."""
    with EmbeddedServer(home) as server:
        url = server.start(_say)
        upgrade(url, _say)
        rows = bench_import.measure(url)
        _say("Storing 11 million bars")
        bench_chart.fill(PostgresBarWriter(Database(url)))
        settings = replace(load_settings(), database_url=None)
        rows += bench_measuring.measure(url, settings)
        return rows + bench_chart.measure(url, settings)


@contextmanager
def _dashboard(home: Path) -> Iterator[tuple[str, int]]:
    """`mltrading serve` as a user starts it, on a folder of its own: its URL and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "mltrading", "serve", "--port", str(port)],
        env={
            **os.environ,
            "MLTRADING_HOME": str(home),
            "METRICS_TOKEN": TOKEN,
            "MLTRADING_TIMINGS": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = next((line.strip() for line in process.stdout if line.startswith("http://")), None)
        if url is None:
            raise RuntimeError("the dashboard did not start")
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
