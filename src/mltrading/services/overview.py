"""The market at a glance: one row a symbol, and how sectors and industries moved."""

from __future__ import annotations

from dataclasses import dataclass, field

from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.view import OverviewQuery

PAGE_ROWS = 100
UNCLASSIFIED = "Unclassified"


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One symbol on its newest session. Changes are fractions (0.01 = +1%) of adjusted closes,
    NaN where history is too short; `position_52w` is 0 at the 52-week low and 1 at the high.

    `sector` and `industry` are never empty ("Unclassified"). `stale_sessions`/`stale_text` as in
    `DataTrust`; `stale` says whether to mark the row.
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
