"""How figures are written."""

from __future__ import annotations

import math

import pytest

from mltrading.dashboard import formats
from mltrading.domain.bars import Interval


@pytest.mark.parametrize(
    ("value", "expected"),
    [(183.42, "183.42"), (1234567.891, "1,234,567.89"), (0.01234, "0.01234"), (-2.5, "−2.50")],
)
def test_price(value: float, expected: str) -> None:
    assert formats.price(value) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.0123, "+1.23%"),
        (-0.0123, "−1.23%"),
        (0.0, "0.00%"),
        (-0.00001, "0.00%"),
        (0.00005, "+0.01%"),
        (12.5, "+1,250.00%"),
    ],
)
def test_signed_percent(fraction: float, expected: str) -> None:
    assert formats.signed_percent(fraction) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (896, "896"),
        (999.6, "1.00K"),
        (1_234, "1.23K"),
        (12_345, "12.3K"),
        (52_100_000, "52.1M"),
        (999_999, "1.00M"),
        (3e9, "3.00B"),
        (4.2e15, "4,200T"),
    ],
)
def test_quantity(value: float, expected: str) -> None:
    assert formats.quantity(value) == expected


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_known(value: float | None) -> None:
    assert not formats.known(value)


@pytest.mark.parametrize(
    ("change", "expected"), [(0.1, "up"), (-0.1, "down"), (0.0, ""), (math.nan, "")]
)
def test_direction(change: float, expected: str) -> None:
    assert formats.direction(change) == expected


def test_moment_of_a_daily_bar_is_its_session_whatever_the_zone() -> None:
    label = 1_719_878_400_000_000
    assert formats.moment(label, Interval.D1, "America/New_York") == "2024-07-02"
    assert formats.moment(label, Interval.H1, "America/New_York") == "2024-07-01 20:00"
