"""What the writer promises of a transaction, of symbols, and of rows that were refused."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from psycopg2 import errors

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.copy_binary import copy_in
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.tables import rows_of, table_of
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import Scope
from mltrading.domain.bars import STORED, Bars, Interval, Symbol
from mltrading.errors import ImportFailed
from mltrading.services.ports import Refused, Source, SymbolDetails, Written
from tests.factories import SOURCE, make_bars, make_sessions, make_symbol_details
from tests.test_adapters.store_model import Sql

PRICES = ["open", "high", "low", "close", "adj_close"]


def write(
    database: Database,
    details: SymbolDetails | None = None,
    bars: Bars | None = None,
    interval: Interval = Interval.M1,
    source: Source = SOURCE,
) -> Written:
    with PostgresBarWriter(database).transaction() as opened:
        return opened.write(
            details or make_symbol_details(),
            interval,
            make_bars(20) if bars is None else bars,
            source,
        )


def stored_symbol(database: Database, code: str = "AAPL") -> Symbol:
    known = PostgresBars(database).stored(Scope.ALL, code)
    assert known is not None
    return known.symbol


NO_PRICES = [math.nan, math.inf, -math.inf, -1.0]


def test_the_tables_refuse_what_is_no_number_or_no_price(database: Database) -> None:
    for interval, column, value in itertools.product(STORED, [*PRICES, "volume"], NO_PRICES):
        bars = make_sessions(3) if interval is Interval.D1 else make_bars(3, interval=interval)
        getattr(bars, column)[1] = value
        with database.transaction() as connection, connection.cursor() as cursor:
            with pytest.raises(errors.CheckViolation):
                copy_in(cursor, table_of(interval), rows_of(bars, 1, 1, rolled=False))
            connection.rollback()


def test_a_price_of_zero_undoes_the_whole_import(database: Database, sql: Sql) -> None:
    for column in PRICES:
        bars = make_bars(20)
        getattr(bars, column)[7] = 0.0
        with pytest.raises(ImportFailed, match="nothing was imported"):
            write(database, bars=bars)
    for table in ("symbols", "sources", "series", "latest", "bars_1m", "bars_1d"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_high_below_its_low_is_refused(database: Database) -> None:
    bars = make_bars(5)
    with pytest.raises(ImportFailed):
        write(database, bars=replace(bars, high=bars.low - 0.001))


def test_a_failure_after_some_chunks_keeps_none_of_them(database: Database, sql: Sql) -> None:
    with pytest.raises(RuntimeError, match="torn file"):
        with PostgresBarWriter(database).transaction() as opened:
            opened.write(make_symbol_details(), Interval.M1, make_bars(20), SOURCE)
            raise RuntimeError("torn file")
    assert sql("SELECT count(*) FROM symbols") == sql("SELECT count(*) FROM bars_1m") == [(0,)]


def test_no_bars_create_no_symbol(database: Database, sql: Sql) -> None:
    assert write(database, bars=Bars.empty()) == Written()
    assert sql("SELECT count(*) FROM symbols") == [(0,)]


def test_weeks_and_months_are_not_imported(database: Database) -> None:
    for interval in (Interval.W1, Interval.MO1):
        with pytest.raises(ImportFailed, match="import the daily bars"):
            write(database, bars=make_sessions(3), interval=interval)


def test_bars_out_of_order_or_off_their_labels_are_a_mistake_of_the_caller(
    database: Database,
) -> None:
    with pytest.raises(ValueError, match="not ascending"):
        write(database, bars=make_bars(5)[::-1])
    with pytest.raises(ValueError, match="session labels"):
        write(database, bars=make_bars(5), interval=Interval.D1)


MARKETS = {  # what an import tells: calendar, time zone and currency that follow
    (("exchange", "NASDAQ"),): ("XNYS", "America/New_York", "USD"),
    (("exchange", "lse"),): ("XLON", "Europe/London", "GBP"),
    (("timezone", "UTC"),): ("24/7", "UTC", ""),
    (("timezone", "Asia/Kolkata"),): ("XBOM", "Asia/Kolkata", ""),
    (("calendar", "XTKS"),): ("XTKS", "Asia/Tokyo", "JPY"),
    (("timezone", "Asia/Seoul"), ("calendar", "XKRX")): ("XKRX", "Asia/Seoul", ""),
    (): ("XNYS", "America/New_York", ""),
}


def test_a_new_symbol_gets_what_its_market_implies(database: Database) -> None:
    for number, (told, expected) in enumerate(MARKETS.items()):
        write(database, SymbolDetails(f"X{number}", **dict(told)))
        symbol = stored_symbol(database, f"X{number}")
        assert (symbol.calendar, symbol.timezone, symbol.currency) == expected
        names = (symbol.name, symbol.sector, symbol.industry)
        assert names == (symbol.code, "Unclassified", "Unclassified")


def test_a_later_import_tells_what_was_unknown_and_changes_nothing_known(
    database: Database,
) -> None:
    write(database, SymbolDetails("AAPL"))
    write(database, make_symbol_details(sector="Tech"), make_bars(5))
    write(database, make_symbol_details(name="Pear", sector="Fruit", timezone="UTC"), make_bars(6))
    symbol = stored_symbol(database)
    assert (symbol.name, symbol.exchange, symbol.currency) == ("AAPL Inc.", "NASDAQ", "USD")
    assert (symbol.sector, symbol.industry) == ("Tech", "Software")
    assert symbol.timezone == "America/New_York"


def test_an_unknown_time_zone_is_one_line(database: Database) -> None:
    for zone in ("Mars/Olympus", "/etc/passwd", "America"):
        with pytest.raises(ImportFailed, match="unknown time zone"):
            write(database, make_symbol_details(timezone=zone))


def test_simulated_and_real_bars_never_mix(database: Database) -> None:
    for code, simulated in (("SIM", True), ("REAL", False)):
        write(database, make_symbol_details(code, simulated=simulated))
        with pytest.raises(ImportFailed, match="would mix"):
            write(database, make_symbol_details(code, simulated=not simulated))


def test_the_notice_of_a_source_is_kept_and_can_change(database: Database, sql: Sql) -> None:
    for notice in ("first", "", "second"):
        write(database, source=Source("vendor", "feed", notice))
    assert sql("SELECT name, feed, notice FROM sources") == [("vendor", "feed", "second")]


def test_refused_rows_are_kept_once_however_odd_their_text(database: Database, sql: Sql) -> None:
    rows = [
        Refused(2, "NUL in the row", "a\0b", "AAPL"),
        Refused(3, "broken text", "caf\udce9", "AA\0PL"),
        Refused(4, "long", "x" * 5000 + "\0", "S" * 500),
    ]
    for _ in range(2):
        with PostgresBarWriter(database).transaction() as opened:
            opened.quarantine("prices.csv", Interval.D1, rows)
            opened.quarantine("prices.csv", Interval.D1, [])
    stored = sql("SELECT line, reason, row_text, symbol, interval FROM quarantine ORDER BY line")
    assert [row[0] for row in stored] == [2, 3, 4]
    assert stored[0][1:] == ("NUL in the row", "a\\0b", "AAPL", "1d")
    assert stored[1][2] == "caf\\udce9"
    assert stored[2][2] == "x" * 1000


def test_the_longest_texts_of_a_refused_row_fit_the_index(database: Database, sql: Sql) -> None:
    rng = np.random.default_rng(1)  # random, so that the server can not compress them
    wild = "".join(map(chr, rng.integers(0x20000, 0x2A000, 2000)))
    with PostgresBarWriter(database).transaction() as opened:
        opened.quarantine(wild, Interval.M15, [Refused(2**40, wild, wild, wild)])
    assert sql("SELECT length(row_text) FROM quarantine") == [(1000,)]
