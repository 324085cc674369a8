"""The chart of one symbol: its interval, its bars, its indicators, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mltrading.domain import indicators
from mltrading.domain.bars import Bars, Floats, Interval, Symbol
from mltrading.domain.bases import broken_at
from mltrading.domain.calendar import Calendar
from mltrading.domain.indicators import IndicatorSpec
from mltrading.domain.trust import staleness
from mltrading.domain.view import ChartView, Range
from mltrading.services.ports import NewestClose
from mltrading.services.windows import (
    Shape,
    Slice,
    Source,
    Window,
    asked_window,
    date_text,
    floor_start,
    load,
    range_window,
    session_labels,
)

LOADED = 1500
"""A chart on screen never carries more bars than this, padding included."""
VISIBLE = 1300
"""So many may be visible, which leaves padding to pan into."""
OPENING = 250
"""Visible bars of an interval asked for without a window: a year of sessions."""
NEAREST = 100
"""Bars shown before a window that turned out to lie in a hole of the data."""
MIN_PADDING = 200
DEFAULT_RANGE = Range.Y1


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bars a chart may carry: in its window, and with padding."""

    visible: int
    loaded: int


SCREEN = Limits(VISIBLE, LOADED)


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
    unknown). `broken` is the session from which on adjusted prices have another base than bars
    shown before it (None: they have not).
    """

    newest_ts: int | None
    stale_sessions: int | None
    stale_text: str
    missing_sessions: int | None
    adjusted: bool
    has_volume: bool
    source: str
    notice: str
    broken: int | None = None


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


def build(
    view: ChartView, source: Source, calendar: Calendar | None, now: int, limits: Limits = SCREEN
) -> Chart:
    """The chart of the source's symbol as `view` asks for it, at the moment `now` (µs UTC)."""
    symbol = source.known.symbol
    if not source.stored:
        return _empty(view, symbol)
    candidates, notes = _candidates(view.interval, source, symbol)
    window, moved = _window(view, candidates[0], source)
    covering = [i for i in candidates if source.covers(i, window)] or candidates[-1:]
    interval, visible = source.finest(covering, window, limits.visible)
    shape = Shape(visible, MIN_PADDING, limits.loaded, _warm_up(view, interval))
    found = load(source, interval, window, shape, now)
    notes += moved
    if found.first == found.last:
        notes.append(_hole(source, interval, window))
        window = Window(source.newest_start(interval, window.end, NEAREST), window.end)
        found = load(source, interval, window, replace(shape, visible=NEAREST), now)
    if view.interval and interval is not candidates[0]:
        crowded = limits.visible if candidates[0] in covering else 0
        notes.append(_coarser(source, interval, candidates[0], crowded))
    bars = found.bars[found.begin : found.stop]
    series = source.series(interval)
    return Chart(
        symbol=symbol,
        view=view,
        interval=interval,
        auto=interval is not view.interval,
        bars=bars,
        first_visible=found.first - found.begin,
        last_visible=found.last - found.begin - 1,
        window_start=window.start,
        window_end=window.end,
        indicators=[_lines(spec, found, interval, source.timezone) for spec in view.indicators],
        more_left=floor_start(series.first_ts, interval) < int(bars.ts[0]),
        more_right=floor_start(series.last_ts, interval) > int(bars.ts[-1]),
        finer=any(source.overlaps(i, window) for i in candidates if i.length < interval.length),
        trust=_trust(symbol, source, interval, found, calendar, now),
        quote=quote(source.known.newest),
        available=source.available,
        notes=notes,
    )


def _empty(view: ChartView, symbol: Symbol) -> Chart:
    nothing = DataTrust(None, None, "", None, False, False, "", "")
    return Chart(
        symbol=symbol,
        view=view,
        interval=view.interval or Interval.D1,
        auto=view.interval is None,
        bars=Bars.empty(),
        first_visible=0,
        last_visible=-1,
        window_start=view.start or 0,
        window_end=view.end or 0,
        indicators=[],
        more_left=False,
        more_right=False,
        finer=False,
        trust=nothing,
        quote=None,
        available=(),
        notes=[
            f"{symbol.code} has no bars yet; import a file of them with "
            "`mltrading import FILE --symbol CODE`."
        ],
    )


