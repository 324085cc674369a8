"""Where adjusted prices go over to another base: told from splits and dividends, and undone where
the days that two files share tell the ratio."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from importlib import resources
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain.bars import DAY, Bars, Floats
from mltrading.domain.bases import (
    BaseChange,
    BaseChanges,
    Laid,
    broken_at,
    comparable,
    rebased,
    shifts,
    unexplained,
)
from tests.factories import make_sessions, moment
from tests.memory import bars_at


def lay(stored: Bars, new: Bars, known: BaseChanges = ()) -> tuple[Bars, BaseChanges]:
    """What is stored after `new` was laid over it, and the changes of base then: plain Python."""
    rows = {int(ts): (stored[at : at + 1], False, 0.0) for at, ts in enumerate(stored.ts)}
    for at, ts in enumerate(new.ts.tolist()):
        one = new[at : at + 1]
        before = rows.get(ts)
        rows[ts] = (one, True, np.nan if before is None else float(shifts(before[0], one)[0]))
    bars, own, shift = zip(*(rows[ts] for ts in sorted(rows)), strict=True)
    every = Bars.concat(list(bars))
    return every, Laid(every, np.array(own), np.array(shift)).changes(known)


def on_base(bars: Bars, ratio: float) -> Bars:
    return replace(bars, adj_close=bars.adj_close * ratio)


def flags(bars: Bars) -> list[int]:
    """Positions after a suspected change."""
    found = unexplained(bars.ts, bars.close, bars.adj_close)
    return [int(place) + 1 for place in np.flatnonzero(found)]


@st.composite
def histories(draw: st.DrawFn) -> Bars:
    """Daily bars of one base, with splits both ways and dividends of up to a tenth."""
    count = draw(st.integers(8, 30))
    moves = draw(st.lists(st.floats(-0.08, 0.08), min_size=count, max_size=count))
    splits = st.sampled_from([1.5, 2, 3, 4, 7, 10, 20, 0.1, 0.25])
    events: Floats = np.ones(count)
    for at in draw(st.lists(st.integers(1, count - 1), max_size=3)):
        events[at] = draw(splits | st.floats(1, 1.1))
    adjusted = 100 * np.exp(np.cumsum(moves))
    later = np.append(np.cumprod(events[::-1])[::-1][1:], 1.0)
    return bars_at(make_sessions(count).ts, adjusted * later, adj_close=adjusted)


RATIOS = st.floats(1.5, 50) | st.floats(0.02, 0.66)


@given(histories(), st.data())
def test_a_history_cut_in_two_has_no_break_on_one_base_and_one_at_the_cut_on_two(
    bars: Bars, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(bars) - 1))
    event = bars.adj_close / bars.close
    stored, new = bars[:cut], bars[cut:]
    if data.draw(st.booleans()):
        stored, new = new, stored
    assert lay(stored, new)[1] == ()
    if abs(np.log(event[cut] / event[cut - 1])) > 1e-9:
        return  # an event in the seam and another base may undo each other
    other = on_base(new, data.draw(RATIOS))
    assert lay(stored, other)[1] == (BaseChange(int(bars.ts[cut]), None),)


@given(histories(), st.data())
def test_days_that_both_files_hold_tell_the_ratio_and_the_history_is_one_again(
    bars: Bars, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(bars) - 3))
    shared = data.draw(st.integers(2, len(bars) - cut - 1))
    ratio = data.draw(RATIOS | st.floats(0.95, 0.99))
    every, changes = lay(bars[: cut + shared], on_base(bars[cut:], ratio))
    assert [change.ts for change in changes] == [int(bars.ts[cut])]
    np.testing.assert_allclose(rebased(every, changes).adj_close, bars.adj_close * ratio, 1e-9)


@given(histories(), st.data())
def test_older_days_of_another_base_are_brought_to_that_of_the_newest(
    bars: Bars, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(3, len(bars) - 1))
    start = data.draw(st.integers(0, cut - 2))
    every, changes = lay(bars[start:], on_base(bars[:cut], data.draw(RATIOS)))
    np.testing.assert_allclose(rebased(every, changes).adj_close, bars.adj_close, 1e-9)


@given(histories(), st.lists(RATIOS, min_size=2, max_size=2), st.data())
def test_a_whole_history_of_one_base_ends_every_change(
    bars: Bars, ratios: list[float], data: st.DataObject
) -> None:
    first, second = sorted(data.draw(st.integers(1, len(bars) - 1)) for _ in range(2))
    every, changes = lay(bars[:first], on_base(bars[first:], ratios[0]))
    every, changes = lay(every, on_base(bars[second:], ratios[1]), changes)
    assert lay(every, bars, changes)[1] == ()


def test_files_of_three_downloads_that_overlap_are_one_history() -> None:
    bars = make_sessions(40)
    every, changes = lay(bars[:20], on_base(bars[15:30], 0.98))
    every, changes = lay(every, on_base(bars[27:], 0.9), changes)
    assert [change.ts for change in changes] == [int(bars.ts[15]), int(bars.ts[27])]
    np.testing.assert_allclose(rebased(every, changes).adj_close, bars.adj_close * 0.9, 1e-12)
    assert lay(every, on_base(bars[10:], 0.9), changes)[1][0].ts == int(bars.ts[10])


def test_days_before_a_break_that_come_with_the_later_bars_heal_it() -> None:
    bars = make_sessions(40)
    every, changes = lay(bars[:20], on_base(bars[20:], 7.6))
    assert changes == (BaseChange(int(bars.ts[20]), None),)
    assert lay(every, on_base(bars[19:], 7.6), changes)[1] == (BaseChange(int(bars.ts[19]), None),)
    every, changes = lay(every, on_base(bars[18:], 7.6), changes)
    np.testing.assert_allclose(rebased(every, changes).adj_close, bars.adj_close * 7.6, 1e-12)


def test_importing_either_file_again_changes_no_mark() -> None:
    bars = make_sessions(40)
    other = on_base(bars[20:], 7.6)
    every, changes = lay(bars[:20], other)
    assert lay(every, other, changes)[1] == changes == lay(every, bars[:20], changes)[1]


def test_a_split_that_the_source_made_in_its_own_prices_is_undone_by_shared_days() -> None:
    bars = make_sessions(40)
    split = replace(
        bars,
        **{n: getattr(bars, n) / 7 for n in ("open", "high", "low", "close", "adj_close")},
    )
    every, changes = lay(bars[:20], split[16:])
    np.testing.assert_allclose(rebased(every, changes).adj_close, split.adj_close, 1e-12)


def test_a_price_that_was_corrected_is_no_change_of_base() -> None:
    bars = make_sessions(40)
    closed = replace(bars, close=bars.close.copy(), adj_close=bars.adj_close.copy())
    closed.close[18:20] *= 1.03  # of days that were still open
    closed.adj_close[18:20] *= 1.03
    assert lay(bars[:20], closed[18:])[1] == ()


def test_what_is_before_a_break_is_not_compared_with_what_comes_after() -> None:
    bars = make_sessions(10)
    changes = (BaseChange(int(bars.ts[3]), None), BaseChange(int(bars.ts[6]), 2.0))
    assert broken_at(changes) == bars.ts[3] and broken_at(changes, int(bars.ts[2])) is None
    assert comparable(bars, changes).ts.tolist() == bars.ts[3:].tolist()
    assert len(comparable(bars[:3], changes)) == 3


@pytest.mark.parametrize(
    ("days", "closes", "adjusted", "found"),
    [
        ("01 04", (430.47, 420.05), (56.14, 420.05), [1]),  # AAPL as Quandl had it, then as traded
        ("01 04", (420.0, 105.5), (105.0, 105.5), []),  # a split, four for one, between two files
        ("01 04", (105.0, 419.0), (420.0, 419.0), []),  # one for four
        ("01 04", (100.0, 60.0), (100.0, 60.0), []),  # a crash
        ("01 04", (30.0, 27.2), (27.0, 27.2), []),  # a special dividend of a tenth
        ("01 04", (100.0, 100.0), (98.0, 100.0), []),  # what a dividend does to an ordinary day
        ("01 29", (100.0, 100.0), (50.0, 100.0), [1]),  # a month between the files
        ("01 04", (7.0, 7.0), (0.02, 0.03), []),  # adjusted closes rounded to cents
    ],
)
def test_what_looks_like_another_base(
    days: str, closes: tuple[float, ...], adjusted: tuple[float, ...], found: list[int]
) -> None:
    ts = np.array([moment(f"2013-03-{day}") for day in days.split()])
    assert flags(bars_at(ts, np.array(closes), adj_close=np.array(adjusted))) == found


def test_the_sample_with_its_splits_and_its_crash_has_one_base() -> None:
    file = resources.files("mltrading.adapters.sources") / "data" / "stocks.csv.gz"
    with file.open("rb") as packed, gzip.open(packed, "rt") as lines:
        rows = list(csv.DictReader(lines))
    for code, own in groupby(rows, key=lambda row: row["symbol"]):
        every = list(own)
        ts = np.array([moment(row["date"]) for row in every])
        close, adjusted = (np.array([float(r[n]) for r in every]) for n in ("close", "adj_close"))
        assert flags(bars_at(ts, close, adj_close=adjusted)) == [], code
        assert np.diff(ts).max() < 30 * DAY
