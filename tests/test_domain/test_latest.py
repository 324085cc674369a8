"""The newest facts of a symbol, against a slow look through its sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain.bars import DAY, Bars
from mltrading.domain.latest import SESSIONS_NEEDED, newest_facts
from tests.factories import make_bars, make_sessions

EPOCH = date(1970, 1, 1)


def days_of(bars: Bars) -> list[date]:
    return [EPOCH + timedelta(days=int(ts) // DAY) for ts in bars.ts]


def close_on_or_before(bars: Bars, day: date) -> float | None:
    closes = [c for d, c in zip(days_of(bars), bars.adj_close, strict=True) if d <= day]
    return closes[-1] if closes else None


@given(st.sets(st.integers(14_000, 14_900), min_size=1), st.integers(0, 50))
def test_facts_are_those_of_a_slow_look(days: set[int], seed: int) -> None:
    ts = np.array(sorted(days), np.int64) * DAY
    bars = replace(make_bars(len(ts), seed=seed, adjustment=0.5), ts=ts)
    facts = newest_facts(bars)
    newest = days_of(bars)[-1]
    assert facts.session == newest
    assert facts.close == bars.adj_close[-1]
    assert facts.close_1d == (bars.adj_close[-2] if len(bars) > 1 else None)
    assert facts.close_1w == close_on_or_before(bars, newest - timedelta(days=7))
    year_ago = newest.replace(year=newest.year - 1, day=min(newest.day, 28 + (newest.month != 2)))
    if newest.day == year_ago.day:
        assert facts.close_1y == close_on_or_before(bars, year_ago)
        inside = np.array([day > year_ago for day in days_of(bars)])
        assert facts.high_52w == pytest.approx(bars.high[inside].max() / 2)
        assert facts.low_52w == pytest.approx(bars.low[inside].min() / 2)
    assert facts.spark == bars.adj_close[-60:].tolist()


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ("2024-03-31", date(2024, 2, 29)),
        ("2023-03-30", date(2023, 2, 28)),
        ("2024-01-15", date(2023, 12, 15)),
        ("2024-12-31", date(2024, 11, 30)),
    ],
)
def test_a_month_earlier_is_the_same_day_or_the_last_of_that_month(
    newest: str, expected: date
) -> None:
    ts = np.arange(-400, 1) * DAY + np.datetime64(newest, "us").astype(np.int64)
    bars = replace(make_bars(401), ts=ts)
    assert newest_facts(bars).close_1mo == close_on_or_before(bars, expected)


def test_the_newest_sessions_needed_give_the_same_facts_as_all() -> None:
    every_day = replace(make_bars(900), ts=np.arange(15_000, 15_900) * DAY)
    assert newest_facts(every_day[-SESSIONS_NEEDED:]) == newest_facts(every_day)
    leap = every_day[
        : int(np.searchsorted(every_day.ts, np.datetime64("2012-03-01", "us").astype(int)))
    ]
    assert newest_facts(leap[-SESSIONS_NEEDED:]) == newest_facts(leap)


def test_one_session_has_no_past() -> None:
    facts = newest_facts(make_sessions(1))
    past = (facts.close_1d, facts.close_1w, facts.close_1mo, facts.close_1y)
    assert past == (None, None, None, None)
