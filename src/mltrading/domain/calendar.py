"""Exchange sessions: which days trade, whether it is open now, how many sessions data lags.

A thin wrapper of exchange_calendars (https://github.com/gerrymanoim/exchange_calendars), which
builds on pandas: both are imported with the first calendar asked for, not before.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mltrading.domain.bars import DAY, Times
from mltrading.domain.query import from_micros

FIRST_DAY = "1990-01-01"
"""Calendars begin here where the exchange's holidays are recorded that far back."""
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Calendar:
    """Sessions of one exchange, in microseconds UTC.

    `sessions` are the labels (00:00 UTC of the local date); `opens` <= t < `closes` is open,
    save for a lunch break `break_starts` <= t < `break_ends` (both `NEVER` where there is none).
    """

    name: str
    timezone: str
    sessions: Times
    opens: Times
    closes: Times
    break_starts: Times
    break_ends: Times

    def covers(self, start: int, end: int) -> bool:
        """Whether the calendar knows every session of start <= label < end."""
        return bool(self.sessions[0] <= start and end <= self.sessions[-1] + DAY)

    def between(self, start: int, end: int) -> Times:
        """Labels of the sessions with start <= label < end."""
        first, stop = np.searchsorted(self.sessions, [start, end])
        return self.sessions[first:stop]

    def missing(self, labels: Times, start: int, end: int) -> Times:
        """Sessions with start <= label < end that have no bar among `labels`."""
        return np.setdiff1d(self.between(start, end), labels)

    def is_open(self, now: int) -> bool:
        session = int(np.searchsorted(self.opens, now, side="right")) - 1
        if session < 0 or now >= self.closes[session]:
            return False
        return not self.break_starts[session] <= now < self.break_ends[session]

    def next_open(self, now: int) -> int | None:
        """The next moment after `now` at which a session, or its afternoon, opens."""
        return _next(np.concatenate([self.opens, self.break_ends]), now)

    def next_close(self, now: int) -> int | None:
        """The next moment after `now` at which trading stops, be it for lunch."""
        return _next(np.concatenate([self.closes, self.break_starts]), now)

    def last_completed(self, now: int) -> int | None:
        """Label of the newest session that has closed."""
        closed = int(np.searchsorted(self.closes, now, side="right"))
        return int(self.sessions[closed - 1]) if closed else None

    def completed_after(self, label: int, now: int) -> int:
        """How many sessions later than `label` have closed by `now`."""
        closed = int(np.searchsorted(self.closes, now, side="right"))
        known = int(np.searchsorted(self.sessions, label, side="right"))
        return max(0, closed - known)

    def first_completed_after(self, label: int, now: int) -> int | None:
        """When the first session later than `label` closed; None where none has by `now`."""
        later = int(np.searchsorted(self.sessions, label, side="right"))
        if later >= len(self.closes) or self.closes[later] > now:
            return None
        return int(self.closes[later])


def _next(moments: Times, now: int) -> int | None:
    later = moments[moments > now]
    return int(later.min()) if len(later) else None


class Calendars:
    """Calendars by name; each is built once a process (about 0.15 s) and kept."""

    def get(self, name: str, now: int) -> Calendar | None:
        """The calendar as far as the end of the year after `now`; None for an unknown name."""
        with _BUILDING:  # threads that ask at once wait for one, instead of building several
            return _load(name, from_micros(now).year + 1) if name else None


_BUILDING = threading.Lock()


@lru_cache(maxsize=64)
def _load(name: str, last_year: int) -> Calendar | None:
    with warnings.catch_warnings():
        # exchange_calendars 4.13 uses what pandas 3.1 deprecates: nothing a user could mend.
        warnings.simplefilter("ignore")
        return _build(name, last_year)


def _build(name: str, last_year: int) -> Calendar | None:
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        found = exchange_calendars.get_calendar(name, start=FIRST_DAY, end=f"{last_year}-12-31")
    except InvalidCalendarName:
        return None
    except NotImplementedError:  # a moving feast that this pandas can not compute, as in ASEX
        return None
    except ValueError:  # holidays are recorded for fewer years: take what its makers stand by
        found = exchange_calendars.get_calendar(name)
    return _convert(found)


def _convert(found: Any) -> Calendar:
    schedule = found.schedule

    def micros(column: str) -> Times:
        moments = schedule[column].to_numpy("datetime64[us]").astype(np.int64)
        return np.asarray(moments, dtype=np.int64)  # a missing break is NaT, that is NEVER

    return Calendar(
        name=found.name,
        timezone=str(found.tz),
        sessions=np.asarray(schedule.index.to_numpy("datetime64[us]").astype(np.int64)),
        opens=micros("open"),
        closes=micros("close"),
        break_starts=micros("break_start"),
        break_ends=micros("break_end"),
    )
