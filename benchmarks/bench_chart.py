"""A chart view at 10 thousand, 1 million and 10 million bars of history.

Ours is the real callback over the real route, compressed. The limit is what no design can beat
that reads the same number of stored rows: COPY BINARY of them, orjson, Brotli. The peer reads
and draws the whole window, as benchmarks/peer.py says.
"""

from __future__ import annotations

import io
import statistics
import time
from collections import defaultdict
from contextlib import closing
from functools import partial
from typing import Any

import brotli
import numpy as np
import orjson
import psycopg2

from benchmarks import peer
from benchmarks.callbacks import Answer, Caller
from benchmarks.report import Row, row
from mltrading.adapters.postgres.copy_binary import decode
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.app import build_services, create_app
from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import MINUTE, Bars, Interval
from mltrading.domain.view import ChartView
from mltrading.services.market import Chart
from mltrading.services.ports import Source, SymbolDetails
from mltrading.settings import Settings

MINUTES_A_DAY = 1440
SIZES = {  # whole days, so that the newest day holds the same number of bars at each size
    "10k": 7 * MINUTES_A_DAY,
    "1M": 695 * MINUTES_A_DAY,
    "10M": 6945 * MINUTES_A_DAY,
}
CHUNK = 500 * MINUTES_A_DAY
VIEWS = {
    "newest day": "interval=5m&range=1D",
    "newest week": "range=1W",
    "whole history": "range=ALL",
}
REPEATS = 40
WARM = 5
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
    rows = []
    with closing(psycopg2.connect(url)) as connection:
        for view, query in VIEWS.items():
            searches = {size: f"?symbol={size}&{query}" for size in SIZES}
            limits = {s: _Limit(connection, _shown(settings, url, searches[s])) for s in SIZES}
            rows += _view(view, ours, searches, limits)
        rows.append(_after_a_write(url, ours, searches["10M"], limits["10M"]))
    return rows + _beside_peer(url, ours)


def _view(
    view: str, ours: Caller, searches: dict[str, str], limits: dict[str, _Limit]
) -> list[Row]:
    """All sizes and their limits in turn, so that each ratio is of the same moments."""
    asked = {size: partial(_ask, ours, search) for size, search in searches.items()}
    answers = {size: [ask() for ask in [once] * WARM][-1] for size, once in asked.items()}
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(REPEATS):
        for size in SIZES:
            spent["ours", size].append(asked[size]().seconds)
            spent["limit", size].append(limits[size]().seconds)
    # The best tenth of each, taken in turns: a neighbour's load only ever adds.
    ms = {key: statistics.quantiles(seconds, n=10)[0] * 1e3 for key, seconds in spent.items()}
    rows = []
    for size in SIZES:
        limit = ms["limit", size]
        rows.append(row(f"{view}, {size}: ms", ms["ours", size], limit, "limit", "<= 4"))
        mine, least = len(answers[size].body), len(limits[size]().body)
        rows.append(row(f"{view}, {size}: bytes", mine, least, "limit"))
    slow, fast = ms["ours", "10M"], ms["ours", "10k"]
    return [*rows, row(f"{view}: ms at 10M bars", slow, fast, "ms at 10k bars", "<= 1.5")]


def _after_a_write(url: str, ours: Caller, search: str, limit: _Limit) -> Row:
    """The whole history when its days changed: its weeks, else kept, are made anew."""
    spent = defaultdict(list)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for _ in range(REPEATS):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE series SET bars = bars")
            spent["ours"].append(_ask(ours, search).seconds)
            spent["limit"].append(limit().seconds)
    ms = {key: statistics.quantiles(seconds, n=10)[0] * 1e3 for key, seconds in spent.items()}
    name = "whole history, 10M, after a write: ms"
    return row(name, ms["ours"], ms["limit"], "limit", "<= 4")


def _ask(caller: Caller, search: str) -> Answer:
    return caller(address={"path": "/charts", "search": search, "n": 1})


class _Limit:
    """COPY BINARY of as many stored rows as the view reads; orjson and Brotli, at our level, of as
    many as it shows."""

    def __init__(self, connection: Any, chart: Chart) -> None:
        self._connection = connection
        self._shown = len(chart.bars)
        stored = chart.interval if chart.interval.stored else Interval.D1  # weeks are made of days
        self._query = (
            f"COPY (SELECT symbol_id, ts, {', '.join(_FIGURES)} FROM bars_{stored.value}"
            f" WHERE symbol_id = {chart.symbol.id} AND ts >= to_timestamp({chart.bars.ts[0] / 1e6})"
            f" ORDER BY ts LIMIT {self._shown * (chart.interval.length // stored.length)})"
            " TO STDOUT (FORMAT BINARY)"
        )

    def __call__(self) -> Answer:
        started = time.perf_counter()
        stream = io.BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(self._query, stream)
        rows = decode(stream.getbuffer(), _COLUMNS)[-self._shown :]
        lists = {name: rows[name].tolist() for name in _FIGURES}
        lists["ts"] = (rows["ts"].view(np.int64) // 1_000_000).tolist()
        packed: bytes = brotli.compress(orjson.dumps(lists), quality=5)
        return Answer(time.perf_counter() - started, packed)


_FIGURES = ("open", "high", "low", "close", "volume")
_COLUMNS = np.dtype([("symbol_id", "i4"), ("ts", "M8[us]"), *((f, "f8") for f in _FIGURES)])


def _shown(settings: Settings, url: str, search: str) -> Chart:
    view, _ = ChartView.parse(search)
    with closing(Database(url, 1)) as database:
        return build_services(settings, url, database).market.chart(DEVELOPER, view)


def _beside_peer(url: str, ours: Caller) -> list[Row]:
    """The whole history: theirs every bar, ours the coarser stored interval that fits.

    Not at 10M bars: the peer would need tens of gigabytes for its lists of tuples.
    """
    app = peer.create_peer(url)
    rows = []
    for size in ("10k", "1M"):
        mine = [_ask(ours, f"?symbol={size}&range=ALL") for _ in range(REPEATS)]
        seconds = statistics.median(answer.seconds for answer in mine)
        theirs, their_bytes = peer.chart(app, size)
        bound = ("<= 0.00333", "<= 0.002") if size == "1M" else ("", "")
        rows.append(row(f"peer, {size}: ms", seconds * 1e3, theirs * 1e3, "plain app", bound[0]))
        rows.append(
            row(f"peer, {size}: bytes", len(mine[0].body), their_bytes, "plain app", bound[1])
        )
    return rows
