"""What a preview tells is what a live worker would have told, bar by bar; and it is honest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.domain.bars import DAY, HOUR, MINUTE, Bars, Interval
from mltrading.domain.calendar import Calendar, Calendars
from mltrading.domain.price_alerts.brake import Brake, Told, braked
from mltrading.domain.price_alerts.closing import closings, counted, days
from mltrading.domain.price_alerts.conditions import Verdicts, parse_condition
from mltrading.domain.price_alerts.foresight import AFTER_BARS, FEWEST, foresee
from mltrading.domain.price_alerts.judging import BLOCK, judged, needed
from mltrading.domain.rollup import roll_up
from tests.factories import make_bars, make_sessions, moment

NEW_YORK = "America/New_York"
CONDITIONS = (
    *("close above 100", "close moves 0.5% in 5", "sma:5 above sma:20", "close below ema:20"),
    *("rsi:14 below 45", "macd above macd.signal", "close above bbands:20:2.upper"),
    *("stoch below 20", "adx.plus_di above adx.minus_di", "atr:5 above 0.5", "close above vwap"),
)


@lru_cache
def calendar() -> Calendar:
    found = Calendars().get("XNYS", moment("2026-01-01"))
    assert found is not None
    return found


def tail(bars: Bars, stop: int, lead: int) -> Bars:
    """What a worker reads when `stop` bars are there: the newest `lead`."""
    return bars[max(0, stop - lead) : stop]


# -- the same as live ------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [Interval.D1, Interval.M15])
@given(
    text=st.sampled_from(CONDITIONS),
    seed=st.integers(0, 10_000),
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    cooldown=st.sampled_from([0, 3_600, 86_400, 7 * 86_400]),
    cap=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_preview_tells_the_bars_that_a_live_worker_tells(
    interval: Interval, text: str, seed: int, steps: list[int], cooldown: int, cap: int
) -> None:
    """Bars arrive some at a time; the worker sees no bar twice, remembers what it told, and reads
    no more than the newest bars. 1,500 bars are three blocks, so that an edge lies within."""
    if interval is Interval.D1:
        bars = make_sessions(1_500, seed=seed)
    else:
        bars = make_bars(1_500, "2024-01-02T14:30", interval, seed)
    condition, brake = parse_condition(text), Brake(cooldown, cap)
    ends = closings(bars.ts, interval, calendar(), NEW_YORK)
    lead = needed(condition, interval)
    first = len(bars) - sum(steps)
    told, seen, live = Told(), first, list[int]()
    for step in steps:
        read = tail(bars, seen + step, lead + step)
        fresh = len(read) - step
        hits = np.flatnonzero(judged(condition, read, interval, NEW_YORK, fresh).came_true) + fresh
        at = ends[seen + step - len(read) + hits]
        allowed, told = braked(brake, told, zip(at.tolist(), days(at, NEW_YORK), strict=True))
        live += read.ts[hits][np.array(allowed, bool)].tolist()
        seen += step
    preview = foresee(condition, brake, bars, ends, interval, NEW_YORK, first)
    assert list(preview.told) == live


@dataclass
class Noting:
    """A condition that comes true never, and notes which bars it was given to judge a block by."""

    back: int
    given: list[tuple[int, int]] = field(default_factory=list)

    def lookback(self, interval: Interval) -> int:
        return self.back

    def verdicts(self, bars: Bars, interval: Interval, timezone: str) -> Verdicts:
        block = int(bars.ts[-1]) // (BLOCK * interval.length)
        self.given.append((block, int(bars.ts[0])))
        return Verdicts(np.zeros(len(bars), bool), np.zeros(len(bars), bool))


@pytest.mark.parametrize("back", [1, 20, 700])
def test_a_block_is_judged_by_the_same_bars_however_many_were_read(back: int) -> None:
    """Else an average that remembers would differ a little, and now and then cross or not."""
    bars = make_bars(3_000, "2024-01-02T14:30", Interval.M15)
    whole = Noting(back)
    judged(whole, bars, Interval.M15, NEW_YORK)  # type: ignore[arg-type]
    begins = dict(whole.given)
    for stop in range(1_500, 3_000, 97):
        live = Noting(back)
        read = tail(bars, stop, needed(live, Interval.M15) + 1)  # type: ignore[arg-type]
        judged(live, read, Interval.M15, NEW_YORK, len(read) - 1)  # type: ignore[arg-type]
        assert live.given == [(block, begins[block]) for block, _ in live.given]
        assert len(live.given) == 1


def test_the_conditions_of_that_test_do_come_true() -> None:
    bars = make_sessions(1_500, seed=1)
    for text in CONDITIONS:
        found = judged(parse_condition(text), bars, Interval.D1, NEW_YORK)
        assert found.came_true.any() and found.known.any(), text


# -- what is counted -------------------------------------------------------------------------------


def told_of(text: str, brake: Brake = Brake(0, 10), bars: Bars | None = None) -> object:
    bars = make_sessions(600, seed=4) if bars is None else bars
    ends = closings(bars.ts, Interval.D1, calendar(), NEW_YORK)
    return foresee(parse_condition(text), brake, bars, ends, Interval.D1, NEW_YORK)


def test_moves_afterwards_are_those_of_the_bars_told_beside_those_of_all() -> None:
    bars = make_sessions(600, seed=4)
    found = told_of("close above sma:5", bars=bars)
    assert found.after.count >= FEWEST  # type: ignore[attr-defined]
    at = np.searchsorted(bars.ts, found.told)  # type: ignore[attr-defined]
    at = at[at + AFTER_BARS < 600]
    moves = bars.close[at + AFTER_BARS] / bars.close[at] - 1
    assert found.after.median == pytest.approx(np.median(moves))  # type: ignore[attr-defined]
    every = bars.close[AFTER_BARS:] / bars.close[:-AFTER_BARS] - 1
    assert found.any_bar.median == pytest.approx(np.median(every))  # type: ignore[attr-defined]
    assert found.any_bar.count == 595  # type: ignore[attr-defined]


def test_no_median_of_a_few() -> None:
    bars = make_sessions(600, seed=4)
    level = float(np.sort(bars.close)[-2])
    found = told_of(f"close above {level}", bars=bars)
    assert found.after.count < FEWEST  # type: ignore[attr-defined]
    assert math.isnan(found.after.median)  # type: ignore[attr-defined]
    assert found.told  # type: ignore[attr-defined]


def test_a_short_history_says_from_when_on_it_can_be_judged() -> None:
    bars = make_sessions(30)
    assert told_of("close above sma:20", bars=bars).known_from == bars.ts[20]  # type: ignore
    assert told_of("close above sma:50", bars=bars).known_from is None  # type: ignore
    assert told_of("close above 1", bars=bars[:0]).bars == 0  # type: ignore


def test_cooldown_and_cap_hold_back_and_are_counted() -> None:
    free = told_of("close above sma:5")
    held = told_of("close above sma:5", Brake(30 * 86_400, 10))
    assert 0 < len(held.told) < len(free.told)  # type: ignore[attr-defined]
    assert held.held_back == len(free.told) - len(held.told)  # type: ignore[attr-defined]


# -- the brake -------------------------------------------------------------------------------------

HOURS = st.lists(st.integers(0, 24 * 20), unique=True, max_size=60).map(sorted)


@given(hours=HOURS, cooldown=st.integers(0, 48), cap=st.integers(1, 5))
def test_the_brake_keeps_pauses_and_days(hours: list[int], cooldown: int, cap: int) -> None:
    bars = [(hour * HOUR, hour // 24) for hour in hours]
    allowed, last = braked(Brake(cooldown * 3_600, cap), Told(), bars)
    told = [bar for bar, yes in zip(bars, allowed, strict=True) if yes]
    assert all(b[0] - a[0] >= cooldown * HOUR for a, b in zip(told, told[1:], strict=False))
    assert all(sum(day == d for _, day in told) <= cap for _, d in told)
    assert not bars or allowed[0]
    assert last == Told() or (last.at, last.day) == told[-1]


# -- which bars count ------------------------------------------------------------------------------


def ends_of(texts: list[str], interval: Interval) -> list[int]:
    stamps = np.array([moment(text) for text in texts])
    return closings(stamps, interval, calendar(), NEW_YORK).tolist()


def test_a_day_ends_with_its_session_also_with_a_short_one() -> None:
    # The day after Thanksgiving closes at 13:00 in New York.
    expected = [moment("2024-07-01T20:00"), moment("2024-11-29T18:00")]
    assert ends_of(["2024-07-01", "2024-11-29"], Interval.D1) == expected


def test_a_week_and_a_month_end_with_their_last_session() -> None:
    # Good Friday, 29 March 2024, is closed.
    assert ends_of(["2024-03-25"], Interval.W1) == [moment("2024-03-28T20:00")]
    assert ends_of(["2024-03-01"], Interval.MO1) == [moment("2024-03-28T20:00")]


def test_an_intraday_bar_ends_after_its_length_or_with_the_session() -> None:
    assert ends_of(["2024-07-01T16:00"], Interval.H4) == [moment("2024-07-01T20:00")]
    assert ends_of(["2024-07-01T18:00"], Interval.H4) == [moment("2024-07-01T20:00")]
    assert ends_of(["2024-07-01T22:00"], Interval.H1) == [moment("2024-07-01T23:00")]


def test_without_a_calendar_a_day_ends_at_the_exchanges_midnight() -> None:
    stamps = np.array([moment("2024-07-01")])
    found = closings(stamps, Interval.D1, None, NEW_YORK).tolist()
    assert found == [moment("2024-07-02T04:00")]
    far = np.array([moment("2150-07-01")])
    assert closings(far, Interval.D1, calendar(), NEW_YORK)[0] > far[0]


def test_the_newest_bar_counts_once_it_is_over_final_and_all_there() -> None:
    bars = make_sessions(3, "2024-07-01")  # Monday to Wednesday
    ends = closings(bars.ts, Interval.D1, calendar(), NEW_YORK)
    before, after = int(ends[2]) - MINUTE, int(ends[2])
    assert counted(bars, ends, before) == 2
    assert counted(bars, ends, after) == 3
    forming = replace(bars, is_final=np.array([True, True, False]))
    assert counted(forming, ends, after + DAY) == 2
    assert counted(bars, ends, after, [after - MINUTE]) == 2
    assert counted(bars, ends, after, [after]) == 3
    assert counted(bars, ends, after, [int(ends[1])]) == 3  # it was imported itself
    assert counted(bars, ends, after, [after - MINUTE, after]) == 2  # the hours are of minutes
    assert counted(bars, ends, after, [int(ends[0]), after]) == 3
    assert counted(bars[:0], ends[:0], after) == 0


def test_a_bar_that_another_follows_counts_whatever_its_source_said() -> None:
    bars = replace(make_sessions(3, "2024-07-01"), is_final=np.array([True, False, True]))
    ends = closings(bars.ts, Interval.D1, calendar(), NEW_YORK)
    assert counted(bars, ends, int(ends[2])) == 3


def test_weeks_and_months_are_judged_as_days_are() -> None:
    weeks = roll_up(make_sessions(1_500, seed=2), Interval.W1, NEW_YORK)
    found = judged(parse_condition("sma:5 above sma:20"), weeks, Interval.W1, NEW_YORK)
    assert found.came_true.sum() > 2
