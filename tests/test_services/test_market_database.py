"""The market service on PostgreSQL answers as it does in memory."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.calendar import Calendars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.services.market import Market
from mltrading.services.ports import Source
from mltrading.services.ports.audit import Unlogged
from mltrading.services.reading import MarketReader
from tests.factories import make_symbol_details
from tests.memory import MemoryMarket
from tests.test_services.markets import FixedClock, daily, minutely, service

HOSTILE = "'; DROP TABLE x--"
OLD = daily("2000-03-01", "2013-03-02")
PRICES = ("open", "high", "low", "close")
TRADED = {name: getattr(OLD, name) * np.where(OLD.ts < OLD.ts[2000], 2, 1) for name in PRICES}
DATA: dict[str, tuple[Interval, Bars]] = {
    # Adjusted for a split of 7 after its newest bar, and for one of 2 in the middle.
    "OLD": (Interval.D1, dataclasses.replace(OLD, **TRADED, adj_close=OLD.close / 7)),
    "NEW": (Interval.M1, minutely("2024-05-01", "2024-07-04")),
    HOSTILE: (Interval.D1, daily("2023-01-03", "2024-07-04")),
}
VIEWS = [
    "symbol=OLD&range=1Y&indicators=sma:20,ema:50,rsi:14,macd:12:26:9,obv",
    "symbol=OLD&range=ALL",
    "symbol=OLD&interval=1mo&range=5Y",
    "symbol=OLD&start=2005-01-01&end=2005-01-03",
    "symbol=NEW&range=1D&indicators=vwap",
    "symbol=NEW&range=1M",
    "symbol=NEW&interval=5m&start=2024-06-24&end=2024-06-28",
    "symbol=%27%3B%20DROP%20TABLE%20x--&range=6M",
]


@pytest.fixture
def market(database: Database) -> Market:
    with PostgresBarWriter(database).transaction() as transaction:
        for code, (interval, bars) in DATA.items():
            transaction.write(make_symbol_details(code), interval, bars, Source("test"))
    reader = MarketReader(
        PostgresSymbols(database), PostgresBars(database), Calendars(), FixedClock()
    )
    return Market(reader, Unlogged())


@pytest.fixture(scope="module")
def in_memory() -> Market:
    stored = MemoryMarket()
    for code, (interval, bars) in DATA.items():
        stored.add(code, interval, bars)
    return service(stored)


def same(ours: object, theirs: object, path: str = "") -> None:
    """Equal in every field but the database's own ids and the source's notice."""
    if dataclasses.is_dataclass(ours):
        for field in dataclasses.fields(ours):
            if field.name not in ("id", "notice"):
                name = f"{path}.{field.name}"
                same(getattr(ours, field.name), getattr(theirs, field.name), name)
    elif isinstance(ours, dict):
        assert isinstance(theirs, dict) and list(ours) == list(theirs), path
        for key in ours:
            same(ours[key], theirs[key], f"{path}[{key}]")
    elif isinstance(ours, list):
        assert isinstance(theirs, list) and len(ours) == len(theirs), path
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same(one, other, f"{path}[{n}]")
    elif isinstance(ours, np.ndarray | float):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=path)  # type: ignore[arg-type]
    else:
        assert ours == theirs, path


def test_charts_are_as_in_memory(market: Market, in_memory: Market) -> None:
    for query in VIEWS:
        view, problems = ChartView.parse(query)
        assert not problems
        same(market.chart(DEVELOPER, view), in_memory.chart(DEVELOPER, view), query)


def test_comparisons_are_as_in_memory(market: Market, in_memory: Market) -> None:
    for query in ("symbols=OLD,NEW&range=ALL", f"symbols=NEW,{HOSTILE}&range=1W"):
        view, _ = CompareView.parse(query)
        same(market.compare(DEVELOPER, view), in_memory.compare(DEVELOPER, view), query)


def test_overview_is_as_in_memory(market: Market, in_memory: Market) -> None:
    ours = market.overview(DEVELOPER, OverviewQuery())
    theirs = in_memory.overview(DEVELOPER, OverviewQuery())
    for one, other in zip(ours.rows, theirs.rows, strict=True):
        assert (one.symbol.code, one.newest_ts, one.session) == (
            other.symbol.code,
            other.newest_ts,
            other.session,
        )
        np.testing.assert_allclose(
            [one.close, one.change_1d, one.volume, one.position_52w],
            [other.close, other.change_1d, other.volume, other.position_52w],
        )
    assert [group.symbols for group in ours.sectors] == [3]


def test_find_and_nearest(market: Market) -> None:
    assert [s.code for s in market.find(DEVELOPER, "old")] == ["OLD"]
    assert [s.code for s in market.find(DEVELOPER, "DROP")] == [HOSTILE]
