"""How figures are written on every page. NaN and None never become a number."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

from mltrading.domain.bars import Interval
from mltrading.domain.query import from_micros

MINUS = "\N{MINUS SIGN}"  # as wide as the plus, so that columns stand
_SCALES = ((1e3, "K"), (1e6, "M"), (1e9, "B"), (1e12, "T"))


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
    """A volume in three digits: 52,100,000 -> "52.1M"."""
    if abs(value) < 999.5:
        return f"{value:,.0f}"
    scale, letter = next((s for s in _SCALES if abs(value) < s[0] * 999.5), _SCALES[-1])
    return _three(value / scale) + letter


def _three(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


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
