"""Any imports in any order leave the tables as if all had been computed from scratch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter, PostgresImport
from mltrading.domain.access import Scope
from mltrading.domain.bars import DAY, HOUR, MINUTE, STORED, Bars, Interval
from mltrading.domain.latest import newest_facts
from mltrading.errors import Conflict, ImportFailed
from mltrading.services.ports import Source
from tests.factories import SOURCE, make_bars, make_symbol_details, moment
from tests.test_adapters.store_model import (
    Model,
    Row,
    Sql,
    plain_bars,
    stored_series,
    stored_tables,
)

Chunk = tuple[Interval, Bars, Source]
NUMBERS = itertools.count()
ZONES = {  # with a moment near which its clock changes
    "America/New_York": "2024-03-08T12:00",
    "Asia/Kolkata": "2024-03-08T12:00",
    "America/Sao_Paulo": "2018-11-02T12:00",
    "America/St_Johns": "2010-11-05T12:00",
}


@st.composite
def chunks(draw: st.DrawFn, zone: str) -> Chunk:
    interval = draw(st.sampled_from([Interval.M1, Interval.M1, *STORED[1:]]))
    start = moment(ZONES[zone]) // DAY * DAY
    if interval is Interval.D1:
        days = draw(st.sets(st.integers(-400, 5), min_size=1, max_size=8))
        ts = [start + day * DAY for day in sorted(days)]
    else:
        step = draw(st.sampled_from([1, 2, 7, 61, 400])) * interval.length
        # Hours and 4 hours seldom start on their grid, so that some histories must be refused.
        first = start + draw(st.integers(0, 600)) * 5 * MINUTE
        first += draw(st.sampled_from([0, 0, 0, MINUTE // 2]))
        ts = [first + step * row for row in range(draw(st.integers(1, 30)))]
    bars = plain_bars(ts, draw(st.integers(0, 2)))
    return interval, bars, Source(draw(st.sampled_from(["one", "two"])))


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[list[Chunk]]]:
    """A zone, and transactions of chunks."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    transactions = st.lists(st.lists(chunks(zone), min_size=1, max_size=4), min_size=1, max_size=3)
    return zone, draw(transactions)


@given(histories())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_imports_leave_what_a_computation_from_scratch_gives(
    database: Database, sql: Sql, history: tuple[str, list[list[Chunk]]]
) -> None:
    zone, transactions = history
    details = make_symbol_details(f"S{next(NUMBERS)}", timezone=zone)
    writer, model = PostgresBarWriter(database), Model(zone)
    for transaction in transactions:
        before = deepcopy(model)
        try:
            with writer.transaction() as opened:
                for interval, bars, source in transaction:
                    expected = model.write(interval, bars, source.name)
                    written = opened.write(details, interval, bars, source)
                    assert not model.counts_twice()
                    assert (written.inserted, written.updated, written.unchanged) == expected
        except ImportFailed:
            assert model.counts_twice()
            model = before
    if model.imported:
        check(database, sql, details.code, model)
    else:
        assert PostgresBars(database).stored(Scope.ALL, details.code) is None


@given(
    zone=st.sampled_from(sorted(ZONES)),
    interval=st.sampled_from([Interval.M5, Interval.H1, Interval.H4]),
    grids=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 1, 2, 4, 7]), st.integers(1, 12)),
        min_size=2,
        max_size=3,
    ),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_grids_of_one_interval_are_stored_exactly_where_no_bucket_counts_twice(
    database: Database, sql: Sql, zone: str, interval: Interval, grids: list[tuple[int, int, int]]
) -> None:
    """Each of the grids begins some bars and eighths of a bar after a day's beginning."""
    details = make_symbol_details(f"S{next(NUMBERS)}", timezone=zone)
    model, start = Model(zone), moment(ZONES[zone]) // DAY * DAY
    for bars_after, eighths, count in grids:
        first = start + bars_after * interval.length + eighths * interval.length // 8
        bars = plain_bars([first + at * interval.length for at in range(count)], 0)
        before = deepcopy(model)
        model.write(interval, bars, SOURCE.name)
        try:
            with PostgresBarWriter(database).transaction() as opened:
                opened.write(details, interval, bars, SOURCE)
            assert not model.counts_twice()
        except ImportFailed as error:
            assert model.counts_twice() and "start in one" in str(error)
            model = before
    check(database, sql, details.code, model)


