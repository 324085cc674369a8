"""A viewer's market on PostgreSQL: for whatever is shared, nothing else is in any answer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from mltrading.adapters.postgres import bars as bar_queries
from mltrading.adapters.postgres import symbols as symbol_queries
from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import Scope
from mltrading.domain.bars import Interval
from mltrading.domain.calendar import Calendars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.services.market import Market
from mltrading.services.ports.audit import Unlogged
from mltrading.services.reading import MarketReader
from tests.database_fixtures import clone, database_on, drop
from tests.factories import SOURCE
from tests.test_services.markets import FixedClock
from tests.test_services.scopes import (
    ANALYST,
    CODES,
    SUBSETS,
    UNKNOWN,
    VIEWER,
    WITHOUT_BARS,
    about,
    bars,
    details,
    questions,
    words,
)

LISTED = """INSERT INTO symbols
    (code, name, exchange, calendar, timezone, sector, industry, currency)
    VALUES (%(code)s, %(name)s, 'NASDAQ', 'XNYS', 'America/New_York', %(sector)s, %(industry)s, '')
"""


@pytest.fixture(scope="module")
def url(server_url: str, template: str) -> Iterator[str]:
    """A database of this module with the look-alikes."""
    name = f"mlt_scope_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    database = Database(url)
    with PostgresBarWriter(database).transaction() as opened:
        for code in CODES:
            if code != WITHOUT_BARS:
                opened.write(details(code), Interval.D1, bars(code), SOURCE)
    database.close()
    about = details(WITHOUT_BARS)
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            LISTED,
            {
                "code": about.code,
                "name": about.name,
                "sector": about.sector,
                "industry": about.industry,
            },
        )
    yield url
    drop(server_url, name)


@pytest.fixture(scope="module")
def market(url: str) -> Iterator[Market]:
    database = Database(url)
    reader = MarketReader(
        PostgresSymbols(database), PostgresBars(database), Calendars(), FixedClock()
    )
    yield Market(reader, Unlogged())
    database.close()


def share(url: str, codes: frozenset[str]) -> None:
    """These and no others."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM shared_symbols")
        cursor.execute(
            "INSERT INTO shared_symbols (symbol_id) SELECT id FROM symbols WHERE code = ANY(%s)",
            (sorted(codes),),
        )


@pytest.mark.parametrize("shared", SUBSETS)
def test_nothing_of_another_symbol_is_in_any_answer(
    url: str, market: Market, shared: frozenset[str]
) -> None:
    share(url, shared)
    for question in questions():
        said = words(question.put(market, VIEWER), *question.codes)
        for code in set(CODES) - shared:
            letter = code[-1]
            hidden = (code, f"Nom{letter}", f"Sect{letter}", f"Ind{letter}")
            assert not any(word in said for word in hidden), (question, said)


@pytest.mark.parametrize("shared", SUBSETS)
def test_what_is_shared_is_answered(url: str, market: Market, shared: frozenset[str]) -> None:
    share(url, shared)
    assert [symbol.code for symbol in market.find(VIEWER, "like")] == sorted(shared)
    overview = market.overview(VIEWER, OverviewQuery())
    with_bars = sorted(shared - {WITHOUT_BARS})
    assert [row.symbol.code for row in overview.rows] == with_bars
    assert [group.name for group in overview.sectors] == [f"Sect{c[-1]}" for c in with_bars]
    for code in shared:
        assert market.chart(VIEWER, ChartView(code.lower())).symbol.code == code
    if shared:
        compared = market.compare(VIEWER, CompareView(CODES))
        assert compared.view.symbols == tuple(sorted(shared))
    else:
        assert overview.notes == ["No symbol is shared with you yet; ask an administrator."]


@pytest.mark.parametrize("shared", [set(), {"LIKEA"}, {"LIKEA", "LIKEC", "LIKED"}])
def test_an_unshared_symbol_is_answered_as_an_unknown_one(
    url: str, market: Market, shared: set[str]
) -> None:
    share(url, frozenset(shared))
    hidden, unknown = (
        [words(question.put(market, VIEWER), *question.codes) for question in about(code)]
        for code in ("LIKEB", UNKNOWN)
    )
    assert hidden == unknown
    assert ("nearest known" in hidden[0]) == bool(shared)


def test_an_analyst_sees_all_whatever_is_shared(url: str, market: Market) -> None:
    share(url, frozenset())
    assert [symbol.code for symbol in market.find(ANALYST, "")] == list(CODES)
    assert market.overview(ANALYST, OverviewQuery()).stored == 3
    assert market.chart(ANALYST, ChartView("LIKEC")).symbol.code == "LIKEC"


VALUES = {
    "code": "LIKEA",
    "text": "LIKEA",
    "inside": ["%LIKEA%"],
    "exact": ["LIKEA"],
    "prefix": ["LIKEA%"],
    "limit": 20,
    "length": 5,
    "initial": "L",
}
QUERIES = {
    "stored": bar_queries._STORED,
    "find": symbol_queries._FIND,
    "nearest": symbol_queries._OF_LIKE_LENGTH,
    "latest": symbol_queries._LATEST,
}
OF_SYMBOLS = {"symbols", "shared_symbols", "latest", "series", "sources"}


def plan(url: str, query: str) -> list[tuple[str, str, str]]:
    """(node, table, index) of each step that reads a table; none is too small for its index."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        cursor.execute(
            b"EXPLAIN (FORMAT JSON) " + cursor.mogrify(QUERIES[query][Scope.SHARED], VALUES)
        )
        [[[tree]]] = cursor.fetchall()
    return list(steps(tree["Plan"]))


def steps(node: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if "Relation Name" in node:
        yield node["Node Type"], node["Relation Name"], node.get("Index Name", "")
    for child in node.get("Plans", ()):
        yield from steps(child)


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_scope_costs_does_not_grow_with_history(url: str, query: str) -> None:
    tables = {table for _, table, _ in plan(url, query)}
    assert "shared_symbols" in tables and tables <= OF_SYMBOLS


def test_a_symbol_in_scope_is_found_by_indexes_alone(url: str) -> None:
    read = plan(url, "stored")
    assert ("shared_symbols", "shared_symbols_pkey") in [step[1:] for step in read]
    assert all("Index" in node for node, _, _ in read), read