def _candidates(
    asked: Interval | None, source: Source, symbol: Symbol
) -> tuple[list[Interval], list[str]]:
    """The intervals that may be shown, finest first: none finer than the one asked for."""
    known = source.available
    if asked is None or asked in known:
        return [i for i in known if asked is None or i.length >= asked.length], []
    coarser = [i for i in known if i.length > asked.length] or [known[-1]]
    finest = f"Bars of {asked.value} are not stored for {symbol.code}"
    return coarser, [f"{finest}; the finest is {known[0].value}."]


def _window(view: ChartView, asked: Interval, source: Source) -> tuple[Window, list[str]]:
    """The window of the view; without any, a year, or the newest bars of an asked interval."""
    if view.start is not None or view.end is not None:
        return asked_window(view.start, view.end, source.span)
    if view.range is None and view.interval is not None:
        end = source.series(asked).last_ts + 1
        return Window(source.newest_start(asked, end, OPENING), end), []
    return range_window(view.range or DEFAULT_RANGE, source.span), []


def _warm_up(view: ChartView, interval: Interval) -> int:
    return max((indicators.warm_up(spec, interval) for spec in view.indicators), default=0)


def _hole(source: Source, interval: Interval, window: Window) -> str:
    """Why a window inside the data shows other bars than were asked for."""
    before = source.reader.before(source.symbol_id, _stored(interval), window.start, 1)
    after = source.reader.after(source.symbol_id, _stored(interval), window.end, 1)
    dates = [date_text(int(b.ts[0])) for b in (before, after) if len(b)]
    return f"No bars in the window asked for; the nearest are of {' and '.join(dates)}."


def _coarser(source: Source, shown: Interval, asked: Interval, crowded: int) -> str:
    """Why bars coarser than asked for are shown: there are over `crowded`, or, where that is 0,
    none for a part of the window."""
    if crowded:
        return f"Shown as {shown.value}: the window holds over {crowded} bars of {asked.value}."
    series = source.series(asked)
    span = f"{date_text(series.first_ts)} to {date_text(series.last_ts)}"
    return f"Shown as {shown.value}: bars of {asked.value} reach from {span}."


def _stored(interval: Interval) -> Interval:
    return interval if interval.stored else Interval.D1


def _lines(spec: IndicatorSpec, found: Slice, interval: Interval, timezone: str) -> IndicatorLines:
    """One indicator over the loaded bars. It is given exactly its own warm-up, so that its
    values do not depend on which other indicators are drawn."""
    entry = indicators.REGISTRY[spec.name]
    begin = max(0, found.begin - indicators.warm_up(spec, interval))
    lines = indicators.compute(spec, found.bars[begin : found.stop], interval, timezone)
    return IndicatorLines(
        spec=spec,
        label=indicators.label(spec, interval),
        pane=entry.pane,
        lines={name: lines[name][found.begin - begin :] for name in entry.lines},
    )


def _trust(
    symbol: Symbol,
    source: Source,
    interval: Interval,
    found: Slice,
    calendar: Calendar | None,
    now: int,
) -> DataTrust:
    series = source.series(interval)
    age = staleness(calendar, source.newest_session, now)
    return DataTrust(
        newest_ts=source.newest,
        stale_sessions=age.sessions,
        stale_text=age.text,
        missing_sessions=_missing(calendar, source, interval, found),
        adjusted=series.adjusted,
        has_volume=series.has_volume,
        source=series.source,
        notice=series.notice,
        broken=_broken(source, found),
    )


def _broken(source: Source, found: Slice) -> int | None:
    """Of a window before it as of one over it: its prices are not on the base of the newest."""
    broken = broken_at(source.known.changes)
    return broken if broken is not None and broken > found.bars.ts[found.first] else None


def _missing(
    calendar: Calendar | None, source: Source, interval: Interval, found: Slice
) -> int | None:
    """Sessions of the exchange between the first and last visible ones that have no bar."""
    if interval.intraday:
        labels = session_labels(found.bars.ts[found.first : found.last], source.timezone)
    else:
        begin = found.bars.ts[found.first]
        after = found.bars.ts[found.last :]
        stop = after[0] if len(after) else found.labels[-1] + 1
        labels = found.labels[(found.labels >= begin) & (found.labels < stop)]
    start, end = int(labels[0]), int(labels[-1]) + 1
    if calendar is None or not calendar.covers(start, end):
        return None
    return len(calendar.missing(labels, start, end))


def quote(newest: NewestClose | None) -> Quote | None:
    """What is said of the newest close; None where there is none."""
    if newest is None:
        return None
    change = newest.close - newest.previous
    return Quote(newest.close, change, 100 * change / newest.previous, newest.session)
