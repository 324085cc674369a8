"""Ranges, percent ticks and rounding of the price chart, on every kind of number."""

import math
import re
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltrading.adapters.sources.validate import MAX_VOLUME
from mltrading.dashboard import theme
from mltrading.dashboard.figures import numbers, panes

finite = st.floats(-1e9, 1e9, allow_nan=False)
prices = st.floats(1e-6, 1e7)


@given(st.lists(finite, min_size=1, max_size=50), st.sampled_from(["price", "around", "zero"]))
def test_range_holds_every_value(values, fit) -> None:
    if fit == "zero":
        values = [abs(value) for value in values]
    low, high = panes.y_range(fit, [np.array(values)])
    slack = 1e-6 * max(abs(v) for v in values) + 1e-9
    assert low - slack <= min(values) and max(values) <= high + slack and low < high


@given(st.lists(prices, min_size=1, max_size=50))
def test_log_range_is_in_log10(values) -> None:
    low, high = panes.y_range("log", [np.array(values)])
    assert low <= math.log10(min(values)) + 1e-6 and math.log10(max(values)) <= high + 1e-6


def test_unknown_values_leave_the_range_alone() -> None:
    known = panes.y_range("price", [np.array([1.0, 2.0])])
    assert panes.y_range("price", [np.array([np.nan, 1.0, np.inf, 2.0])]) == known
    assert panes.y_range("price", [np.array([np.nan])]) == [0, 1]
    assert panes.y_range("log", [np.array([-1.0, 0.0])]) == [0, 1]


@given(st.floats(0.01, 1e6), st.floats(0.01, 3), st.floats(0.05, 10))
def test_percent_ticks_are_even_round_and_inside(base, down, up) -> None:
    low, high = base / (1 + down), base * (1 + up)
    values, texts = panes.percent_ticks(low, high, base)
    assert 2 <= len(values) <= 9 and len(texts) == len(set(texts)) == len(values)
    assert low * (1 - 1e-6) <= min(values) and max(values) <= high * (1 + 1e-6)
    for value, text in zip(values, texts, strict=True):
        percent = float(text.rstrip("%").replace("−", "-").replace(",", ""))
        assert base * (1 + percent / 100) == pytest.approx(value, rel=1e-5)


def test_percent_ticks_of_nothing_are_none() -> None:
    assert panes.percent_ticks(1, 1, 1) == ([], [])
    assert panes.percent_ticks(0, 1, 0) == ([], [])


@pytest.mark.parametrize(
    ("percent", "said"),
    [(1.5, "+1.50%"), (-3, "−3.00%"), (0, "0.00%"), (-0.001, "0.00%"), (1234.5, "+1,234.50%")],
)
def test_signed_percent(percent, said) -> None:
    assert panes.signed_percent(percent) == said


@pytest.mark.parametrize(
    ("price", "sent", "shown"),
    [
        (50_000, 2, 2),
        (183.4, 2, 2),
        (12, 3, 2),
        (9.99, 4, 4),
        (1.0812, 4, 4),
        (0.031, 6, 6),
        (1e-9, 8, 8),
    ],
)
def test_decimals_follow_the_price(price, sent, shown) -> None:
    assert numbers.decimals(np.array([price, np.nan])) == sent
    assert numbers.shown_decimals(price) == shown


def test_lines_over_the_price_widen_its_range_only_so_far() -> None:
    bars, far = np.array([10.0, 20.0]), np.array([-500.0, 900.0])
    alone = panes.y_range("price", [bars])
    low, high = panes.y_range("price", [bars], [far])
    assert low < alone[0] and high > alone[1] and high - low < 2.2 * (alone[1] - alone[0])
    assert panes.y_range("price", [bars], [np.array([12.0, 18.0])]) == alone


def test_decimals_of_unknown_prices() -> None:
    assert numbers.decimals(np.array([np.nan])) == 2
    assert numbers.decimals(np.empty(0)) == 2


def test_rounding_keeps_the_unknown_unknown() -> None:
    assert numbers.rounded(np.array([1.005, np.nan, np.inf, 2.0]), 2) == [1.0, None, None, 2.0]


@given(st.lists(st.floats(0, 1e12) | st.floats(1e12, MAX_VOLUME), min_size=1, max_size=30))
@example([9.3e18, 5.0])  # more than a whole number of 64 bits holds
@example([MAX_VOLUME])
def test_volumes_keep_four_digits_on_their_way(volumes) -> None:
    travelled = orjson.loads(orjson.dumps(numbers.significant(np.array(volumes))))
    for kept, given_ in zip(travelled, volumes, strict=True):
        assert kept == pytest.approx(given_, rel=6e-4, abs=0.51)


@pytest.mark.parametrize("name", theme.THEMES)
def test_every_pane_has_a_line_above_it_but_the_first(name) -> None:
    arranged = panes.arrange(["price", "volume", "macd"], log=False)
    shapes = panes.guides(arranged.values(), theme.palette(name))
    edges = [s["y0"] for s in shapes if s["yref"] == "paper"]
    assert len(edges) == 2 and arranged["volume"].top < edges[0] < arranged["price"].bottom


def test_the_browser_fits_by_the_same_shares() -> None:
    """chart_fit.js fits again after each pan: other numbers would make the chart jump."""
    script = (Path(__file__).parents[2] / "static" / "js" / "chart_fit.js").read_text()
    for name in ("ROOM_ABOVE", "ROOM_BELOW", "MOST_BESIDE"):
        found = re.search(rf"const {name} = ([\d.]+);", script)
        assert found is not None and float(found[1]) == getattr(panes, f"_{name}")
