"""Which bars are over: a bar counts once the exchange's calendar says that its interval has ended
and all of it has arrived."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mltrading.domain.bars import DAY, Bars, Interval, Times
from mltrading.domain.calendar import Calendar
from mltrading.domain.zones import utc_of_local, utc_offsets


def closings(ts: Times, interval: Interval, calendar: Calendar | None, timezone: str) -> Times:
    """The moment at which each bar ends: an intraday one after its length or with its session, a
    day with its session, a week or month with its last session. Where the calendar does not say,
    the day ends at the exchange's midnight."""
    if interval.intraday:
        return _intraday(ts, interval, calendar)
    following = _following(ts, interval)
    midnight = utc_of_local(following, timezone)
    if calendar is None:
        return midnight
    last = np.searchsorted(calendar.sessions, following) - 1
    known = (last >= 0) & (following <= calendar.sessions[-1] + DAY)
    last = np.maximum(last, 0)
    there = known & (calendar.sessions[last] >= ts)
    return np.where(there, calendar.closes[last], midnight)


def days(moments: Times, timezone: str) -> Times:
    """The date on the exchange's clock at each moment, in days since 1970."""
    found: Times = (moments + utc_offsets(moments, timezone)) // DAY
    return found


def counted(bars: Bars, ends: Times, now: int, reaches: Sequence[int] = ()) -> int:
    """How many of the bars count at `now`; `bars` are the series' newest.

    The newest bar counts when it is final, and where finer bars lie in it, when they reach its end.
    `reaches` are the ends of the newest bars of finer intervals, the finest first: the finest that
    lies in it says it, for the others may be made of that. An earlier bar is followed by another,
    so no more of it will come.
    """
    over = int(np.searchsorted(ends, now, side="right"))
    newest = len(bars) - 1
    if over <= newest or over == 0:
        return over
    begins = int(ends[newest - 1]) if newest else int(bars.ts[0])
    reached = next((one for one in reaches if one > begins), int(ends[newest]))
    return over if bars.is_final[newest] and reached >= ends[newest] else newest


def _intraday(ts: Times, interval: Interval, calendar: Calendar | None) -> Times:
    ends: Times = ts + interval.length
    if calendar is None:
        return ends
    session = np.searchsorted(calendar.opens, ts, side="right") - 1
    inside = (session >= 0) & (ts < calendar.closes[np.maximum(session, 0)])
    close = calendar.closes[np.maximum(session, 0)]
    return np.where(inside, np.minimum(ends, close), ends)


def _following(ts: Times, interval: Interval) -> Times:
    """Where the next day, week or month begins."""
    if interval is Interval.MO1:
        months = ts.astype("M8[us]").astype("M8[M]") + 1
        return np.asarray(months.astype("M8[us]").astype(np.int64))
    return ts + interval.length