def check(database: Database, sql: Sql, code: str, model: Model) -> None:
    """The stored bars, `series` and `latest` are those of the model."""
    known = PostgresBars(database).stored(Scope.ALL, code)
    assert known is not None and known.newest is not None
    symbol = known.symbol
    tables = model.tables()
    stored = stored_tables(sql, symbol.id)
    for interval in STORED:
        assert stored[interval] == tables[interval], interval
    assert stored_series(sql, symbol.id) == model.series()
    [latest] = [
        found for found in PostgresSymbols(database).latest(Scope.ALL) if found.symbol == symbol
    ]
    facts = newest_facts(as_bars(tables[Interval.D1]), known.changes)
    assert (latest.close, latest.volume) == (facts.close / facts.factor, facts.volume)
    assert latest.spark == tuple(price / facts.factor for price in facts.spark)
    assert latest.session == max(tables[Interval.D1])
    newest = known.newest
    assert (newest.session, newest.close) == (latest.session, latest.close)
    assert newest.factor == facts.factor


def as_bars(rows: dict[int, Row]) -> Bars:
    bars = make_bars(len(rows))
    for position, (ts, row) in enumerate(rows.items()):
        bars.ts[position] = ts
        values = dict(zip(Bars.__slots__[1:], row.values, strict=True))
        for name, value in values.items():
            getattr(bars, name)[position] = value
    return bars


@pytest.mark.parametrize("order", ["ascending", "descending", "inside out"])
def test_chunks_of_a_file_may_come_in_any_order(database: Database, sql: Sql, order: str) -> None:
    start = moment("2024-03-08T09:00")
    pieces = [list(range(first, first + 400 * MINUTE, MINUTE)) for first in
              range(start, start + 2000 * MINUTE, 400 * MINUTE)]  # fmt: skip
    if order != "ascending":
        pieces.reverse()
    if order == "inside out":
        pieces = [pieces[2], pieces[0], pieces[4], pieces[3], pieces[1]]
    model = Model("America/New_York")
    with PostgresBarWriter(database).transaction() as opened:
        for piece in pieces:
            bars = plain_bars(piece, 0)
            assert opened.write(make_symbol_details(), Interval.M1, bars, SOURCE).inserted == 400
            model.write(Interval.M1, bars, SOURCE.name)
    check(database, sql, "AAPL", model)


def test_bars_years_apart_in_one_chunk_roll_up_beside_those_between(
    database: Database, sql: Sql
) -> None:
    years = [moment(f"{year}-06-03T13:31") for year in (1990, 2004, 2005, 2024)]
    between = [moment("2004-06-03T13:30") + minute * MINUTE for minute in range(300)]
    model = Model("America/New_York")
    for ts, edition in ((between, 0), (years, 1), (between[5:9], 2)):
        bars = plain_bars(ts, edition)
        with PostgresBarWriter(database).transaction() as opened:
            opened.write(make_symbol_details(), Interval.M1, bars, SOURCE)
        model.write(Interval.M1, bars, SOURCE.name)
    check(database, sql, "AAPL", model)


def test_importing_the_same_again_writes_no_row(database: Database, sql: Sql) -> None:
    def versions() -> list[Any]:
        tables = [f"bars_{interval.value}" for interval in STORED] + ["series", "latest", "symbols"]
        return [sql(f"SELECT ctid, xmin FROM {table} ORDER BY 1") for table in tables]

    writer, bars = PostgresBarWriter(database), make_bars(1000, adjustment=0.9)
    for expected in ((1000, 0, 0), (0, 0, 1000)):
        before = versions()
        with writer.transaction() as opened:
            written = opened.write(make_symbol_details(), Interval.M1, bars, SOURCE)
        assert (written.inserted, written.updated, written.unchanged) == expected
    assert versions() == before


