"""Two to eight symbols on one axis, and what each did over the window."""

from __future__ import annotations

from dataclasses import dataclass, field

from mltrading.domain.bars import Floats, Interval, Symbol, Times
from mltrading.domain.metrics import Metrics
from mltrading.domain.view import CompareView


@dataclass(frozen=True, slots=True)
class CompareLine:
    """One symbol's adjusted closes in the unit of the mode (percent, index points, price),
    aligned on `Comparison.ts`, NaN where it has no bar. `base_price` is the adjusted close that
    counts as 0% or 100, at `base_ts`; NaN and None when the window holds no bar of it."""

    symbol: Symbol
    values: Floats
    base_ts: int | None
    base_price: float
    stale_text: str


@dataclass(frozen=True, slots=True)
class CompareMetrics:
    """One row of the table, in the order of the lines.

    `correlation` is with the first symbol (the first with itself is 1), on `common_sessions`
    sessions that both have.
    """

    symbol: Symbol
    metrics: Metrics
    correlation: float
    common_sessions: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything the Compare page draws; `ts` ascends and has at most about 1,500 points."""

    view: CompareView
    interval: Interval
    ts: Times
    timezone: str
    lines: list[CompareLine]
    rows: list[CompareMetrics]
    window_start: int
    window_end: int
    notes: list[str] = field(default_factory=list)
