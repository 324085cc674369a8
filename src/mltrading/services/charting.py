"""The chart of one symbol: its interval, its bars, its indicators, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mltrading.domain.bars import Bars, Floats, Interval, Symbol
from mltrading.domain.indicators import IndicatorSpec
from mltrading.domain.view import ChartView


@dataclass(frozen=True, slots=True)
class IndicatorLines:
    """One indicator over the chart's bars. Each line is as long as the bars, NaN where unknown;
    `pane` is "price" or the name of a pane of its own; the main line comes first."""

    spec: IndicatorSpec
    label: str
    pane: str
    lines: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest adjusted daily close and its change over the session before; NaN where unknown.

    `session` is the session label (µs UTC) of that close.
    """

    close: float
    change: float
    change_percent: float
    session: int


@dataclass(frozen=True, slots=True)
class DataTrust:
    """What a trader must know before believing the chart.

    `newest_ts` is the newest stored bar (None: the symbol has no bars). `stale_sessions` counts
    the sessions completed after it, 0 when fresh, None when the exchange's calendar is unknown;
    `stale_text` is "" when fresh, else as "2 sessions", "13 y" or "age unknown: ...".
    `missing_sessions` counts sessions inside the visible window without a bar (None: calendar
    unknown).
    """

    newest_ts: int | None
    stale_sessions: int | None
    stale_text: str
    missing_sessions: int | None
    adjusted: bool
    has_volume: bool
    source: str
    notice: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the Charts page draws.

    `bars` are adjusted, at most about 1,500: the visible ones (`first_visible` to `last_visible`,
    positions in `bars`, inclusive; 0 and -1 when `bars` is empty) and padding on both sides so
    that panning has data. `window_start`/`window_end` (µs, half-open) is the window shown, after
    clamping. `auto`: the interval shown was picked by the service (none was asked, or a coarser
    one than asked was needed). `finer`: a finer interval is stored that zooming in would load,
    down to the asked one. `more_left`/`more_right`: bars exist beyond the loaded ones.
    `notes` are sentences for the user: why it is empty, clamped or coarser.
    """

    symbol: Symbol
    view: ChartView
    interval: Interval
    auto: bool
    bars: Bars
    first_visible: int
    last_visible: int
    window_start: int
    window_end: int
    indicators: list[IndicatorLines]
    more_left: bool
    more_right: bool
    finer: bool
    trust: DataTrust
    quote: Quote | None
    available: tuple[Interval, ...]  # intervals this symbol can be shown in, finest first
    notes: list[str] = field(default_factory=list)
