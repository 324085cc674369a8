"""How figures are written on every page. NaN and None never become a number."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

from mltrading.domain.bars import Interval
from mltrading.domain.query import from_micros

MINUS = "\N{MINUS SIGN}"  # as wide as the plus, so that columns stand
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def known(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def price(value: float) -> str:
    """Two decimals from 1 on, four significant digits below; thousands apart."""
    text = f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"
    return text.replace("-", MINUS)


def signed_percent(fraction: float, decimals: int = 2) -> str:
    """0.0123 -> "+1.23%"; what rounds to zero has no sign."""
    text = f"{fraction * 100:+,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return f"{0:.{decimals}f}%"
    return text.replace("-", MINUS) + "%"


def percent(fraction: float) -> str:
    """0.62 -> "62%"."""
    return f"{fraction * 100:.0f}%".replace("-", MINUS)


def quantity(value: float) -> str:
    """A volume in three to four digits: 52,100,000 -> "52.1M"."""
    for scale, letter in _SCALES:
        if abs(value) >= scale:
            return (
                f"{value / scale:.4g}{letter}"
                if value >= scale * 1000
                else _three(value, scale) + letter
            )
    return f"{value:,.0f}"


def _three(value: float, scale: float) -> str:
    scaled = value / scale
    return f"{scaled:.2f}" if scaled < 10 else f"{scaled:.1f}" if scaled < 100 else f"{scaled:.0f}"


def moment(micros: int, interval: Interval, timezone: str) -> str:
    """When a bar is from: its session's date, or for an intraday bar the exchange's local time."""
    at = from_micros(micros)
    if not interval.intraday:
        return at.date().isoformat()
    return at.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def direction(change: float) -> str:
    """The class of a change: "up", "down", or "" for none and unknown."""
    if not known(change) or change == 0:
        return ""
    return "up" if change > 0 else "down"
