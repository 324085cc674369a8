"""Bars roll up as a slow reading of the rules in plain Python says, in every zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain.bars import DAY, HOUR, MINUTE, Bars, Interval
from mltrading.domain.rollup import bucket_starts, first_of_each, roll_up
from mltrading.domain.zones import utc_of_local, utc_offsets
from tests.factories import make_bars, make_sessions, moment

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
ZONES = [
    "America/New_York",
    "Asia/Kolkata",
    "America/Sao_Paulo",  # skipped midnight in spring
    "America/Havana",  # had midnight twice in autumn
    "America/St_Johns",  # until 2011 set its clock back at 00:01, to the day before
    "Australia/Lord_Howe",  # half an hour of DST
    "Pacific/Apia",  # skipped 2011-12-30
    "UTC",
]
INTRADAY = [Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1]


def slow_bucket(ts: int, interval: Interval, zone: str) -> int:
    """The rule for one stamp, with nothing but datetime."""
    if interval in (Interval.W1, Interval.MO1):
        label = (EPOCH + ts * MICROSECOND).date()
        first = label - timedelta(days=label.weekday())
        return label_of(label.replace(day=1) if interval is Interval.MO1 else first)
    local = (EPOCH + ts * MICROSECOND).astimezone(ZoneInfo(zone))
    if interval is Interval.D1:
        return label_of(local.date())
    if interval is Interval.H4:
        start = local.replace(hour=local.hour // 4 * 4, minute=0, second=0, microsecond=0, fold=0)
        return (start.astimezone(timezone.utc) - EPOCH) // MICROSECOND
    return ts // interval.length * interval.length


def label_of(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - EPOCH) // MICROSECOND


def slow_roll_up(bars: Bars, interval: Interval, zone: str) -> list[tuple[object, ...]]:
    keys = [slow_bucket(int(ts), interval, zone) for ts in bars.ts]
    rows = sorted(range(len(bars)), key=lambda row: keys[row])
    found = []
    for key, group in groupby(rows, key=lambda row: keys[row]):
        part = list(group)
        found.append(
            (
                key,
                bars.open[part[0]],
                max(bars.high[row] for row in part),
                min(bars.low[row] for row in part),
                bars.close[part[-1]],
                bars.adj_close[part[-1]],
                sum(bars.volume[row] for row in part),
                all(bars.is_final[row] for row in part),
            )
        )
    return found


def as_rows(bars: Bars) -> list[tuple[object, ...]]:
    return list(zip(*(getattr(bars, name).tolist() for name in Bars.__slots__), strict=True))


@st.composite
def intraday_bars(draw: st.DrawFn) -> Bars:
    """Irregular bars from a moment between 1971 and 2037, some of them not final."""
    start = draw(st.integers(moment("1971-01-01") // MINUTE, moment("2037-01-01") // MINUTE))
    steps = draw(st.lists(st.integers(1, 3000), max_size=60))
    ts = (start + np.cumsum([0, *steps], dtype=np.int64)) * MINUTE
    bars = make_bars(len(ts), seed=draw(st.integers(0, 99)))
    open_rows = draw(st.sets(st.integers(0, len(ts) - 1), max_size=3))
    final = ~np.isin(np.arange(len(ts)), list(open_rows))
    return replace(bars, ts=ts, is_final=final)


@given(intraday_bars(), st.sampled_from(INTRADAY), st.sampled_from(ZONES))
def test_rolls_up_as_the_slow_reference(bars: Bars, interval: Interval, zone: str) -> None:
    assert as_rows(roll_up(bars, interval, zone)) == slow_roll_up(bars, interval, zone)


@given(
    st.lists(st.integers(moment("1970-01-01") // DAY, moment("2037-01-01") // DAY), unique=True),
    st.sampled_from([Interval.W1, Interval.MO1]),
)
def test_session_labels_group_by_monday_and_first_of_month(
    days: list[int], interval: Interval
) -> None:
    bars = replace(make_bars(len(days)), ts=np.array(sorted(days), np.int64) * DAY)
    rolled = roll_up(bars, interval, "America/New_York")
    assert as_rows(rolled) == slow_roll_up(bars, interval, "America/New_York")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("interval", INTRADAY, ids=lambda interval: interval.value)
def test_every_half_hour_around_each_clock_change(zone: str, interval: Interval) -> None:
    for year in (1995, 2006, 2010, 2011, 2018, 2024):
        ts = np.arange(moment(f"{year}-01-01"), moment(f"{year + 1}-01-03"), HOUR // 2)
        offsets = utc_offsets(ts, zone)
        changes = np.flatnonzero(np.diff(offsets))
        near = np.unique(np.clip(changes[:, None] + np.arange(-60, 60), 0, len(ts) - 1))
        found = bucket_starts(ts[near], interval, zone).tolist()
        assert found == [slow_bucket(t, interval, zone) for t in ts[near].tolist()]


@given(
    st.integers(moment("1900-01-01"), moment("2099-12-31")),
    st.sampled_from([*ZONES, "Africa/Casablanca", "Europe/Dublin"]),
)
def test_offsets_are_those_of_the_zone_at_any_moment(ts: int, zone: str) -> None:
    local = (EPOCH + ts * MICROSECOND).astimezone(ZoneInfo(zone))
    assert utc_offsets(np.array([ts]), zone)[0] * MICROSECOND == local.utcoffset()


@given(
    st.integers(moment("1972-01-01"), moment("2037-01-01")),
    st.sampled_from([*ZONES, "Africa/Casablanca"]),
)
def test_a_clock_time_is_first_shown_at_the_moment_zoneinfo_gives(local: int, zone: str) -> None:
    clock = (datetime(1970, 1, 1) + local * MICROSECOND).replace(tzinfo=ZoneInfo(zone), fold=0)
    skipped = clock.astimezone(timezone.utc).astimezone(ZoneInfo(zone)) != clock
    found = int(utc_of_local(np.array([local]), zone)[0])
    if not skipped:
        assert EPOCH + found * MICROSECOND == clock.astimezone(timezone.utc)


def test_stamps_from_before_and_after_datetime_get_the_offset_of_its_edge() -> None:
    for far, edge in ((-(10**17), "0002-01-01"), (3 * 10**17, "9998-06-01")):
        found = utc_offsets(np.array([far]), "America/Sao_Paulo")
        assert found == utc_offsets(np.array([moment(edge)]), "America/Sao_Paulo")
        assert found != 0


def test_a_four_hour_bar_of_new_york_begins_at_local_hours_on_both_sides_of_summer_time() -> None:
    winter, summer = moment("2024-03-08T14:30"), moment("2024-03-11T13:30")
    found = bucket_starts(np.array([winter, summer]), Interval.H4, "America/New_York")
    assert found.tolist() == [moment("2024-03-08T13:00"), moment("2024-03-11T12:00")]


def test_an_evening_in_new_york_belongs_to_the_session_of_its_local_date() -> None:
    late = np.array([moment("2024-01-03T02:00")])
    label = bucket_starts(late, Interval.D1, "America/New_York")
    assert label.tolist() == [moment("2024-01-02")]


@pytest.mark.parametrize("interval", list(Interval)[1:], ids=lambda interval: interval.value)
def test_nothing_rolls_up_to_nothing_and_one_bar_to_itself(interval: Interval) -> None:
    assert len(roll_up(Bars.empty(), interval, "America/New_York")) == 0
    bar = make_bars(1, "2024-01-02T14:30")
    rolled = roll_up(bar, interval, "America/New_York")
    assert as_rows(rolled)[0][1:] == as_rows(bar)[0][1:]


@given(st.integers(0, 99), st.sampled_from(ZONES))
def test_level_by_level_gives_what_one_step_gives(seed: int, zone: str) -> None:
    bars = make_bars(2000, moment("2024-03-09T00:00") + seed * DAY, seed=seed, step=7 * MINUTE)
    steps = bars
    for interval in INTRADAY[:3]:
        steps = roll_up(steps, interval, zone)
    assert as_rows(steps) == as_rows(roll_up(bars, Interval.H1, zone))


def test_a_week_over_a_split_is_right_on_adjusted_bars() -> None:
    week = make_sessions(5, "2024-01-08", price=400.0)
    halved = np.array([1, 1, 0.5, 0.5, 0.5])
    prices = {n: getattr(week, n) * halved for n in ("open", "high", "low", "close")}
    split = replace(week, **prices, adj_close=week.close * 0.5)
    rolled = roll_up(split.adjusted(), Interval.W1, "America/New_York")
    assert rolled.high[0] == pytest.approx(week.high.max() / 2)
    assert rolled.open[0] == pytest.approx(week.open[0] / 2)


def test_rolling_up_leaves_its_input_as_it_was() -> None:
    bars = make_bars(50)
    before = as_rows(bars)
    roll_up(bars, Interval.H1, "America/New_York")
    assert as_rows(bars) == before


def test_first_of_each_finds_every_run() -> None:
    assert first_of_each(np.array([3, 3, 5, 9, 9, 9])).tolist() == [0, 2, 3]
    assert first_of_each(np.array([], np.int64)).tolist() == []
