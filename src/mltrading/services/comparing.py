"""Two to eight symbols on one axis, and what each did over the window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mltrading.domain import metrics
from mltrading.domain.bars import DAY, Bars, Floats, Interval, Symbol, Times
from mltrading.domain.bases import broken_at
from mltrading.domain.calendar import Calendar
from mltrading.domain.metrics import Metrics
from mltrading.domain.rollup import roll_up
from mltrading.domain.trust import staleness
from mltrading.domain.view import CompareView, Mode, Range
from mltrading.services.windows import (
    Source,
    Window,
    asked_window,
    date_text,
    floor_start,
    range_window,
)

POINTS = 1500
"""A line never carries more points than this."""
DEFAULT_RANGE = Range.Y1
LATE = 7 * DAY
"""A history that begins later or ends earlier than the others' by more than this is said."""
INTRADAY_UP_TO = 10 * DAY
LONG_PAUSE = 10  # bars, days at least; holidays are shorter
"""Longer windows compare days: sessions line up across exchanges, hours do not."""


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


def build(
    view: CompareView,
    sources: list[Source],
    notes: list[str],
    calendars: Mapping[str, Calendar | None],
    now: int,
) -> Comparison:
    """The comparison of the symbols of `sources` (at least one) at the moment `now` (µs UTC);
    `notes` come first among its notes."""
    symbols = [source.known.symbol for source in sources]
    window, moved = _window(view, sources)
    days = [_days(source, window) for source in sources]
    interval, ts, closes = _aligned(sources, days, window)
    return Comparison(
        view=view,
        interval=interval,
        ts=ts,
        timezone=sources[0].timezone,
        lines=[
            _line(symbol, source, ts, column, view.mode, calendars, now)
            for symbol, source, column in zip(symbols, sources, closes, strict=True)
        ],
        rows=[_row(symbol, own, days[0]) for symbol, own in zip(symbols, days, strict=True)],
        window_start=window.start,
        window_end=window.end,
        notes=[
            *notes,
            *moved,
            *_pause(ts, interval),
            *_broken(sources, window),
            *_kept_to_days(symbols, sources, window, interval),
            *_notes(symbols, sources, days, interval),
        ],
    )


def _window(view: CompareView, sources: list[Source]) -> tuple[Window, list[str]]:
    """The window asked for, else a range up to the newest bar of any of the symbols."""
    spans = [source.span for source in sources if source.stored]
    if not spans:
        return Window(0, 0), []
    newest = max(spans, key=lambda span: span.newest)
    span = replace(newest, first=min(span.first for span in spans))
    if view.start is not None or view.end is not None:
        return asked_window(view.start, view.end, span)
    return range_window(view.range or DEFAULT_RANGE, span), []


def _days(source: Source, window: Window) -> Bars:
    """The adjusted daily bars of the window, which the metrics rest on at any interval."""
    if Interval.D1 not in source.stored:
        return Bars.empty()
    start = floor_start(window.start, Interval.D1)
    return _between(source, Interval.D1, Window(start, window.end))


def _between(source: Source, interval: Interval, window: Window) -> Bars:
    bars = source.reader.between(source.symbol_id, interval, window.start, window.end)
    return source.comparable(source.adjusted(bars, interval))


def _aligned(
    sources: list[Source], days: list[Bars], window: Window
) -> tuple[Interval, Times, list[Floats]]:
    """The finest interval whose stamps, over all symbols, are at most POINTS; those stamps; and
    the closes of each symbol at them, NaN where it has none."""
    for interval in _intraday(sources, window):
        bars = [_between(source, interval, window) for source in sources]
        ts = _union(bars)
        if len(ts) <= POINTS:
            return interval, ts, [_placed(own, ts) for own in bars]
    for interval in (Interval.D1, Interval.W1):
        bars = days if interval is Interval.D1 else [roll_up(own, interval, "UTC") for own in days]
        ts = _union(bars)
        if len(ts) <= POINTS:
            return interval, ts, [_placed(own, ts) for own in bars]
    bars = [roll_up(own, Interval.MO1, "UTC") for own in days]
    ts = _union(bars)
    return Interval.MO1, ts, [_placed(own, ts) for own in bars]


def _intraday(sources: list[Source], window: Window) -> list[Interval]:
    """Intraday intervals, finest first, that every symbol with bars in a short window has."""
    if window.end - window.start > INTRADAY_UP_TO:
        return []
    present = [source for source in sources if _present(source, window)]
    return [
        interval
        for interval in Interval
        if interval.intraday
        and present
        and all(
            interval in source.stored
            and source.covers(interval, window)
            and source.count(interval, window, POINTS) <= POINTS
            for source in present
        )
    ]


def _present(source: Source, window: Window) -> bool:
    start = floor_start(window.start, Interval.D1)  # a day is stamped before its first minute
    return bool(source.stored) and source.first < window.end and source.newest >= start