def run_both(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(2) as threads:
        return [future.result() for future in [threads.submit(first), threads.submit(second)]]


def test_two_writers_of_one_symbol_take_turns(database: Database, sql: Sql) -> None:
    start = moment("2024-03-08T15:00")
    minutes = [
        list(range(start + k * MINUTE, start + (k + 300) * MINUTE, MINUTE)) for k in (0, 150)
    ]
    ready = Barrier(2, timeout=30)

    def write(ts: list[int]) -> None:
        for piece in (ts[:100], ts[100:]):
            with PostgresBarWriter(database).transaction() as opened:
                ready.wait()
                opened.write(make_symbol_details(), Interval.M1, plain_bars(piece, 0), SOURCE)

    run_both(lambda: write(minutes[0]), lambda: write(minutes[1]))
    model = Model("America/New_York")
    for ts in minutes:
        model.write(Interval.M1, plain_bars(ts, 0), SOURCE.name)
    check(database, sql, "AAPL", model)


def test_two_imports_that_wait_for_each_other_end_as_one_conflict(database: Database) -> None:
    both_hold_one = Barrier(2, timeout=30)
    bars = make_bars(10)

    def run(codes: tuple[str, str]) -> bool:
        def write(opened: PostgresImport, code: str) -> None:
            opened.write(make_symbol_details(code), Interval.M1, bars, SOURCE)

        try:
            with PostgresBarWriter(database).transaction() as opened:
                write(opened, codes[0])
                both_hold_one.wait()
                write(opened, codes[1])
        except Conflict:
            return False
        return True

    with PostgresBarWriter(database).transaction() as opened:
        for code in ("A", "B"):
            opened.write(make_symbol_details(code), Interval.M1, make_bars(1), SOURCE)
    assert sorted(run_both(lambda: run(("A", "B")), lambda: run(("B", "A")))) == [False, True]
    with PostgresBarWriter(database).transaction() as opened:  # the loser's second try
        written = opened.write(make_symbol_details("A"), Interval.M1, bars, SOURCE)
    assert written.unchanged == 10


def test_an_hour_of_minutes_is_one_bar_an_hour(database: Database, sql: Sql) -> None:
    bars = make_bars(60, moment("2024-01-02T15:00"), step=HOUR // 60)
    with PostgresBarWriter(database).transaction() as opened:
        opened.write(make_symbol_details(), Interval.M1, bars, SOURCE)
    assert sql("SELECT open, high, low, close, volume, rolled FROM bars_1h") == [
        (bars.open[0], bars.high.max(), bars.low.min(), bars.close[-1], bars.volume.sum(), True)
    ]


def test_the_newest_bar_names_the_source_of_its_series_and_of_what_is_rolled_from_it(
    database: Database, sql: Sql
) -> None:
    start = moment("2024-03-08T15:00")
    bars = plain_bars([start + minute * MINUTE for minute in range(20)], 0)
    model = Model("America/New_York")
    changed = plain_bars([int(bars.ts[-1])], 0)
    changed.volume[:] += 1.0
    opened_lower = plain_bars([start + 14 * MINUTE], 0)
    opened_lower.open[:] -= 0.5  # rolls up to the values that were, out of another source's bar
    for source, part in (("one", bars), ("two", changed), ("three", opened_lower)):
        with PostgresBarWriter(database).transaction() as opened:
            opened.write(make_symbol_details(), Interval.M1, part, Source(source))
        model.write(Interval.M1, part, source)
    assert model.series()["1m"][-1] == "two"
    assert model.tables()[Interval.M15][start].source == "three"
    check(database, sql, "AAPL", model)
