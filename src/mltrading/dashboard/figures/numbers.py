"""Numbers on their way into a figure: rounded Python lists, decimals that fit the price."""

from __future__ import annotations

import math

import numpy as np

from mltrading.domain.bars import Floats

MOST_DECIMALS = 8
WHOLE_UNTIL = 2.0**53
"""Below, every whole number is exact, and one of 64 bits; beyond, it travels as a float does."""


def decimals(prices: Floats) -> int:
    """Decimals to send prices with: five significant digits of the middle one, at least two."""
    known = prices[np.isfinite(prices) & (prices > 0)]
    return max(2, _five_digits(float(np.median(known)))) if len(known) else 2


def shown_decimals(price: float) -> int:
    """Decimals to show a price with: two from ten up, below that five significant digits."""
    return 2 if not 0 < price < 10 else _five_digits(price)


def _five_digits(price: float) -> int:
    return min(4 - math.floor(math.log10(price)), MOST_DECIMALS)


def rounded(values: Floats, places: int) -> list[float | None]:
    """A list that travels small; None where the value is unknown."""
    known = np.isfinite(values)
    numbers = np.round(values, places)
    if not known.all():
        numbers = numbers.astype(object)
        numbers[~known] = None
    listed: list[float | None] = numbers.tolist()
    return listed


def significant(values: Floats, digits: int = 4) -> list[int | float | None]:
    """Values with only their leading digits, for bars whose exact height nobody reads."""
    with np.errstate(divide="ignore"):
        magnitude = np.floor(np.log10(np.abs(values)))
    magnitude[~np.isfinite(magnitude)] = 0
    unit = 10.0 ** np.maximum(magnitude - digits + 1, 0)
    whole = np.round(values / unit) * unit
    if (np.abs(whole) < WHOLE_UNTIL).all() and (whole == np.floor(whole)).all():
        return list(whole.astype(np.int64).tolist())
    return list(rounded(whole, 4))