def _kept_to_days(
    symbols: list[Symbol], sources: list[Source], window: Window, interval: Interval
) -> list[str]:
    """Which symbols keep a short window to daily bars that the others have finer ones of."""
    if interval is not Interval.D1 or window.end - window.start > INTRADAY_UP_TO:
        return []
    finer = {
        symbol.code: any(i.intraday and source.covers(i, window) for i in source.stored)
        for symbol, source in zip(symbols, sources, strict=True)
        if _present(source, window)
    }
    without = [code for code, has in finer.items() if not has]
    if not without or len(without) == len(finer):
        return []
    have = "has" if len(without) == 1 else "have"
    return [f"Lines are daily: {', '.join(without)} {have} no intraday bars in this window."]


def _union(bars: list[Bars]) -> Times:
    return np.unique(np.concatenate([own.ts for own in bars]))


def _placed(bars: Bars, ts: Times) -> Floats:
    closes = np.full(len(ts), np.nan)
    closes[np.searchsorted(ts, bars.ts)] = bars.close
    return closes


def _line(
    symbol: Symbol,
    source: Source,
    ts: Times,
    closes: Floats,
    mode: Mode,
    calendars: Mapping[str, Calendar | None],
    now: int,
) -> CompareLine:
    known = np.flatnonzero(np.isfinite(closes))
    base = float(closes[known[0]]) if len(known) else math.nan
    values = {
        "percent": (closes / base - 1) * 100,
        "indexed": closes / base * 100,
        "price": closes,
    }[mode]
    calendar = calendars[symbol.calendar]
    return CompareLine(
        symbol=symbol,
        values=values,
        base_ts=int(ts[known[0]]) if len(known) else None,
        base_price=base,
        stale_text=staleness(calendar, source.newest_session, now).text if source.stored else "",
    )


def _row(symbol: Symbol, own: Bars, first: Bars) -> CompareMetrics:
    correlation, common = metrics.correlation(first.ts, first.close, own.ts, own.close)
    return CompareMetrics(symbol, metrics.measure(own.close, own.volume), correlation, common)


def _notes(
    symbols: list[Symbol], sources: list[Source], days: list[Bars], interval: Interval
) -> list[str]:
    """What makes the lines less comparable than they look."""
    notes: list[str] = []
    if len(symbols) == 1:
        notes.append("One symbol only; add a second one to compare it with.")
    held = [own for own in days if len(own)]
    first = min((int(own.ts[0]) for own in held), default=0)
    last = max((int(own.ts[-1]) for own in held), default=0)
    for symbol, source, own in zip(symbols, sources, days, strict=True):
        notes += _span_notes(symbol, source, own, first, last)
    calendars = {symbol.calendar or "unknown" for symbol in symbols}
    if len(calendars) > 1:
        names = ", ".join(sorted(calendars))
        notes.append(f"Calendars differ ({names}): correlation uses common sessions only.")
    currencies = {symbol.currency for symbol in symbols if symbol.currency}
    if len(currencies) > 1:
        names = ", ".join(sorted(currencies))
        notes.append(f"Currencies differ ({names}): each line is in its own.")
    if interval is not Interval.D1:
        sessions = max((len(own) for own in days), default=0)
        rests = "one daily close" if sessions == 1 else "daily closes"
        notes.append(f"Lines are {interval.value} closes; the table rests on {rests}.")
    return notes


def _pause(ts: Times, interval: Interval) -> list[str]:
    """The longest time that the axis leaves out because nobody traded, where it is long."""
    if len(ts) < 2:
        return []
    steps = np.diff(ts)
    longest = int(np.argmax(steps))
    if steps[longest] <= LONG_PAUSE * max(interval.length, DAY):
        return []
    gone, back = (date_text(int(t)) for t in ts[longest : longest + 2])
    return [f"No bars between {gone} and {back}: the axis leaves that time out."]


def _broken(sources: list[Source], window: Window) -> list[str]:
    """Which lines begin late, as what is before has another base."""
    found = []
    for source in sources:
        broken = broken_at(source.known.changes, window.end - 1)
        if broken is not None and broken > max(window.start, source.first):
            found.append(
                f"{source.known.symbol.code}: adjusted prices before {date_text(broken)} have"
                " another base, so that it is compared from there on."
            )
    return found


def _span_notes(symbol: Symbol, source: Source, own: Bars, first: int, last: int) -> list[str]:
    if not source.stored:
        return [f"{symbol.code} has no bars."]
    if not len(own):
        span = f"{date_text(source.first)} to {date_text(source.newest)}"
        return [f"{symbol.code} has no bars in this window; stored is {span}."]
    notes = []
    if own.ts[0] > first + LATE:
        notes.append(f"{symbol.code} begins on {date_text(int(own.ts[0]))}, later than others.")
    if own.ts[-1] < last - LATE:
        notes.append(f"{symbol.code} ends on {date_text(int(own.ts[-1]))}, earlier than others.")
    return notes
