"""Judges traders' alerts when bars arrive: each closed bar once, whatever ends a worker.

What was judged last is kept with what it told, in one transaction: a worker that starts goes on
there. Only symbols with alerts are read, only as many bars as their conditions need, and only after
something about them changed or a bar closed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mltrading.domain.access import Scope
from mltrading.domain.bars import Interval
from mltrading.domain.calendar import Calendar
from mltrading.domain.price_alerts.brake import braked
from mltrading.domain.price_alerts.closing import days
from mltrading.domain.price_alerts.judging import judged, needed
from mltrading.errors import UnknownSymbol
from mltrading.services.ports.price_alerts import (
    Due,
    Firing,
    PriceAlert,
    PriceWatchStore,
    Ruling,
)
from mltrading.services.price_bars import ClosedBars, closed_bars
from mltrading.services.price_words import MOST_BARS, Words
from mltrading.services.reading import MarketReader
from mltrading.services.windows import Source, Window
from mltrading.utils.clock import Clock, microseconds

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
Key = tuple[str, Interval]


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert, and how many bars it told of."""

    alert: PriceAlert
    bars: int
    mailed: bool


class PriceWatch:
    """`look` is called by one thread, again after EVERY_SECONDS. `developer`: nobody signs in here.
    `mails` says whether e-mail is sent at present."""

    def __init__(
        self,
        store: PriceWatchStore,
        reader: MarketReader,
        words: Words,
        clock: Clock,
        *,
        developer: bool,
        mails: Callable[[], bool],
    ) -> None:
        self._store = store
        self._reader = reader
        self._words = words
        self._clock = clock
        self._developer = developer
        self._mails = mails
        self._rests: dict[Key, tuple[str, int]] = {}

    def look(self) -> Iterator[Fired]:
        """Judge what is due; what fired, as it is kept. DatabaseUnavailable where it is away."""
        due = self._store.due(self._developer)
        keys = {(one.code, one.interval) for one in due}
        self._rests = {key: rest for key, rest in self._rests.items() if key in keys}
        for one in due:
            if not self._resting(one):
                yield from self._judge(one)

    def _resting(self, due: Due) -> bool:
        """Whether nothing changed since it was judged, and no bar closed."""
        version, until = self._rests.get((due.code, due.interval), ("", 0))
        return version == due.version and microseconds(self._clock.now()) < until

    def _judge(self, due: Due) -> Iterator[Fired]:
        known: dict[int, PriceAlert] = {}
        # Bars are read between two transactions: nobody who changes an alert is to wait for them.
        self._store.judge(due.ids, self._developer, lambda one: known.update({one.id: one}))
        if not known:
            return
        reading = _reading(due.interval, list(known.values()))
        try:
            closed = self._reader.of(Scope.ALL, due.code, reading)
        except UnknownSymbol:
            return  # it is gone, and its alerts with it
        changed = []

        def decide(alert: PriceAlert) -> Ruling | None:
            if known.get(alert.id) == alert:
                return self._ruling(alert, closed)
            changed.append(alert)  # meanwhile: the bars may be too few, or older than it has seen
            return None

        kept = self._store.judge(due.ids, self._developer, decide)
        if not changed:
            self._rests[due.code, due.interval] = due.version, closed.until
        for alert, ruling in kept:
            if ruling.firings:
                yield Fired(alert, len(ruling.firings), ruling.mailed)

    def _ruling(self, alert: PriceAlert, closed: ClosedBars) -> Ruling | None:
        """What the bars say that it has not seen."""
        wish, newest = alert.wish, closed.newest
        if newest is None or alert.seen == newest:
            return None
        if alert.seen is None:
            return Ruling(newest, alert.told)
        first = int(np.searchsorted(closed.bars.ts, alert.seen, side="right"))
        if first == len(closed.bars):
            return None  # bars were taken back; the next new one is judged
        left_out = len(closed.bars) - first > MOST_BARS
        first = max(first, len(closed.bars) - MOST_BARS)
        verdicts = judged(wish.condition, closed.bars, closed.interval, closed.timezone, first)
        hits = np.flatnonzero(verdicts.came_true) + first
        moments = closed.ends[hits].tolist()
        allowed, told = braked(
            wish.brake,
            alert.told,
            zip(moments, days(closed.ends[hits], closed.timezone).tolist(), strict=True),
        )
        firings = tuple(
            Firing(int(closed.bars.ts[at]), float(closed.bars.close[at]))
            for at, yes in zip(hits, allowed, strict=True)
            if yes
        )
        if not firings:
            return Ruling(newest, told)
        message = self._words.message(alert, firings, left_out)
        mailed = wish.by_email and bool(alert.email) and self._mails()
        return Ruling(newest, told, firings, message, mailed)


def _reading(
    interval: Interval, alerts: Sequence[PriceAlert]
) -> Callable[[Source, Calendar | None, int], ClosedBars]:
    """Reads the closed bars that the alerts have not seen, and those that decide over them."""
    reach = max(needed(alert.wish.condition, interval) for alert in alerts)
    seen = [alert.seen for alert in alerts if alert.seen is not None]

    def read(source: Source, calendar: Calendar | None, now: int) -> ClosedBars:
        new = 0
        if seen and interval in source.available:
            window = Window(min(seen) + 1, source.series(interval).last_ts + 1)
            new = source.count(interval, window, MOST_BARS) if window.end > window.start else 0
        lead = reach + min(new, MOST_BARS) + 1
        return closed_bars(source, interval, calendar, lead, now)

    return read
