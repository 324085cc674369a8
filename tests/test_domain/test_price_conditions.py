"""Conditions of traders' alerts: their text, and with which bar they come true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain.bars import Bars, Interval
from mltrading.domain.indicators import REGISTRY, compute, parse_spec
from mltrading.domain.price_alerts.conditions import (
    MOVES,
    OFFERED,
    WAYS,
    Crosses,
    Line,
    Moves,
    number,
    parse_condition,
    parse_line,
)
from tests.factories import make_sessions

NEW_YORK = "America/New_York"


def closes(*values: float) -> Bars:
    bars = make_sessions(len(values))
    array = np.array(values, float)
    return replace(bars, open=array, high=array, low=array, close=array, adj_close=array)


def came_true(text: str, bars: Bars) -> list[int]:
    verdicts = parse_condition(text).verdicts(bars, Interval.D1, NEW_YORK)
    return np.flatnonzero(verdicts.came_true).tolist()


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("close above 150", (149, 151, 152, 149, 150, 150.01), [1, 5]),
        ("close below 150", (149, 151, 150, 149.99, 151, 100), [3, 5]),
        ("close above 150", (151, 152), []),  # it was above before anybody could look
        ("close above 150", (150, 150, 150), []),
        ("close above 150", (149, np.nan, 151, 149, 151), [4]),  # not over what is not known
        ("close rises 10% in 2", (100, 100, 105, 110, 109, 100, 90, 100), [3, 7]),
        ("close falls 10% in 2", (100, 100, 95, 90, 91, 100), [3]),
        ("close moves 10% in 1", (100, 100, 110, 110, 99), [2, 4]),
        ("close rises 10% in 3", (100, 100), []),
        ("close rises 10% in 3", (), []),
    ],
)
def test_it_comes_true_with_a_bar_and_not_while_it_stays_so(
    text: str, values: tuple[float, ...], expected: list[int]
) -> None:
    assert came_true(text, closes(*values)) == expected


def test_lines_that_are_equal_but_for_rounding_cross_nothing() -> None:
    flat = closes(*[0.1 + 0.2] * 200)
    assert came_true("close above sma:20", flat) == []
    assert came_true("ema:9 below sma:20", flat) == []


def test_two_averages_cross_where_their_difference_changes_its_sign() -> None:
    bars = make_sessions(400, seed=5)
    fast, slow = (
        compute(parse_spec(f"sma:{n}"), bars, Interval.D1, NEW_YORK)["sma"] for n in (5, 20)
    )
    apart = fast - slow
    expected = [n for n in range(1, 400) if apart[n] > 0 >= apart[n - 1]]
    assert len(expected) > 5
    assert came_true("sma:5 above sma:20", bars) == expected


def test_the_first_bar_that_can_be_judged_has_all_that_it_needs_and_one_bar_before() -> None:
    bars = make_sessions(60)
    verdicts = parse_condition("close above sma:20").verdicts(bars, Interval.D1, NEW_YORK)
    assert np.flatnonzero(verdicts.known)[0] == 20
    assert parse_condition("close above sma:20").lookback(Interval.D1) == 20


SPECS = [str(REGISTRY[name].default()) for name in OFFERED]
LINES = ["close"] + [
    str(parse_line(f"{spec}.{name}"))
    for spec in SPECS
    for name in REGISTRY[spec.split(":", maxsplit=1)[0]].lines
]


@given(st.sampled_from(LINES), st.sampled_from(WAYS), st.floats(0.01, 1e9))
def test_a_crossing_of_a_level_is_read_as_it_was_written(line: str, way: str, level: float) -> None:
    condition = parse_condition(f"{line} {way} {number(level)}")
    assert isinstance(condition, Crosses) and parse_condition(str(condition)) == condition


@given(st.sampled_from(MOVES), st.floats(0.01, 99), st.integers(1, 250))
def test_a_move_is_read_as_it_was_written(way: str, percent: float, bars: int) -> None:
    condition = parse_condition(f"close {way} {number(percent)}% in {bars}")
    assert condition == Moves(way, round(percent, 8), bars)  # type: ignore[arg-type]
    assert parse_condition(str(condition)) == condition


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse_condition(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("close above 150", "price", "Close crosses above 150"),
        ("close moves 5% in 1", "price", "Close moves by 5% or more within 1 bar"),
        ("close falls 2.5% in 10", "price", "Close falls by 2.5% or more within 10 bars"),
        ("rsi below 30", "indicator", "RSI 14 crosses below 30"),
        ("sma:20 above sma:50", "indicator", "SMA 20 crosses above SMA 50"),
        (
            "close below bbands:20:2.lower",
            "indicator",
            "Close crosses below Bollinger 20 2 (lower)",
        ),
        ("macd above macd.signal", "indicator", "MACD 12 26 9 crosses above MACD 12 26 9 (signal)"),
    ],
)
def test_it_is_told_in_words(text: str, kind: str, words: str) -> None:
    condition = parse_condition(text)
    assert (condition.kind, condition.words) == (kind, words)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("close above", "is no condition"),
        ("close over 5", "is no condition"),
        ("close above -1", "a price is above 0"),
        ("close above nan", "unknown indicator 'nan'"),
        ("close above 1e999", "must be a number"),
        ("close above 1e10", "within"),
        ("close above close", "does not cross itself"),
        ("sma:20 above sma:20.sma", "does not cross itself"),
        ("rsi:14 above sma:50", "different scales"),
        ("rsi above atr", "different scales"),
        ("obv above 0", "no level that lasts"),
        ("macd.nosuch above 0", "has the lines macd, signal, histogram"),
        ("sma:1 above 5", "window must be 2 to 500"),
        ("close moves 0% in 5", "0.01 to 1000"),
        ("close falls 100% in 5", "0.01 to 99"),
        ("close moves 5% in 0", "1 to 250"),
        ("close moves 5% in 251", "1 to 250"),
        ("close moves x% in 5", "must be a number"),
        ("rsi moves 5% in 5", "is no condition"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_condition(text)


def test_every_indicator_of_the_chart_is_offered_or_left_out_by_name() -> None:
    assert {*OFFERED, "obv"} == set(REGISTRY)
    assert all(isinstance(parse_line(name), Line) for name in OFFERED)
