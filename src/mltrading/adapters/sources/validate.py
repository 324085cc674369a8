"""Which rows are bars. One list of rules serves every reader; the first one broken is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mltrading.adapters.sources.times import NO_TIME
from mltrading.domain.bars import HOUR, Bars, Flags, Floats, Interval, Times

PRICES = ("open", "high", "low", "close", "adj_close")
TOLERANCE = 1e-6  # relative; float32 sources round open and close past high and low
MAX_PRICE, MIN_PRICE = 1e15, 1e-15  # beyond these, ratios and sums leave float64's exact range
MAX_VOLUME = 1e24  # sums of a whole history of such volumes stay far from float64's end, 1.8e308
EARLIEST = int(np.datetime64("1700-01-01", "us").astype(np.int64))
FIRST_SESSION_LEAD = 14 * HOUR  # a session of today begins in Kiribati while UTC has yesterday


@dataclass(frozen=True, slots=True)
class Rule:
    broken: Flags
    reason: Callable[[int], str]


def checked(bars: Bars, symbol_ok: Flags, interval: Interval, now: int, zone: str) -> list[Rule]:
    """The broken rules, in the order in which they are said; an empty list for clean rows."""
    rules = [*_time_rules(bars.ts, interval, now, zone), *_number_rules(bars)]
    rules.append(
        Rule(~symbol_ok, lambda _: "the symbol is not 1 to 32 printable characters without a comma")
    )
    return [rule for rule in rules if rule.broken.any()]


def last_start(interval: Interval, now: int) -> int:
    """The latest stamp a bar can have at `now`."""
    return now if interval.intraday else now + FIRST_SESSION_LEAD


def finality(ts: Times, interval: Interval, now: int) -> Flags:
    """True for bars that are over."""
    return ts + interval.length <= now


def _time_rules(ts: Times, interval: Interval, now: int, zone: str) -> list[Rule]:
    skipped = ts == NO_TIME
    return [
        Rule(skipped, lambda _: f"the clocks in {zone} skip this time or show it twice"),
        Rule(ts < EARLIEST, lambda _: "the time is before 1700"),
        Rule(ts > last_start(interval, now), lambda i: f"the time {_show(ts[i])} is in the future"),
    ]


def _number_rules(bars: Bars) -> list[Rule]:
    rules = []
    for name in PRICES:
        rules += _price_rules(name, getattr(bars, name))
    low, high = bars.low, bars.high
    rules.append(Rule(high < low, lambda i: f"high {high[i]:.15g} is below low {low[i]:.15g}"))
    for name in ("open", "close"):
        rules.append(_between(name, getattr(bars, name), low, high))
    return [*rules, *_volume_rules(bars.volume)]


def _price_rules(name: str, values: Floats) -> list[Rule]:
    return [
        Rule(np.isnan(values), lambda _: f"{name} is not a number"),
        Rule(np.isinf(values), lambda _: f"{name} is infinite"),
        Rule(values <= 0, lambda i: f"{name} {values[i]:.15g} is not above zero"),
        Rule(
            (values > MAX_PRICE) | (values < MIN_PRICE),
            lambda i: f"{name} {values[i]:.15g} is out of range",
        ),
    ]


def _between(name: str, values: Floats, low: Floats, high: Floats) -> Rule:
    out = (values < low * (1 - TOLERANCE)) | (values > high * (1 + TOLERANCE))
    return Rule(
        out,
        lambda i: f"{name} {values[i]:.15g} is outside low {low[i]:.15g} to high {high[i]:.15g}",
    )


def _volume_rules(volume: Floats) -> list[Rule]:
    return [
        Rule(np.isnan(volume), lambda _: "volume is not a number"),
        Rule(volume < 0, lambda i: f"volume {volume[i]:.15g} is negative"),
        Rule(volume > MAX_VOLUME, lambda i: f"volume {volume[i]:.15g} is out of range"),
    ]


def _show(ts: np.int64) -> str:
    return str(np.datetime64(int(ts), "us").astype("M8[s]")) + "Z"
