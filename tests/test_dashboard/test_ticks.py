"""Ticks stand where a period begins in the exchange's clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from mltrading.dashboard.figures import ticks
from mltrading.domain.bars import DAY, HOUR, MINUTE, SECOND, Interval

NEW_YORK = "America/New_York"


def micros(*when: int, zone: str = "UTC") -> int:
    return int(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def days(first: int, count: int) -> np.ndarray:
    """Daily session labels without weekends."""
    every = first + np.arange(count * 2) * DAY
    weekday = (every // DAY + 3) % 7
    return every[weekday < 5][:count]


def test_no_bars_no_levels() -> None:
    assert ticks.levels(np.empty(0, np.int64), Interval.D1, NEW_YORK) == []


def test_daily_labels_name_what_is_new_at_the_bar() -> None:
    stamps = days(micros(2012, 11, 1), 60)
    finest = ticks.levels(stamps, Interval.D1, NEW_YORK)[-1]
    said = dict(zip(finest.positions, finest.labels, strict=True))
    dates = [datetime.fromtimestamp(t / SECOND, UTC) for t in stamps]
    assert said[1] == "2"  # Friday 2 November
    first_december = next(i for i, d in enumerate(dates) if d.month == 12)
    first_january = next(i for i, d in enumerate(dates) if d.year == 2013)
    assert said[first_december] == "Dec"
    assert said[first_january] == "2013"


def test_levels_go_from_coarse_to_fine_without_repeats() -> None:
    counts = [
        len(lv.positions)
        for lv in ticks.levels(days(micros(2008, 1, 1), 1300), Interval.D1, NEW_YORK)
    ]
    assert counts == sorted(set(counts))
    assert counts[0] >= 1 and counts[-1] <= ticks.MAX_LABELS


@pytest.mark.parametrize("day", [(2013, 3, 8), (2013, 11, 1)])
def test_intraday_labels_follow_the_exchange_clock_across_daylight_saving(day) -> None:
    """The Friday before and the Monday after a change of clocks both open at 09:30."""
    friday = micros(*day, 9, 30, zone=NEW_YORK)
    monday = micros(day[0], day[1], day[2] + 3, 9, 30, zone=NEW_YORK)
    assert monday - friday != 3 * DAY
    session = np.arange(13) * 30 * MINUTE
    stamps = np.concatenate([friday + session, monday + session])
    finest = ticks.levels(stamps, Interval.M15, NEW_YORK)[-1]
    said = dict(zip(finest.positions, finest.labels, strict=True))
    assert said[1] == "10:00" and said[14] == "10:00"
    assert said[13] == f"{day[2] + 3} {'Mar' if day[1] == 3 else 'Nov'}"


def test_clock_change_inside_a_day_splits_it_at_the_right_bar() -> None:
    """A market that never closes sees 01:00 twice on the night clocks go back."""
    start = micros(2013, 11, 3, 4)  # midnight in New York, still summer time
    finest = ticks.levels(start + np.arange(4) * HOUR, Interval.H1, NEW_YORK)[-1]
    assert (finest.positions, finest.labels) == ([1, 3], ["01:00", "02:00"])


def test_weekly_bars_have_no_daily_level() -> None:
    mondays = micros(2012, 1, 2) + np.arange(60) * 7 * DAY
    finest = ticks.levels(mondays, Interval.W1, NEW_YORK)[-1]
    assert len(finest.positions) == 13  # months that begin inside the sixty weeks


def test_a_level_with_too_many_ticks_is_left_out_and_the_coarser_ones_stay() -> None:
    stamps = days(micros(2008, 1, 1), 600)
    every, few = (
        ticks.levels(stamps, Interval.D1, NEW_YORK, most)
        for most in (ticks.MAX_LABELS, ticks.LABELS_UNTIL_FINER)
    )
    assert len(every[-1].positions) > ticks.LABELS_UNTIL_FINER
    assert few == every[:-1]


def test_choose_takes_the_finest_level_that_fits() -> None:
    coarse, fine = ticks.Level([0, 50], ["a", "b"]), ticks.Level(list(range(0, 100, 5)), ["x"] * 20)
    assert ticks.choose([coarse, fine], 0, 99, most=9) is coarse
    assert ticks.choose([coarse, fine], 0, 20, most=9) is fine
    assert ticks.choose([fine], 0, 99, most=9) is fine
    assert ticks.choose([], 0, 10).positions == []
