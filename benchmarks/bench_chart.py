"""A chart view at 10 thousand, 1 million and 10 million bars of history.

Ours is the real callback over the real route, compressed. The limit is what no design can beat
that reads the same number of stored rows: COPY BINARY of them, orjson, Brotli. The peer reads
and draws the whole window, as benchmarks/peer.py says.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable

import brotli
import numpy as np
import orjson
import psycopg2

from benchmarks import peer
from benchmarks.callbacks import Caller
from benchmarks.report import Row, row
from mltrading.adapters.postgres.copy_binary import decode
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.app import build_services, create_app
from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import MINUTE, Bars, Interval
from mltrading.domain.view import ChartView
from mltrading.services.ports import Source, SymbolDetails
from mltrading.settings import Settings

SIZES = {"10k": 10_000, "1M": 1_000_000, "10M": 10_000_000}
CHUNK = 500_000
VIEWS = {
    "last day of 1m": "interval=1m&range=1D",
    "last month": "range=1M",
    "whole history": "range=ALL",
}
REPEATS = 30
EPOCH = 1_262_304_000_000_000  # 2010-01-01 00:00 UTC, microseconds


def fill(writer: PostgresBarWriter) -> None:
    """One symbol a size, trading round the clock, so that every minute is a bar."""
    for name, count in SIZES.items():
        details = SymbolDetails(name, calendar="24/7", timezone="UTC", exchange="BENCH")
        with writer.transaction() as store:
            for first in range(0, count, CHUNK):
                bars = _walk(first, min(CHUNK, count - first))
                store.write(details, Interval.M1, bars, Source("benchmark"))


def _walk(first: int, count: int) -> Bars:
    rng = np.random.default_rng(first)
    close = np.round(100 + 10 * np.sin(np.arange(first, first + count) / 5e4), 2)
    close = np.round(close + rng.normal(0, 0.2, count), 2)
    opens = np.roll(close, 1)
    return Bars(
        EPOCH + (first + np.arange(count, dtype=np.int64)) * MINUTE,
        opens,
        np.maximum(opens, close) + 0.05,
        np.minimum(opens, close) - 0.05,
        close,
        close,
        rng.integers(1, 9_999, count).astype(np.float64),
        np.ones(count, bool),
    )


def measure(url: str, settings: Settings) -> list[Row]:
    """Server time and bytes of each view at each size, beside the limit and the peer."""
    ours = Caller(create_app(settings, url), "chart-answer.data")
    seconds: dict[tuple[str, str], float] = {}
    rows = []
    for view, query in VIEWS.items():
        for size in SIZES:
            search = f"?symbol={size}&{query}"
            seconds[view, size], size_bytes = _ours(ours, search)
            limit, limit_bytes = _limit(settings, url, search)
            rows.append(
                row(f"{view}, {size}: ms", seconds[view, size] * 1e3, limit * 1e3, "limit", "<= 4")
            )
            rows.append(row(f"{view}, {size}: bytes", size_bytes, limit_bytes, "limit"))
        rows.append(_flat(view, seconds))
    return rows + _beside_peer(url, ours)


def _flat(view: str, seconds: dict[tuple[str, str], float]) -> Row:
    slow, fast = seconds[view, "10M"] * 1e3, seconds[view, "10k"] * 1e3
    return row(f"{view}: ms at 10M bars", slow, fast, "ms at 10k bars", "<= 1.5")


def _ours(caller: Caller, search: str) -> tuple[float, int]:
    address = {"path": "/charts", "search": search, "n": 1}
    answer = caller(address=address)
    return _median(lambda: caller(address=address).seconds), len(answer.body)


def _limit(settings: Settings, url: str, search: str) -> tuple[float, int]:
    """COPY BINARY of as many stored rows as the view shows, orjson, Brotli at our level."""
    code, interval, count = _shown(settings, url, search)
    query = (
        f"COPY (SELECT symbol_id, ts, open, high, low, close, adj_close, volume"
        f" FROM bars_{interval} WHERE symbol_id = (SELECT id FROM symbols WHERE code = '{code}')"
        f" ORDER BY ts DESC LIMIT {count}) TO STDOUT (FORMAT BINARY)"
    )
    columns = ["symbol_id:i4", "ts:M8[us]"]
    columns += [f"{name}:f8" for name in ("open", "high", "low", "close", "adj_close", "volume")]
    dtype = np.dtype([tuple(column.split(":")) for column in columns])
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:

        def once() -> tuple[float, int]:
            started = time.perf_counter()
            stream = io.BytesIO()
            cursor.copy_expert(query, stream)
            rows = decode(stream.getbuffer(), dtype)
            lists = {name: rows[name].tolist() for name in ("open", "high", "low", "close")}
            lists["volume"] = rows["volume"].astype(np.int64).tolist()
            lists["ts"] = (rows["ts"].view(np.int64) // 1_000_000).tolist()
            body = brotli.compress(orjson.dumps(lists), quality=5)
            return time.perf_counter() - started, len(body)

        size = once()[1]
        return _median(lambda: once()[0]), size


def _shown(settings: Settings, url: str, search: str) -> tuple[str, str, int]:
    view, _ = ChartView.parse(search)
    chart = build_services(settings, url).market.chart(DEVELOPER, view)
    stored = chart.interval if chart.interval.stored else Interval.D1
    return chart.symbol.code, stored.value, len(chart.bars)


def _beside_peer(url: str, ours: Caller) -> list[Row]:
    """The whole history: theirs every bar, ours the coarser stored interval that fits.

    Not at 10M bars: the peer would need tens of gigabytes for its lists of tuples.
    """
    app = peer.create_peer(url)
    rows = []
    for size in ("10k", "1M"):
        mine, my_bytes = _ours(ours, f"?symbol={size}&range=ALL")
        theirs, their_bytes = peer.chart(app, size)
        bound = ("<= 0.00333", "<= 0.002") if size == "1M" else ("", "")
        rows.append(row(f"peer, {size}: ms", mine * 1e3, theirs * 1e3, "plain app", bound[0]))
        rows.append(row(f"peer, {size}: bytes", my_bytes, their_bytes, "plain app", bound[1]))
    return rows


def _median(once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(REPEATS))
