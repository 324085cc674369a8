"""Adjusted prices: relative to the newest bar, whatever the source made them relative to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain import indicators
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.rollup import roll_up
from tests.factories import make_sessions

PRICES = ("open", "high", "low", "close")


@st.composite
def histories(draw: st.DrawFn) -> Bars:
    """Days with splits and dividends; the source's last factor is any, as where it knows of a
    split after the newest of them."""
    bars = make_sessions(draw(st.integers(2, 60)), seed=draw(st.integers(0, 50)))
    steps = draw(st.lists(st.floats(0.05, 3.0), min_size=len(bars), max_size=len(bars)))
    events = draw(st.lists(st.booleans(), min_size=len(bars), max_size=len(bars)))
    factor = np.cumprod(np.where(events, steps, 1.0)[::-1])[::-1]
    return replace(bars, adj_close=bars.close * factor)


@given(histories())
def test_the_newest_bar_shows_what_was_traded(bars: Bars) -> None:
    adjusted = bars.adjusted(bars.newest_factor)
    for name in PRICES:
        assert getattr(adjusted, name)[-1] == getattr(bars, name)[-1]


@given(histories())
def test_returns_are_those_of_the_adjusted_closes(bars: Bars) -> None:
    adjusted = bars.adjusted(bars.newest_factor).close
    np.testing.assert_allclose(
        adjusted[1:] / adjusted[:-1], bars.adj_close[1:] / bars.adj_close[:-1], rtol=1e-12
    )


@given(histories())
def test_a_bar_keeps_its_shape(bars: Bars) -> None:
    adjusted = bars.adjusted(bars.newest_factor)
    for name in PRICES:
        ratio = getattr(adjusted, name) / adjusted.close
        np.testing.assert_allclose(ratio, getattr(bars, name) / bars.close, rtol=1e-12)
    assert np.all(adjusted.low <= np.minimum(adjusted.open, adjusted.close))
    assert np.all(adjusted.high >= np.maximum(adjusted.open, adjusted.close))


@given(histories(), st.floats(0.01, 100))
def test_what_the_source_is_relative_to_makes_no_difference(bars: Bars, scale: float) -> None:
    other = replace(bars, adj_close=bars.adj_close * scale)
    for name in PRICES:
        np.testing.assert_allclose(
            getattr(bars.adjusted(bars.newest_factor), name),
            getattr(other.adjusted(other.newest_factor), name),
            rtol=1e-12,
        )


@pytest.mark.parametrize("name", ["rsi", "stoch", "adx", "sma", "bbands", "atr", "macd"])
def test_indicators_have_the_same_shape(name: str) -> None:
    """Those without a unit stay, those in prices are scaled as the prices are."""
    bars = make_sessions(120, seed=4)
    apart = np.random.default_rng(4).uniform(0, 0.01, 120)  # ADX turns on which move is the larger
    factor = np.repeat([0.05, 0.1304], 60)
    bars = replace(bars, high=bars.high + apart, adj_close=bars.close * factor)
    spec = indicators.parse_spec(name)
    scale = 1.0 if name in ("rsi", "stoch", "adx") else bars.newest_factor
    before = indicators.compute(spec, bars.adjusted(), Interval.D1, "America/New_York")
    after = indicators.compute(
        spec, bars.adjusted(bars.newest_factor), Interval.D1, "America/New_York"
    )
    for line in before:
        np.testing.assert_allclose(after[line] * scale, before[line], rtol=1e-9, atol=1e-9)


def test_a_week_over_a_split_ends_on_what_was_traded() -> None:
    bars = make_sessions(5, "2024-06-10")
    split = replace(bars, adj_close=bars.close * [0.01, 0.01, 0.1, 0.1, 0.1])
    [close] = roll_up(split.adjusted(split.newest_factor), Interval.W1, "UTC").close
    assert close == bars.close[-1]
