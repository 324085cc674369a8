"""The market at a glance: one row a symbol, and how sectors and industries moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from statistics import median

from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.calendar import Calendars
from mltrading.domain.trust import staleness
from mltrading.domain.view import OverviewQuery
from mltrading.services.ports import Latest
from mltrading.services.windows import date_text

PAGE_ROWS = 100
MOST_NAMED = 3
UNCLASSIFIED = "Unclassified"


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One symbol on its newest session. Changes are fractions (0.01 = +1%) of adjusted closes,
    NaN where history is too short; `position_52w` is 0 at the 52-week low and 1 at the high.

    `sector` and `industry` are never empty ("Unclassified"). `stale_sessions`/`stale_text` as in
    `DataTrust`; `stale` says whether to mark the row. `broken` is the session, within a year, from
    which on adjusted prices have another base: nothing before it is compared.
    """

    symbol: Symbol
    sector: str
    industry: str
    newest_ts: int
    interval: Interval
    session: int
    close: float
    change_1d: float
    change_1w: float
    change_1mo: float
    change_1y: float
    volume: float
    position_52w: float
    spark: tuple[float, ...]
    stale: bool
    stale_sessions: int | None
    stale_text: str
    broken: int | None = None


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Breadth of one sector or industry: its symbols by their last session's change.

    `advancing + declining + unchanged + unknown == symbols`; `median_change` is a fraction, NaN
    when every change is unknown.
    """

    name: str
    symbols: int
    advancing: int
    declining: int
    unchanged: int
    unknown: int
    median_change: float


@dataclass(frozen=True, slots=True)
class Overview:
    """One page of the table and the two breadth charts.

    `query.page` is the page really shown. `matching` counts the rows after all filters, `stored`
    all symbols with bars. `sectors` follow the search only; `industries` follow the search and
    the sector filter, so that each chart still offers the bars next to the chosen one.
    """

    query: OverviewQuery
    rows: list[OverviewRow]
    matching: int
    pages: int
    stored: int
    stale: int
    sectors: list[GroupCount]
    industries: list[GroupCount]
    notes: list[str] = field(default_factory=list)


def build(query: OverviewQuery, latest: list[Latest], calendars: Calendars, now: int) -> Overview:
    """The overview of `latest` that `query` asks for, at the moment `now` (µs UTC)."""
    stored = [_row(entry, calendars, now) for entry in latest]
    searched, in_sector, matching = _filtered(query, stored)
    pages = max(1, math.ceil(len(matching) / PAGE_ROWS))
    page = min(query.page, pages)
    ordered = _sorted(matching, query.sort, query.descending)
    rows = ordered[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    return Overview(
        query=replace(query, page=page),
        rows=rows,
        matching=len(matching),
        pages=pages,
        stored=len(stored),
        stale=sum(row.stale for row in stored),
        sectors=_breadth(searched, lambda row: row.sector),
        industries=_breadth(in_sector, lambda row: row.industry),
        notes=_broken(rows) if matching else [_no_match(query)],
    )


def _broken(rows: list[OverviewRow]) -> list[str]:
    """One line for all of them."""
    found = [
        f"{row.symbol.code}: adjusted prices before {date_text(row.broken)}"
        for row in rows
        if row.broken is not None
    ]
    if not found:
        return []
    named = ", ".join(found[:MOST_NAMED])
    more = f" (and of {len(found) - MOST_NAMED} more symbols)" if len(found) > MOST_NAMED else ""
    return [
        f"{named}{more} have another base, so that nothing is compared with them: import the whole"
        " history from one download."
    ]


def table(
    query: OverviewQuery, latest: list[Latest], calendars: Calendars, now: int
) -> list[OverviewRow]:
    """All rows of the table that `query` asks for, whatever its page."""
    *_, matching = _filtered(query, [_row(entry, calendars, now) for entry in latest])
    return _sorted(matching, query.sort, query.descending)


def _filtered(
    query: OverviewQuery, stored: list[OverviewRow]
) -> tuple[list[OverviewRow], list[OverviewRow], list[OverviewRow]]:
    """The rows that match the search, those of them in the sector, those of these in the
    industry."""
    searched = [row for row in stored if _matches(row.symbol, query.q)]
    in_sector = [row for row in searched if query.sector in (None, row.sector)]
    return searched, in_sector, [r for r in in_sector if query.industry in (None, r.industry)]


def _row(entry: Latest, calendars: Calendars, now: int) -> OverviewRow:
    symbol = entry.symbol
    age = staleness(calendars.get(symbol.calendar, now), entry.session, now)
    width = entry.high_52w - entry.low_52w
    broken = entry.broken if entry.broken is not None and math.isnan(entry.close_1y) else None
    return OverviewRow(
        symbol=symbol,
        sector=symbol.sector or UNCLASSIFIED,
        industry=symbol.industry or UNCLASSIFIED,
        newest_ts=entry.ts,
        interval=entry.interval,
        session=entry.session,
        close=entry.close,
        change_1d=entry.close / entry.close_1d - 1,
        change_1w=entry.close / entry.close_1w - 1,
        change_1mo=entry.close / entry.close_1mo - 1,
        change_1y=entry.close / entry.close_1y - 1,
        volume=entry.volume,
        position_52w=(
            (entry.close - entry.low_52w) / width if width > 0 and broken is None else math.nan
        ),
        spark=entry.spark,
        stale=age.stale,
        stale_sessions=age.sessions,
        stale_text=age.text,
        broken=broken,
    )


def _matches(symbol: Symbol, text: str) -> bool:
    folded = text.casefold()
    return folded in symbol.code.casefold() or folded in symbol.name.casefold()


_SORT_KEYS: dict[str, Callable[[OverviewRow], str | float]] = {
    "symbol": lambda row: row.symbol.code,
    "name": lambda row: row.symbol.name.casefold(),
    "sector": lambda row: row.sector,
    "industry": lambda row: row.industry,
    "close": lambda row: row.close,
    "change_1d": lambda row: row.change_1d,
    "change_1w": lambda row: row.change_1w,
    "change_1mo": lambda row: row.change_1mo,
    "change_1y": lambda row: row.change_1y,
    "volume": lambda row: row.volume,
    "position_52w": lambda row: row.position_52w,
    "newest": lambda row: row.newest_ts,
    "stale": lambda row: math.nan if row.stale_sessions is None else row.stale_sessions,
}


def _sorted(rows: list[OverviewRow], column: str, descending: bool) -> list[OverviewRow]:
    """By one column, equals by code, unknown values last whatever the direction."""
    key = _SORT_KEYS[column]
    by_code = sorted(rows, key=lambda row: row.symbol.code)
    known = [row for row in by_code if not _unknown(key(row))]
    unknown = [row for row in by_code if _unknown(key(row))]
    return sorted(known, key=key, reverse=descending) + unknown


def _unknown(value: str | float) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _breadth(rows: Iterable[OverviewRow], group: Callable[[OverviewRow], str]) -> list[GroupCount]:
    """One count a group, the largest first, equals by name."""
    changes: dict[str, list[float]] = {}
    for row in rows:
        changes.setdefault(group(row), []).append(row.change_1d)
    counts = [_count(name, found) for name, found in changes.items()]
    return sorted(counts, key=lambda count: (-count.symbols, count.name))


def _count(name: str, changes: list[float]) -> GroupCount:
    known = [change for change in changes if not math.isnan(change)]
    return GroupCount(
        name=name,
        symbols=len(changes),
        advancing=sum(change > 0 for change in known),
        declining=sum(change < 0 for change in known),
        unchanged=sum(change == 0 for change in known),
        unknown=len(changes) - len(known),
        median_change=median(known) if known else math.nan,
    )


def _no_match(query: OverviewQuery) -> str:
    filters = [query.q and f"'{query.q}'", query.sector, query.industry]
    return f"No symbol matches {', '.join(f for f in filters if f)}."
