"""The overview service: rows, filters, order, pages and breadth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mltrading.domain.access import DEVELOPER, Actor
from mltrading.domain.bars import Interval
from mltrading.domain.bases import BaseChange
from mltrading.domain.view import SORTS, OverviewQuery
from mltrading.errors import Forbidden
from mltrading.services.market import GroupCount, Overview
from mltrading.services.overview import PAGE_ROWS, UNCLASSIFIED
from tests.factories import moment
from tests.memory import MemoryMarket, bars_at
from tests.test_services.markets import daily, minutely, service, sessions


@pytest.fixture(scope="module")
def stored() -> MemoryMarket:
    """Six symbols whose last change is known: two up, two down, one flat, one with one bar."""
    market = MemoryMarket()
    ts = sessions("2023-06-01", "2024-07-04")

    def add(code: str, change: float, sector: str, industry: str, bars: int = len(ts)) -> None:
        closes = np.full(bars, 100.0)
        closes[-1] = 100 * (1 + change)
        market.add(code, Interval.D1, bars_at(ts[-bars:], closes), sector=sector, industry=industry)

    add("UP", 0.02, "Technology", "Software")
    add("MORE", 0.05, "Technology", "Chips")
    add("DOWN", -0.01, "Energy", "Oil")
    add("LESS", -0.03, "Energy", "Gas")
    add("FLAT", 0.0, "Energy", "Oil")
    add("ONE", 0.0, "", "", bars=1)
    market.add("EMPTY")
    return market


def overview(stored: MemoryMarket, query: str = "") -> Overview:
    asked, problems = OverviewQuery.parse(query)
    assert not problems
    return service(stored).overview(DEVELOPER, asked)


def codes(found: Overview) -> list[str]:
    return [row.symbol.code for row in found.rows]


def test_every_symbol_with_bars_has_a_row_in_order(stored: MemoryMarket) -> None:
    found = overview(stored)
    assert codes(found) == ["DOWN", "FLAT", "LESS", "MORE", "ONE", "UP"]
    assert (found.stored, found.matching, found.pages, found.stale) == (6, 6, 1, 0)


def test_the_last_price_is_as_traded_and_the_changes_are_adjusted() -> None:
    ts = sessions("2023-06-01", "2024-07-04")
    closes = np.full(len(ts), 400.0)
    closes[-1] = 110.0
    factor = np.full(len(ts), 0.25)
    factor[-1] = 1.0
    market = MemoryMarket()
    market.add("SPLIT", Interval.D1, bars_at(ts, closes, adj_close=closes * factor * 0.1304))
    [row] = overview(market).rows
    assert row.close == row.spark[-1] == 110.0
    assert (row.change_1d, row.change_1y) == (pytest.approx(0.1), pytest.approx(0.1))


def test_row_tells_changes_as_fractions_and_the_place_in_the_year(stored: MemoryMarket) -> None:
    rows = {row.symbol.code: row for row in overview(stored).rows}
    up, one = rows["UP"], rows["ONE"]
    for change in (up.change_1d, up.change_1w, up.change_1mo, up.change_1y):
        assert change == pytest.approx(0.02)
    assert up.position_52w == pytest.approx((102 - 99) / (102 * 1.01 - 99))
    assert (up.session, up.newest_ts) == (moment("2024-07-03"), moment("2024-07-03"))
    assert (up.stale, up.stale_sessions, up.stale_text) == (False, 0, "")
    assert math.isnan(one.change_1d) and math.isnan(one.change_1y)
    assert (one.sector, one.industry) == (UNCLASSIFIED, UNCLASSIFIED)


def test_stale_rows_are_marked() -> None:
    market = MemoryMarket()
    market.add("OLD", Interval.D1, daily("2012-01-03", "2013-03-02"))
    market.add("NEW", Interval.M1, minutely("2024-07-01", "2024-07-04"))
    found = overview(market, "sort=stale&order=desc")
    assert codes(found) == ["OLD", "NEW"]
    assert [row.stale for row in found.rows] == [True, False]
    assert found.rows[0].stale_text == "11 y"
    assert (found.stale, found.rows[1].interval) == (1, Interval.M1)


def test_search_reads_code_and_name(stored: MemoryMarket) -> None:
    assert codes(overview(stored, "q=ow")) == ["DOWN"]
    assert codes(overview(stored, "q=LESS inc")) == ["LESS"]
    nothing = overview(stored, "q=zzz&sector=Energy")
    assert (nothing.rows, nothing.pages) == ([], 1)
    assert nothing.notes == ["No symbol matches 'zzz', Energy."]


def test_filters_narrow_the_table_and_industries_follow_the_sector(stored: MemoryMarket) -> None:
    found = overview(stored, "sector=Energy&industry=Oil")
    assert codes(found) == ["DOWN", "FLAT"]
    assert [group.name for group in found.industries] == ["Oil", "Gas"]
    assert [group.name for group in found.sectors] == ["Energy", "Technology", UNCLASSIFIED]
    assert codes(overview(stored, f"sector={UNCLASSIFIED}")) == ["ONE"]


def test_breadth_counts_the_last_session(stored: MemoryMarket) -> None:
    energy, technology, other = overview(stored).sectors
    assert (energy.symbols, energy.advancing, energy.declining, energy.unchanged) == (3, 0, 2, 1)
    assert energy.median_change == pytest.approx(-0.01)
    assert (technology.advancing, technology.unknown) == (2, 0)
    assert technology.median_change == pytest.approx(0.035)
    assert math.isnan(other.median_change)
    assert replace(other, median_change=0.0) == GroupCount(UNCLASSIFIED, 1, 0, 0, 0, 1, 0.0)


def test_breadth_follows_the_search(stored: MemoryMarket) -> None:
    assert [group.name for group in overview(stored, "q=LESS").sectors] == ["Energy"]


@pytest.mark.parametrize("column", SORTS)
def test_every_column_sorts_both_ways_with_unknowns_last(stored: MemoryMarket, column: str) -> None:
    up = overview(stored, f"sort={column}")
    down = overview(stored, f"sort={column}&order=desc")
    assert sorted(codes(up)) == sorted(codes(down)) == codes(overview(stored))
    name = {"newest": "newest_ts", "stale": "stale_sessions"}.get(column, column)
    for found, descending in ((up, False), (down, True)):
        if column in ("symbol", "name"):
            values = [
                getattr(row.symbol, {"symbol": "code"}.get(column, column)) for row in found.rows
            ]
        else:
            values = [getattr(row, name) for row in found.rows]
        known = [v for v in values if not (isinstance(v, float) and math.isnan(v))]
        assert values[: len(known)] == known
        assert known == sorted(known, reverse=descending)


def test_pages_hold_a_hundred_rows_and_the_last_one_is_the_furthest() -> None:
    market = MemoryMarket()
    bars = bars_at(sessions("2024-07-01", "2024-07-04"), np.array([1.0, 2.0, 3.0]))
    for n in range(2 * PAGE_ROWS + 5):
        market.add(f"S{n:03}", Interval.D1, bars)
    second = overview(market, "page=2")
    assert codes(second) == [f"S{n:03}" for n in range(PAGE_ROWS, 2 * PAGE_ROWS)]
    last = overview(market, "page=9")
    assert (last.query.page, last.pages, len(last.rows)) == (3, 3, 5)


def test_an_empty_market_says_what_to_do() -> None:
    found = overview(MemoryMarket())
    assert (found.rows, found.sectors, found.industries) == ([], [], [])
    assert found.notes == ["No bars are stored yet; import some with `mltrading import FILE`."]


def test_a_guest_sees_nothing(stored: MemoryMarket) -> None:
    with pytest.raises(Forbidden):
        service(stored).overview(Actor("guest", frozenset()), OverviewQuery())


def test_changes_over_a_break_of_adjusted_prices_are_unknown_and_the_row_says_why() -> None:
    market = MemoryMarket()
    ts = sessions("2023-06-01", "2024-07-04")
    symbol = market.add("A", Interval.D1, bars_at(ts, np.linspace(100, 120, len(ts))))
    market.changes[symbol.id] = (BaseChange(moment("2024-06-17"), None),)
    found = overview(market)
    (row,) = found.rows
    assert row.broken == moment("2024-06-17")
    known = [math.isfinite(c) for c in (row.change_1d, row.change_1w, row.change_1mo)]
    assert known == [True, True, False]
    assert math.isnan(row.change_1y) and math.isnan(row.position_52w)
    assert found.notes == [
        "A: adjusted prices before 2024-06-17 have another base, so that nothing is compared with"
        " them: import the whole history from one download."
    ]
    for number in range(4):
        other = market.add(f"B{number}", Interval.D1, bars_at(ts, np.linspace(9, 8, len(ts))))
        market.changes[other.id] = market.changes[symbol.id]
    (note,) = overview(market).notes
    assert note.startswith("A: adjusted prices before 2024-06-17, B0: adjusted prices before")
    assert "(and of 2 more symbols) have another base" in note and "B2" not in note
    market.changes = {symbol.id: (BaseChange(moment("2023-06-15"), None),)}
    row = overview(market).rows[0]
    assert (row.broken, math.isnan(row.change_1y)) == (None, False)  # over a year ago
