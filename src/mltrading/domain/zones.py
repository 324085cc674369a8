"""Local clock time of many moments at once. The zone's rules are asked a few times a year of
data, never once a bar."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from mltrading.domain.bars import DAY, SECOND, Times

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_YEARS = (2, 9998)  # datetime ends at 1 and 9999; a zone may shift a moment over that edge


def utc_offsets(ts: Times, timezone: str) -> Times:
    """Microseconds that the zone's clock is ahead of UTC at each moment (exact over DST).

    Moments before year 2 or after 9998 get the offset of that edge. Raises
    zoneinfo.ZoneInfoNotFoundError (a KeyError) for an unknown zone.
    """
    if not len(ts):
        return np.empty(0, np.int64)
    first, last = (min(max(_year(int(t)), _YEARS[0]), _YEARS[1]) for t in (ts.min(), ts.max()))
    starts, offsets = _stretches(timezone, first, last)
    at = np.searchsorted(starts, ts, side="right") - 1
    found: Times = offsets[np.maximum(at, 0)]
    return found


def utc_of_local(local: Times, timezone: str) -> Times:
    """The moment at which the zone's clock first shows `local` (microseconds since 1970 on that
    clock). A clock time that DST skips gives the moment of the skip."""
    before = utc_offsets(local - DAY, timezone)  # in force some hours earlier, in every zone
    early = local - before
    after = utc_offsets(early, timezone)
    late = local - after
    shifted = (after != before) & (utc_offsets(late, timezone) == after)
    return np.where(shifted, late, early)


def _year(moment: int) -> int:
    return int(np.datetime64(moment, "us").astype("M8[Y]").astype(np.int64)) + 1970


@lru_cache(maxsize=1024)
def _stretches(timezone: str, first: int, last: int) -> tuple[Times, Times]:
    """Start and offset of every stretch of the years, both included, with one UTC offset."""
    parts = [_regimes(timezone, year) for year in range(first, last + 1)]
    starts, offsets = zip(*parts, strict=True)
    return np.concatenate(starts), np.concatenate(offsets)


@lru_cache(maxsize=4096)
def _regimes(timezone: str, year: int) -> tuple[Times, Times]:
    """Start and offset of every stretch of `year` with one UTC offset. Read-only arrays."""
    zone = ZoneInfo(timezone)
    start, end = (_moment(datetime(y, 1, 1)) for y in (year, year + 1))
    starts, offsets = [start], [_offset(zone, start)]
    for day in range(start + DAY, end + DAY, DAY):
        offset = _offset(zone, day)
        if offset != offsets[-1]:
            starts.append(_change(zone, day - DAY, day))
            offsets.append(offset)
    result = np.array(starts, np.int64), np.array(offsets, np.int64)
    for array in result:
        array.flags.writeable = False
    return result


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """First second in (before, after] with the offset of `after`."""
    target = _offset(zone, after)
    while after - before > SECOND:
        middle = before + (after - before) // (2 * SECOND) * SECOND
        before, after = (before, middle) if _offset(zone, middle) == target else (middle, after)
    return after


def _moment(at: datetime) -> int:
    return (at.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = (_EPOCH + timedelta(microseconds=moment)).astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset // timedelta(microseconds=1)
