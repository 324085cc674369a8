"""One day of the deployment beside the day before: how it ran, and how much it was used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan, nan

from mltrading.services.ports.operations import (
    OperationsBook,
    Samples,
    Timing,
    Usage,
    Window,
)
from mltrading.utils.histogram import added, quantile

DAY = timedelta(days=1)
HOUR_SECONDS = 3600
SAME = 0.02  # a change by less is none


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure of a day beside that of the day before; NaN where it is not known. `lower`: whether
    less of it is better; None where neither is."""

    name: str
    unit: str
    now: float
    before: float
    lower: bool | None

    @property
    def words(self) -> str:
        """ "better", "worse", "more", "less", "same", or "" where one is not known."""
        if isnan(self.now) or isnan(self.before):
            return ""
        if abs(self.now - self.before) <= SAME * abs(self.before):
            return "same"
        fell = self.now < self.before
        if self.lower is None:
            return "less" if fell else "more"
        return "better" if fell == self.lower else "worse"


@dataclass(frozen=True, slots=True)
class Day:
    """The 24 hours before `until`. `window.samples` is 0 where nothing was measured."""

    until: datetime
    window: Window
    users: int
    pages: Sequence[Usage]
    callbacks: Sequence[Usage]
    timings: Sequence[Timing]

    def p95(self, usage: Iterable[Usage]) -> float:
        """Of all these together."""
        return quantile(_summed(one.latency for one in usage), 0.95)

    def browser(self, kind: str, share: float) -> float:
        """What browsers measured of that kind, on all pages."""
        counts = (one.counts for one in self.timings if one.kind == kind)
        return quantile(_summed(counts), share)


@dataclass(frozen=True, slots=True)
class Days:
    """A day and the one before."""

    now: Day
    before: Day

    @property
    def measured(self) -> bool:
        return self.now.window.samples > 0

    def trends(self) -> list[Trend]:
        """How it ran and how much it was used, each beside the day before."""
        days = (self.now, self.before)
        windows = (self.now.window, self.before.window)
        answers = _ms(one.latency_p95_seconds for one in windows)
        callbacks = _ms(one.p95(one.callbacks) for one in days)
        loads = _ms(one.browser("load", 0.75) for one in days)
        paints = _ms(one.browser("paint", 0.75) for one in days)
        return [
            _trend("Requests", "", None, _counts(windows, "requests")),
            _trend("Users", "", None, _users(days)),
            _trend("Failed", "%", True, _pair(100 * one.error_rate for one in windows)),
            _trend("Answers, 95 of 100", "ms", True, answers),
            _trend("Slower than 10 s", "", True, _counts(windows, "slow")),
            _trend("Callbacks, 95 of 100", "ms", True, callbacks),
            _trend("Pages loaded, 3 of 4", "ms", True, loads),
            _trend("Charts painted, 3 of 4", "ms", True, paints),
        ]


class DayReader:
    """Reads days out of what was measured. For services: it asks nobody's right."""

    def __init__(self, samples: Samples, book: OperationsBook) -> None:
        self._samples = samples
        self._book = book

    def days(self, until: datetime) -> Days:
        """The day that ends with the hour of `until`, and the one before."""
        end = until.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Days(self._day(end), self._day(end - DAY))

    def _day(self, until: datetime) -> Day:
        since = until - DAY
        steps = self._samples.series(since, until, HOUR_SECONDS)
        active = self._book.active_users(since.date(), until.date())
        return Day(
            until,
            together([window for _, window in steps]),
            max((count for _, count in active), default=0),
            self._book.usage("page", since, until),
            self._book.usage("callback", since, until),
            self._book.timings(since, until),
        )


def together(windows: Sequence[Window]) -> Window:
    """Windows that follow one another, as one: sums, and the worst of the shares."""
    latency = _summed(one.latency for one in windows)
    return Window(
        requests=sum(one.requests for one in windows),
        errors=sum(one.errors for one in windows),
        slow=sum(one.slow for one in windows),
        database_failures=sum(one.database_failures for one in windows),
        latency_p95_seconds=quantile(latency, 0.95),
        memory_share=max(_known(one.memory_share for one in windows), default=nan),
        cpu_share=max(_known(one.cpu_share for one in windows), default=nan),
        disk_free_share=min(_known(one.disk_free_share for one in windows), default=nan),
        samples=sum(one.samples for one in windows),
        newest_age_seconds=windows[-1].newest_age_seconds if windows else float("inf"),
        latency=latency,
        shed_503=sum(one.shed_503 for one in windows),
        pool_in_use=max((one.pool_in_use for one in windows), default=0),
        pool_waits=sum(one.pool_waits for one in windows),
        pool_wait_seconds=sum(one.pool_wait_seconds for one in windows),
    )


def _known(shares: Iterable[float]) -> list[float]:
    return [share for share in shares if not isnan(share)]


def _summed(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    total: tuple[int, ...] = ()
    for one in histograms:
        total = added(total, one)
    return total


def _trend(name: str, unit: str, lower: bool | None, figures: tuple[float, float]) -> Trend:
    return Trend(name, unit, *figures, lower)


def _pair(figures: Iterable[float]) -> tuple[float, float]:
    now, before = figures
    return now, before


def _ms(seconds: Iterable[float]) -> tuple[float, float]:
    return _pair(1000 * one for one in seconds)


def _counts(windows: tuple[Window, Window], name: str) -> tuple[float, float]:
    """A count of a day of which nothing was measured is not 0, it is not known."""
    return _pair(float(getattr(one, name)) if one.samples else nan for one in windows)


def _users(days: tuple[Day, Day]) -> tuple[float, float]:
    return _pair(float(one.users) if one.window.samples else nan for one in days)
