"""Bars that start off their interval's grid (hours at :30, as some vendors stamp them) are stored
alone, and refused where finer bars, or another grid of theirs, would count beside them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mltrading.adapters.postgres import writer
from mltrading.adapters.postgres.copy_binary import copy_out
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.bars import STORED, Bars, Interval
from mltrading.errors import ImportFailed
from mltrading.services.ports import Written
from tests.factories import SOURCE, make_bars, make_symbol_details
from tests.test_adapters.store_model import Sql

MINUTES = make_bars(390, "2024-01-03T14:30")  # a session of New York
HOURS = make_bars(7, "2024-01-03T14:30", Interval.H1, seed=1)


def write(database: Database, interval: Interval, bars: Bars, code: str = "AAPL") -> Written:
    with PostgresBarWriter(database).transaction() as opened:
        return opened.write(make_symbol_details(code), interval, bars, SOURCE)


def everything(sql: Sql) -> list[object]:
    return [sql(f"SELECT * FROM bars_{interval.value} ORDER BY ts") for interval in STORED] + [
        sql("SELECT * FROM series ORDER BY interval"),
        sql("SELECT * FROM latest"),
    ]


def refused(database: Database, sql: Sql, interval: Interval, bars: Bars, line: str) -> None:
    before = everything(sql)
    with pytest.raises(ImportFailed, match=re.escape(line)) as error:
        write(database, interval, bars)
    assert "\n" not in str(error.value)
    assert everything(sql) == before


def test_alone_they_are_stored_as_they_came(database: Database, sql: Sql) -> None:
    assert write(database, Interval.H1, HOURS).inserted == 7
    assert write(database, Interval.H1, HOURS).unchanged == 7
    assert sql("SELECT count(*), bool_or(rolled) FROM bars_1h") == [(7, False)]
    assert sql("SELECT volume FROM bars_1d") == [(HOURS.volume.sum(),)]


LINE = (
    "the 1h bar of 'AAPL' at 2024-01-03T14:30Z starts off the 1h grid, so the day would count it"
    " and the finer bars there twice; nothing of it was stored: import these bars under another"
    " --symbol"
)


def test_hours_off_the_grid_are_refused_over_finer_bars(database: Database, sql: Sql) -> None:
    write(database, Interval.M1, MINUTES)
    refused(database, sql, Interval.H1, HOURS, LINE)
    assert write(database, Interval.H1, HOURS, "AAPL.1H").inserted == 7


def test_finer_bars_are_refused_over_hours_off_the_grid(database: Database, sql: Sql) -> None:
    write(database, Interval.H1, HOURS)
    refused(database, sql, Interval.M1, MINUTES, LINE)
    refused(database, sql, Interval.M15, make_bars(26, "2024-01-03T14:30", Interval.M15), LINE)


def test_the_same_within_one_transaction(database: Database, sql: Sql) -> None:
    before = everything(sql)
    with pytest.raises(ImportFailed, match="twice"):
        with PostgresBarWriter(database).transaction() as opened:
            opened.write(make_symbol_details(), Interval.M1, MINUTES, SOURCE)
            opened.write(make_symbol_details(), Interval.H1, HOURS, SOURCE)
    assert everything(sql) == before


@pytest.mark.parametrize("finer_first", [True, False])
@pytest.mark.parametrize(
    ("off_grid", "finer", "clash"),
    [
        ("14:30", "13:59", False),
        ("14:30", "14:00", True),
        ("14:30", "15:59", True),
        ("14:30", "16:00", False),
        ("14:00", "14:30", False),  # on the grid: it replaces what would be computed
    ],
)
def test_only_buckets_that_both_reach_into_clash(
    database: Database, off_grid: str, finer: str, clash: bool, finer_first: bool
) -> None:
    writes = [
        (Interval.M1, make_bars(1, f"2024-01-03T{finer}")),
        (Interval.H1, make_bars(1, f"2024-01-03T{off_grid}", Interval.H1)),
    ]
    first, second = writes if finer_first else writes[::-1]
    write(database, *first)
    if clash:
        with pytest.raises(ImportFailed, match="off the 1h grid"):
            write(database, *second)
    else:
        assert write(database, *second).inserted + write(database, *second).unchanged >= 1


@pytest.mark.parametrize("finer_first", [True, False])
def test_a_clash_past_the_edge_of_the_next_coarser_bucket_is_found(
    database: Database, finer_first: bool
) -> None:
    """5 minutes from 14:57 reach to 15:02, into another quarter of an hour and another hour."""
    writes = [
        (Interval.M1, make_bars(1, "2024-01-03T15:00")),
        (Interval.M5, make_bars(1, "2024-01-03T14:57", Interval.M5)),
    ]
    first, second = writes if finer_first else writes[::-1]
    write(database, *first)
    with pytest.raises(ImportFailed, match="the 5m bar of 'AAPL' at 2024-01-03T14:57Z"):
        write(database, *second)


def test_the_grid_of_4_hours_is_the_clock_of_the_exchange(database: Database) -> None:
    write(database, Interval.M1, make_bars(600, "2024-01-03T13:00"))
    on_grid = make_bars(1, "2024-01-03T13:00", Interval.H4)  # 08:00 in New York
    assert write(database, Interval.H4, on_grid).updated == 1
    with pytest.raises(ImportFailed, match="off the 4h grid"):
        write(database, Interval.H4, make_bars(1, "2024-01-03T16:00", Interval.H4))


def test_the_message_names_the_first_bar_that_clashes(database: Database) -> None:
    hours = make_bars(48, "2024-01-02T14:30", Interval.H1)
    write(database, Interval.M1, MINUTES)
    with pytest.raises(ImportFailed, match="at 2024-01-03T13:30Z"):
        write(database, Interval.H1, hours)


def test_appending_on_the_grid_asks_the_database_nothing_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(cursor: object, query: bytes, record: np.dtype[np.void]) -> object:
        asked.append(query.decode().split("FROM ")[1].split()[0])
        return copy_out(cursor, query, record)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "copy_out", counted)
    write(database, Interval.M1, make_bars(12 * 60, "2024-01-03T00:00"))
    assert asked == []
    write(database, Interval.M1, make_bars(15, "2024-01-03T12:00"))
    assert asked == ['"bars_1h"', '"bars_4h"', '"bars_1d"']  # whose open bars it continues


ON_THE_HOUR = make_bars(7, "2024-01-03T14:00", Interval.H1, seed=2)
TWO_GRIDS = (
    "two 1h bars of 'AAPL' start in one hour, at 2024-01-03T14:00Z and 2024-01-03T14:30Z, so the"
    " day would count it twice; nothing of it was stored: import one of the two under another"
    " --symbol"
)


def test_a_second_grid_of_one_interval_is_refused(database: Database, sql: Sql) -> None:
    write(database, Interval.H1, ON_THE_HOUR)
    refused(database, sql, Interval.H1, HOURS, TWO_GRIDS)
    assert write(database, Interval.H1, HOURS, "AAPL.30").inserted == 7


def test_a_second_grid_under_the_first_is_refused(database: Database, sql: Sql) -> None:
    write(database, Interval.H1, HOURS)
    refused(database, sql, Interval.H1, ON_THE_HOUR, TWO_GRIDS)


def test_two_grids_in_one_file_are_refused(database: Database, sql: Sql) -> None:
    both = Bars.concat([ON_THE_HOUR, HOURS])
    both = both[np.argsort(both.ts)]
    refused(database, sql, Interval.H1, both, TWO_GRIDS)


def test_another_grid_is_stored_where_no_hour_has_both(database: Database) -> None:
    """As when a vendor changes how it stamps, or one begins where another ends."""
    write(database, Interval.H1, ON_THE_HOUR)
    later = make_bars(7, "2024-01-04T14:30", Interval.H1)
    assert write(database, Interval.H1, later).inserted == 7


def test_bars_stamped_with_their_first_trade_are_no_second_grid(database: Database) -> None:
    minutes = make_bars(60, "2024-01-03T14:30")
    minutes.ts[1::2] += 59_000_000  # a second before the next
    assert write(database, Interval.M1, minutes).inserted == 60


def test_4_hours_by_utc_are_one_grid_over_the_change_of_the_clocks(database: Database) -> None:
    """The night that summer time ends, two of them start within 4 hours of the local clock."""
    bars = make_bars(18, "2024-11-02T00:00", Interval.H4)
    assert write(database, Interval.H4, bars).inserted == 18
