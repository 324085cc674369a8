"""Importing a million one-minute bars with their rollups, beside a bare COPY BINARY of the same
rows into an identical table; and the memory that a file of ten million takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import psycopg2
import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

from benchmarks.report import Row, row
from mltrading.adapters.postgres.copy_binary import copy_in
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.tables import rows_of
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.adapters.sources.files import LocalFiles
from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import HOUR, MINUTE, Bars, Interval
from mltrading.services.imports import Importer
from mltrading.services.ports import ReadOptions, Source, SymbolDetails
from mltrading.utils.clock import SystemClock

BARS = 1_000_000
MANY_BARS = 10_000_000
CHUNK = 200_000
REPEATS = 3  # the best of each, taken in turns: a neighbour's load only ever adds
MEMORY_LIMIT_MB = 400
FAST_ENOUGH = 150_000  # bars a second
MINUTES_A_SESSION = 390


def measure(url: str) -> list[Row]:
    """Speed of the import and of its parts, and its memory, on the migrated database at `url`."""
    with tempfile.TemporaryDirectory(prefix="mltrading-bench-") as folder:
        million = _write_csv(Path(folder, "million.csv"), BARS)
        bare, writer, file, again = (np.inf,) * 4
        for repeat in range(REPEATS):
            bare = min(bare, _bare_copy(url))
            writer = min(writer, _writer_alone(url, f"WRITER{repeat}"))
            file = min(file, _import(url, million, f"FILE{repeat}"))
            again = min(again, _import(url, million, f"FILE{repeat}"))
        million.unlink()
        peak = _peak_memory_mb(url, _write_csv(Path(folder, "many.csv"), MANY_BARS))
    copied = BARS / bare
    return [
        row("store 1M bars with rollups: bars/s", BARS / writer, copied, "bare COPY", ">= 0.4"),
        row("import a 1M-row CSV: bars/s", BARS / file, copied, "bare COPY, no CSV", ">= 0.4"),
        row("import a 1M-row CSV: bars/s", BARS / file, FAST_ENOUGH, "bars/s on a quiet machine"),
        row("import the same again: bars/s", BARS / again, BARS / file, "first import"),
        row("import a 10M-row CSV: peak MB", peak, MEMORY_LIMIT_MB, "limit", "<= 1"),
    ]


def _bars(first: int, count: int) -> Bars:
    """One-minute bars of 390 a weekday since 1925: the `first`-th and those after it."""
    number = np.arange(first, first + count)
    days = np.busday_offset("1925-01-05", number // MINUTES_A_SESSION, roll="forward")
    opening = days.astype("M8[us]").astype(np.int64) + 14 * HOUR + 30 * MINUTE
    rng = np.random.default_rng(first)
    close = np.round(100 + 20 * np.sin(number / 5e4) + rng.normal(0, 0.2, count), 2)
    opens = np.round(close + rng.normal(0, 0.1, count), 2)
    return Bars(
        ts=opening + number % MINUTES_A_SESSION * MINUTE,
        open=opens,
        high=np.maximum(opens, close) + 0.05,
        low=np.minimum(opens, close) - 0.05,
        close=close,
        adj_close=close,
        volume=rng.integers(1, 9_999, count).astype(np.float64),
        is_final=np.ones(count, bool),
    )


def _chunks(count: int) -> Iterator[Bars]:
    for first in range(0, count, CHUNK):
        yield _bars(first, min(CHUNK, count - first))


def _write_csv(path: Path, count: int) -> Path:
    names = ("open", "high", "low", "close", "volume")
    fields = [("timestamp", pa.timestamp("us")), *((name, pa.float64()) for name in names)]
    schema = pa.schema(fields)
    with pyarrow.csv.CSVWriter(path, schema) as file:
        for bars in _chunks(count):
            columns = [bars.ts.view("M8[us]"), *(getattr(bars, name).round(2) for name in names)]
            file.write_table(pa.table(columns, schema=schema))
    return path


def _bare_copy(url: str) -> float:
    """Seconds of COPY BINARY alone into a table of the same columns, checks and key."""
    chunks = [rows_of(bars, 1, 1, rolled=False) for bars in _chunks(BARS)]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bars_bare (LIKE bars_1m INCLUDING ALL)")
        connection.commit()
        started = time.perf_counter()
        for rows in chunks:
            copy_in(cursor, sql.Identifier("bars_bare"), rows)
        connection.commit()
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE bars_bare")
        connection.commit()
    return seconds


def _writer_alone(url: str, code: str) -> float:
    chunks = list(_chunks(BARS))
    with closing(Database(url)) as database:
        started = time.perf_counter()
        with PostgresBarWriter(database).transaction() as store:
            for bars in chunks:
                store.write(SymbolDetails(code), Interval.M1, bars, Source("benchmark"))
        return time.perf_counter() - started


def _import(url: str, path: Path, code: str) -> float:
    with closing(Database(url)) as database:
        importer = Importer(LocalFiles(), PostgresBarWriter(database), SystemClock())
        started = time.perf_counter()
        options = ReadOptions(now=0, symbol=code, interval=Interval.M1)
        summary = importer.run(DEVELOPER, [path], options, Source("benchmark"))
        seconds = time.perf_counter() - started
    if summary.read != BARS or summary.quarantined:
        raise RuntimeError(f"the import took {summary.read} of {BARS} rows")
    return seconds


def _peak_memory_mb(url: str, path: Path) -> float:
    """The highest resident memory of `mltrading import` of the file, seen every 50 ms."""
    command = [sys.executable, "-m", "mltrading", "import", str(path), "--symbol", "MANY"]
    process = subprocess.Popen(
        [*command, "--interval", "1m", "--json"],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
    )
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:  # it ended between the two questions
            break
        time.sleep(0.05)
    if process.wait() != 0:
        raise RuntimeError(f"mltrading import ended with {process.returncode}")
    return peak / 1e6
