"""A small market that the browser tests look at: ordinary symbols, and one of every odd kind."""

from __future__ import annotations

import sys
from contextlib import closing

import numpy as np
import psycopg2

from mltrading.adapters.postgres.migrate import upgrade
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.bars import MINUTE, Bars, Interval
from mltrading.services.ports import ImportTransaction
from tests.factories import SOURCE, make_bars, make_sessions, make_symbol_details

SECTORS = {
    "AAPL": ("Apple Inc.", "Technology", "Consumer Electronics"),
    "IBM": ("International Business Machines", "Technology", "IT Services"),
    "MSFT": ("Microsoft Corporation", "Technology", "Software"),
    "JPM": ("JPMorgan Chase & Co.", "Financials", "Banks"),
    "GS": ("Goldman Sachs Group", "Financials", "Capital Markets"),
    "XOM": ("Exxon Mobil Corporation", "Energy", "Oil & Gas"),
    "CVX": ("Chevron Corporation", "Energy", "Oil & Gas"),
}
ONE_BAR, NO_BARS, GAPS, MINUTES, SIMULATED = "ONE", "NONE", "GAPS", "MINUTES", "SIM001"
HOSTILE_CODE = "'; DROP TABLE"
HOSTILE_NAME = "<img src=x onerror=alert(1)>"
SESSION_MINUTES = 390
YEARS_OF_MINUTES = 10


def load(url: str, minutes_of: int = 252 * YEARS_OF_MINUTES) -> None:
    """Fill the migrated, empty database at `url`; the same every time.

    `minutes_of` is the number of sessions for which MINUTES has 1-minute bars.
    """
    pool = Database(url)
    try:
        with PostgresBarWriter(pool).transaction() as writer:
            _ordinary(writer)
            _odd(writer, minutes_of)
    finally:
        pool.close()
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO symbols (code, name, exchange, calendar, timezone, sector, industry,"
            " currency) VALUES (%s, 'Listed, never traded', 'NYSE', 'XNYS', 'America/New_York',"
            " 'Energy', 'Oil & Gas', 'USD')",
            (NO_BARS,),
        )


def _ordinary(writer: ImportTransaction) -> None:
    for seed, (code, (name, sector, industry)) in enumerate(SECTORS.items()):
        details = make_symbol_details(code, name=name, sector=sector, industry=industry)
        bars = make_sessions(700, seed=seed, price=50.0 + 40 * seed)
        writer.write(details, Interval.D1, bars, SOURCE)


def _odd(writer: ImportTransaction, minutes_of: int) -> None:
    def write(code: str, interval: Interval, bars: Bars, **fields: str | bool) -> None:
        about = {"sector": "Odd", "industry": "Odd"} | fields
        writer.write(make_symbol_details(code, **about), interval, bars, SOURCE)

    write(ONE_BAR, Interval.D1, make_sessions(1))
    sessions = make_sessions(400, seed=50)
    write(GAPS, Interval.D1, sessions[(np.arange(400) % 100) < 60])
    write(HOSTILE_CODE, Interval.D1, make_sessions(300, seed=51), name=HOSTILE_NAME)
    write(SIMULATED, Interval.D1, make_sessions(300, seed=52), exchange="SIM", simulated=True)
    if minutes_of:
        write(MINUTES, Interval.M1, minutes(minutes_of))


def minutes(sessions: int) -> Bars:
    """One-minute bars from 14:30 UTC on Monday to Friday, 390 a session."""
    days = np.busday_offset(np.datetime64("2014-06-02", "D"), np.arange(sessions))
    starts = days.astype("M8[us]").astype(np.int64) + 14 * 60 * MINUTE + 30 * MINUTE
    ts = (starts[:, None] + np.arange(SESSION_MINUTES) * MINUTE).ravel()
    made = make_bars(len(ts), 0, seed=53, price=300.0)
    return Bars(ts, *(getattr(made, name) for name in list(Bars.__slots__)[1:]))


if __name__ == "__main__":
    upgrade(sys.argv[1])
    load(sys.argv[1])
