"""Which stretch of time a view shows, at which interval, and the bars of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mltrading.domain import bases
from mltrading.domain.bars import DAY, Bars, Interval, Series, Times
from mltrading.domain.query import format_moment
from mltrading.domain.rollup import bucket_starts, roll_up
from mltrading.domain.view import Range
from mltrading.domain.zones import utc_of_local
from mltrading.services.derived import Derived
from mltrading.services.ports import BarReader, Stored

_CHEAP = 400
"""Reading so many bars too many costs less than asking how many there are."""
_NO_LABELS: Times = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Window:
    """start <= bar < end, in microseconds UTC."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """First and newest stamp of some bars, and the session label of the newest."""

    first: int
    newest: int
    session: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How many bars to load: at most `visible` in the window, as many again and at least
    `padding` on each side while all stay within `most`, and `warm_up` before those."""

    visible: int
    padding: int
    most: int
    warm_up: int

    def padded(self, visible: int) -> int:
        """Bars of padding on both sides together: a screen on each, as far as there is room."""
        return min(self.most - visible, 2 * max(visible, self.padding))


@dataclass(frozen=True, slots=True)
class Source:
    """The bars of one symbol as a view may read them."""

    reader: BarReader
    known: Stored
    derived: Derived

    @property
    def symbol_id(self) -> int:
        return self.known.symbol.id

    @property
    def timezone(self) -> str:
        return self.known.symbol.timezone or "UTC"

    @property
    def stored(self) -> Mapping[Interval, Series]:
        return self.known.series

    @property
    def first(self) -> int:
        return min(s.first_ts for s in self.stored.values())

    @property
    def newest(self) -> int:
        return max(s.last_ts for s in self.stored.values())

    @property
    def span(self) -> Span:
        return Span(self.first, self.newest, self.newest_session, self.timezone)

    @property
    def newest_session(self) -> int:
        """Session label of the newest bar."""
        if Interval.D1 in self.stored:
            return self.stored[Interval.D1].last_ts
        return int(session_labels(np.array([self.newest]), self.timezone)[0])

    @property
    def available(self) -> tuple[Interval, ...]:
        """The intervals it can be shown in, finest first."""
        derived = Interval.D1 in self.stored
        return tuple(i for i in Interval if i in self.stored or (derived and not i.stored))

    def series(self, interval: Interval) -> Series:
        """The stored series that bars of `interval` are read from."""
        return self.stored[interval if interval.stored else Interval.D1]

    def adjusted(self, bars: Bars, interval: Interval) -> Bars:
        """Stored bars of `interval`, adjusted so that the symbol's newest shows what was traded.
        A series whose source adjusts nothing stays as traded beside one that is adjusted."""
        newest = self.known.newest
        bars = bases.rebased(bars, self.known.changes)
        if newest is None or not self.series(interval).adjusted:
            return bars.adjusted()
        return bars.adjusted(newest.factor)

    def comparable(self, bars: Bars) -> Bars:
        """The bars that the newest of them is comparable with."""
        return bases.comparable(bars, self.known.changes)

    def overlaps(self, interval: Interval, window: Window) -> bool:
        series = self.series(interval)
        return series.first_ts < window.end and series.last_ts >= window.start

    def covers(self, interval: Interval, window: Window) -> bool:
        """Whether bars of `interval` reach over the window (less a day or 5% on each side) as
        far as any bars of the symbol do. Minutes often begin years after the days."""
        series = self.series(interval)
        slack = max(DAY, (window.end - window.start) // 20)
        start = max(window.start, self.first) + slack
        end = min(window.end, self.newest + 1) - slack
        return series.first_ts <= start and series.last_ts >= end

    def count(self, interval: Interval, window: Window, limit: int) -> int:
        """How many bars the window holds, counting to `limit` + 1; a bound of it where that is
        below _CHEAP or the interval is derived, and the series' own count where the window holds
        all of it, which spare the database a question."""
        series = self.series(interval)
        start = floor_start(window.start, interval)
        slots = (window.end - start) // interval.length + 2
        bound = min(series.bars, slots)
        if interval.stored and start <= series.first_ts and window.end > series.last_ts:
            return series.bars
        if bound <= min(limit, _CHEAP) or not interval.stored:
            return bound
        return self.reader.count(self.symbol_id, interval, start, window.end, limit + 1)

    def finest(
        self, candidates: Sequence[Interval], window: Window, limit: int
    ) -> tuple[Interval, int]:
        """The finest candidate (finest first) with at most `limit` bars in the window, or the
        coarsest; and how many bars it has at most.

        A binary search, as a coarser interval never holds more bars.
        """
        low, high = 0, len(candidates) - 1
        counts: dict[int, int] = {}
        while low < high:
            middle = (low + high) // 2
            counts[middle] = self.count(candidates[middle], window, limit)
            if counts[middle] <= limit:
                high = middle
            else:
                low = middle + 1
        if low not in counts:
            counts[low] = self.count(candidates[low], window, limit)
        return candidates[low], counts[low]

    def newest_start(self, interval: Interval, end: int, bars: int) -> int:
        """Where a window begins that holds the newest `bars` bars before `end`."""
        if not interval.stored:
            return floor_start(end - bars * interval.length, interval)
        found = self.reader.before(self.symbol_id, interval, end, bars)
        return int(found.ts[0]) if len(found) else self.first

    def read(
        self, interval: Interval, window: Window, lead: int, trail: int, now: int
    ) -> tuple[Bars, Times]:
        """The adjusted newest `lead` bars before the window's end and `trail` bars after it, or
        fewer where history ends; and the session labels of the days they were made of, which
        for intraday bars are left to whoever needs them."""
        if interval.stored:
            parts = [self.reader.before(self.symbol_id, interval, window.end, lead)]
            if trail and self.stored[interval].last_ts >= window.end:
                parts.append(self.reader.after(self.symbol_id, interval, window.end, trail))
            bars = self.adjusted(Bars.concat(parts), interval)
            return bars, bars.ts if interval is Interval.D1 else _NO_LABELS
        step = interval.length + DAY  # no month is longer
        start = floor_start(window.end - lead * step, interval)
        end = floor_start(window.end - 1 + (trail + 1) * step, interval)
        days = self.stored[Interval.D1]
        made, labels = self.derived.get(days, interval, lambda: self._derive(days, interval))
        rolled = made[slice(*np.searchsorted(made.ts, [start, end]))]
        over = rolled.ts < floor_start(now, interval)  # else the bucket is still forming
        shown = labels[slice(*np.searchsorted(labels, [start, end]))]
        return replace(rolled, is_final=rolled.is_final & over), shown

    def _derive(self, days: Series, interval: Interval) -> tuple[Bars, Times]:
        """All bars of `interval`, adjusted, and the labels of all days: a few thousand rows."""
        every = (days.first_ts, days.last_ts + 1)
        bars = self.reader.between(self.symbol_id, Interval.D1, *every)
        bars = self.adjusted(bars, Interval.D1)
        return roll_up(bars, interval, self.timezone), bars.ts


@dataclass(frozen=True, slots=True)
class Slice:
    """The bars of a view inside the longer run that indicators need.

    `bars[begin:stop]` are loaded, `bars[first:last]` of them visible (half-open positions).
    """

    bars: Bars
    labels: Times
    begin: int
    first: int
    last: int
    stop: int


def load(source: Source, interval: Interval, window: Window, shape: Shape, now: int) -> Slice:
    """The window's bars (the newest `shape.most` at most), padding on both sides, and the bars
    that indicators need before them."""
    visible = min(shape.visible, shape.most)
    lead = visible + shape.padded(visible) + shape.warm_up
    bars, labels = source.read(interval, window, lead, shape.padded(visible) // 2, now)
    start = floor_start(window.start, interval)
    first, last = (int(p) for p in np.searchsorted(bars.ts, [start, window.end]))
    first = max(first, last - shape.most)
    padding = shape.padded(last - first)
    stop = min(len(bars), last + padding // 2)
    begin = max(0, first - min(padding - (stop - last), max(last - first, shape.padding)))
    return Slice(bars, labels, begin, first, last, stop)


def session_labels(ts: Times, timezone: str) -> Times:
    """Session label of each intraday stamp."""
    return bucket_starts(ts, Interval.D1, timezone)


def floor_start(start: int, interval: Interval) -> int:
    """The stamp of the first bar that shows at `start`: a day, week or month that has begun by
    then shows whole, an intraday bar only when it begins at or after `start`."""
    if interval.intraday:
        return start
    day = start - start % DAY
    if interval is Interval.D1:
        return day
    return int(bucket_starts(np.array([day]), interval, "UTC")[0])


def range_window(chosen: Range, span: Span) -> Window:
    """The range up to the newest bar; 1D is the newest session of the exchange."""
    start = chosen.start(span.newest)
    if chosen is Range.D1:
        start = min(span.newest, _midnight(span.session, span.timezone))
    return Window(span.first if start is None else max(start, span.first), span.newest + 1)


@lru_cache(maxsize=4096)
def _midnight(label: int, timezone: str) -> int:
    """When the date of a session label begins in that zone."""
    return int(utc_of_local(np.array([label]), timezone)[0])


def asked_window(start: int | None, end: int | None, span: Span) -> tuple[Window, list[str]]:
    """The window asked for, cut to where data is; one beside all data is moved to its nearest
    end, which the note says. A missing start is a year before the end."""
    first, stop = span.first, span.newest + 1
    until = stop if end is None else end
    begin = start if start is not None else _year_before(until)
    if begin < min(until, stop) and until > first:
        return Window(max(begin, first), min(until, stop)), []
    length = until - begin
    if length <= 0:  # only a start was given, and it lies after all data
        length = stop - _year_before(stop)
    moved = Window(max(first, stop - length), stop)
    if until <= first:
        moved = Window(first, min(stop, first + length))
    stored = f"{date_text(first)} to {date_text(span.newest)}"
    return moved, [f"No bars in the window asked for: stored is {stored}; the nearest are shown."]


def _year_before(end: int) -> int:
    start = Range.Y1.start(end - 1)
    assert start is not None  # only ALL has none
    return start


def date_text(micros: int) -> str:
    """The UTC date (of a session label: the session's date) as ISO text."""
    return format_moment(micros - micros % DAY)
