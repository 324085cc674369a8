"""Bars and symbols are read from the database as they were stored."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database, OneMoment
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import Scope
from mltrading.domain.bars import DAY, HOUR, MINUTE, Bars, Interval
from mltrading.services.ports import BarReader, NewestClose, Stored, SymbolDetails
from tests.factories import SOURCE, make_bars, make_sessions, make_symbol_details, moment
from tests.test_adapters.store_model import Sql

START = moment("2024-01-02T14:30")
COUNT = 300
ANY_TIME = st.integers(START - HOUR, START + (COUNT + 60) * MINUTE)


def store(
    database: Database,
    bars: Bars,
    interval: Interval = Interval.M1,
    details: SymbolDetails | None = None,
) -> int:
    details = details or make_symbol_details()
    with PostgresBarWriter(database).transaction() as opened:
        opened.write(details, interval, bars, SOURCE)
    return known(database, details.code).symbol.id


def known(database: Database | OneMoment, code: str = "AAPL") -> Stored:
    found = PostgresBars(database).stored(Scope.ALL, code)
    assert found is not None
    return found


@pytest.fixture
def symbol_id(database: Database) -> int:
    store(database, make_bars(COUNT, START, seed=9), details=make_symbol_details("OTHER"))
    return store(database, make_bars(COUNT, START))


def same(found: Bars, expected: Bars) -> bool:
    return all(
        np.array_equal(getattr(found, name), getattr(expected, name)) for name in Bars.__slots__
    )


@given(ANY_TIME, ANY_TIME, st.integers(0, 400))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_reads_are_slices_of_what_was_stored(
    database: Database, symbol_id: int, start: int, end: int, count: int
) -> None:
    bars, reader = make_bars(COUNT, START), PostgresBars(database)
    inside = (bars.ts >= start) & (bars.ts < end)
    first = int(np.searchsorted(bars.ts, start))
    assert same(reader.between(symbol_id, Interval.M1, start, end), bars[inside])
    before = reader.before(symbol_id, Interval.M1, start, count)
    assert same(before, bars[max(first - count, 0) : first])
    assert same(reader.after(symbol_id, Interval.M1, start, count), bars[first : first + count])
    counted = reader.count(symbol_id, Interval.M1, start, end, limit=count)
    assert counted == min(int(inside.sum()), count)


def test_arrays_are_ready_for_mathematics(database: Database, symbol_id: int) -> None:
    bars = PostgresBars(database).between(symbol_id, Interval.M1, START, START + HOUR)
    assert bars.ts.dtype == np.int64
    assert bars.is_final.dtype == np.bool_
    assert {getattr(bars, name).dtype for name in Bars.__slots__[1:-1]} == {np.dtype("f8")}
    assert all(getattr(bars, name).dtype.isnative for name in Bars.__slots__)


def test_times_beyond_the_calendar_mean_its_ends(database: Database, symbol_id: int) -> None:
    reader = PostgresBars(database)
    assert len(reader.between(symbol_id, Interval.M1, -(2**62), 2**62)) == COUNT
    assert len(reader.before(symbol_id, Interval.M1, 2**62, 5)) == 5
    assert len(reader.after(symbol_id, Interval.M1, -(2**62), 5)) == 5
    assert reader.count(symbol_id, Interval.M1, -(2**62), 2**62, 10**9) == COUNT


def test_an_unknown_symbol_has_nothing(database: Database) -> None:
    reader = PostgresBars(database)
    assert len(reader.between(999, Interval.M1, 0, 2**62)) == 0
    assert reader.count(999, Interval.M1, 0, 2**62, 10) == 0
    assert reader.stored(Scope.ALL, "AAPL") is None


def test_weeks_are_not_read_from_a_table(database: Database) -> None:
    with pytest.raises(ValueError, match="derive them from 1d"):
        PostgresBars(database).between(1, Interval.W1, 0, 1)


def test_series_tell_what_is_stored(database: Database) -> None:
    symbol = store(database, make_bars(61, START, adjustment=0.5, volume=False))
    series = known(database).series
    assert {each.symbol_id for each in series.values()} == {symbol}
    assert {interval.value: known.bars for interval, known in series.items()} == {
        "1m": 61,
        "5m": 13,
        "15m": 5,
        "1h": 2,
        "4h": 1,
        "1d": 1,
    }
    minutes = series[Interval.M1]
    assert (minutes.first_ts, minutes.last_ts) == (START, START + HOUR)
    assert (minutes.adjusted, minutes.has_volume) == (True, False)
    assert (minutes.source, minutes.feed, minutes.notice) == ("test", "factory", "made by tests")


@pytest.fixture
def symbols(database: Database) -> PostgresSymbols:
    names = {
        "A": "Agilent Technologies",
        "AA": "Alcoa",
        "AAPL": "Apple Inc.",
        "BAA": "Bank of Aachen",
        "EDF": "Électricité de France",
        "X_1": "100% Cotton",
        "X21": "a\\b backslash",
        "'; DROP TABLE symbols; --": "<img src=x onerror=alert(1)>",
        "msft": "Lower Case",
    }
    with PostgresBarWriter(database).transaction() as opened:
        for code, name in names.items():
            details = make_symbol_details(code, name=name)
            opened.write(details, Interval.D1, make_sessions(3), SOURCE)
    return PostgresSymbols(database)


def codes(symbols: PostgresSymbols, text: str, limit: int = 20) -> list[str]:
    return [symbol.code for symbol in symbols.find(Scope.ALL, text, limit)]


FOUND = {
    "AA": ["AA", "AAPL", "BAA"],
    "aa": ["AA", "AAPL", "BAA"],
    "alc": ["AA"],
    "APPLE": ["AAPL"],
    "électr": ["EDF"],
    "ÉLECTRICITÉ": ["EDF"],
    "%": ["X_1"],
    "_": ["X_1"],
    "\\": ["X21"],
    "a\\b": ["X21"],
    "'; drop": ["'; DROP TABLE symbols; --"],
    "<img": ["'; DROP TABLE symbols; --"],
    "MSFT": ["msft"],
    "nothing like it": [],
    "A\0": [],
    "\ud800": [],
}


def test_finds_exact_code_then_prefix_then_the_rest(symbols: PostgresSymbols) -> None:
    assert {text: codes(symbols, text) for text in FOUND} == FOUND


def test_empty_text_lists_by_code_up_to_the_limit(symbols: PostgresSymbols) -> None:
    assert codes(symbols, "", 4) == ["'; DROP TABLE symbols; --", "A", "AA", "AAPL"]


@pytest.mark.usefixtures("symbols")
def test_gets_by_the_exact_code_only(database: Database) -> None:
    assert known(database, "AAPL").symbol.name == "Apple Inc."
    reader = PostgresBars(database)
    assert [reader.stored(Scope.ALL, code) for code in ("aapl", "AAP", "", "A\0", "\udc80")] == [
        None
    ] * 5


NEAREST = {
    "APPL": "AAPL",
    "aapl": "AAPL",
    "MSFR": "msft",
    "ZZZZZZ": None,
    "": None,
    "A\0PL": None,
    "AAPL" * 1000: None,
}


def test_names_the_nearest_code_or_none(symbols: PostgresSymbols) -> None:
    assert {code: symbols.nearest(Scope.ALL, code) for code in NEAREST} == NEAREST


def test_latest_is_by_code_with_the_past_as_nan_where_history_is_short(database: Database) -> None:
    store(database, make_bars(5, START), details=make_symbol_details("B"))
    daily = make_sessions(400, adjustment=0.5)
    store(database, daily, Interval.D1, make_symbol_details("A"))
    long, short = PostgresSymbols(database).latest(Scope.ALL)
    assert (long.symbol.code, short.symbol.code) == ("A", "B")
    assert (long.ts, long.interval) == (daily.ts[-1], Interval.D1)
    assert (long.close, long.close_1d) == (daily.close[-1], daily.close[-2])
    assert (short.ts, short.interval) == (START + 4 * MINUTE, Interval.M1)
    assert short.session == START // DAY * DAY
    assert all(map(math.isnan, (short.close_1d, short.close_1w, short.close_1mo, short.close_1y)))


def test_the_newest_bar_is_of_the_finest_interval_that_reaches_the_newest_session(
    database: Database,
) -> None:
    store(database, make_bars(5, START))
    next_day = make_sessions(1, "2024-01-03")
    store(database, next_day, Interval.D1)
    [latest] = PostgresSymbols(database).latest(Scope.ALL)
    assert (latest.ts, latest.interval) == (next_day.ts[0], Interval.D1)


def test_reads_together_see_one_moment(database: Database) -> None:
    symbol = store(database, make_bars(5, START))

    def minutes(reader: BarReader) -> int:
        found = reader.stored(Scope.ALL, "AAPL")
        assert found is not None
        return found.series[Interval.M1].bars

    def twice(reader: BarReader) -> tuple[int, int, int]:
        before = minutes(reader)
        store(database, make_bars(9, START))
        after = reader.between(symbol, Interval.M1, START, START + HOUR)
        return before, minutes(reader), len(after)

    assert PostgresBars(database).together(twice) == (5, 5, 5)
    assert minutes(PostgresBars(database)) == 9


def test_every_write_to_a_series_gives_it_another_version(database: Database) -> None:
    """What is made of a series is kept by its version, so a write that only changes prices, of
    which neither the extent nor the count of bars tells, must change it too."""

    def version() -> str:
        return known(database).series[Interval.D1].version

    store(database, make_bars(5, START, seed=1))
    versions = [version()]
    store(database, make_bars(5, START, seed=2))
    versions.append(version())
    store(database, make_bars(2, START + 10 * MINUTE, seed=2))
    versions.append(version())
    assert len(set(versions)) == 3
    store(database, make_bars(2, START + 10 * MINUTE, seed=2))
    store(database, make_bars(3), details=make_symbol_details("OTHER"))
    assert version() == versions[-1]


def test_the_newest_close_is_known_with_the_one_before(database: Database) -> None:
    days = make_sessions(3)
    store(database, days[:1], Interval.D1)
    newest = known(database).newest
    assert newest is not None and math.isnan(newest.previous)
    store(database, days, Interval.D1)
    close = days.close
    assert known(database).newest == NewestClose(int(days.ts[-1]), close[-1], close[-2], 1.0)


def test_a_newer_bar_moves_what_prices_are_relative_to_and_rewrites_no_bar(
    database: Database, sql: Sql
) -> None:
    """A source that is relative to the day of its download, asked again after a split of 4."""
    days = make_sessions(4)
    split = replace(days, close=days.close * [4, 4, 4, 1], adj_close=days.close)
    store(database, replace(split[:3], adj_close=split.close[:3]), Interval.D1)
    assert known(database).newest == NewestClose(
        int(days.ts[2]), split.close[2], split.close[1], 1.0
    )
    store(database, split[:3], Interval.D1)  # adj_close as the download after the split has it
    found = known(database).newest
    assert found is not None and found.factor == 0.25
    assert (found.close, found.previous) == (split.close[2], split.close[1])
    rows = sql("SELECT ctid, xmin FROM bars_1d ORDER BY ts")
    store(database, split[3:], Interval.D1)
    found = known(database).newest
    assert found is not None and found.factor == 1.0
    assert (found.close, found.previous) == (days.close[3], days.close[2])
    assert sql("SELECT ctid, xmin FROM bars_1d ORDER BY ts")[:3] == rows


def test_a_symbol_without_bars_is_known(database: Database) -> None:
    with database.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("""INSERT INTO symbols
            (code, name, exchange, calendar, timezone, sector, industry, currency)
            VALUES ('BARE', '', '', '', '', '', '', '')""")
    found = known(database, "BARE")
    assert (found.series, found.newest) == ({}, None)
