"""Conditions as text that is kept and read again: `close above 150`, `rsi:14 below 30`,
`sma:20 above sma:50`, `close moves 5% in 10`.

A crossing is an event of one bar: the bar before was not beyond, this one is. Being beyond is none.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mltrading.domain.bars import Bars, Flags, Floats, Interval
from mltrading.domain.indicators import REGISTRY, IndicatorSpec, compute, parse_spec, warm_up
from mltrading.utils.text import one_line

Way = Literal["above", "below"]
Move = Literal["moves", "rises", "falls"]
Kind = Literal["price", "indicator"]
WAYS: tuple[Way, ...] = get_args(Way)
MOVES: tuple[Move, ...] = get_args(Move)

LEFT_OUT = ("obv",)
"""OBV counts from the first bar that was read: its level says nothing that would last."""
OFFERED: tuple[str, ...] = tuple(name for name in REGISTRY if name not in LEFT_OUT)

MOST_LEVEL = 1e9
MOST_PERCENT = 1000.0
MOST_MOVE_BARS = 250
_SAME = 1e-9
"""Lines that differ by less, relative to their size, are equal: so exactly are they known."""


@dataclass(frozen=True, slots=True)
class Line:
    """The close, or one line of an indicator."""

    spec: IndicatorSpec | None = None
    name: str = "close"

    def __str__(self) -> str:
        if self.spec is None:
            return self.name
        main = REGISTRY[self.spec.name].lines[0]
        return str(self.spec) if self.name == main else f"{self.spec}.{self.name}"

    @property
    def scale(self) -> str:
        """What it can be compared with: the lines of one pane."""
        return REGISTRY[self.spec.name].pane if self.spec else "price"

    @property
    def words(self) -> str:
        if self.spec is None:
            return "Close"
        entry = REGISTRY[self.spec.name]
        title = " ".join([entry.title, *(f"{p:g}" for p in self.spec.params)])
        return title if self.name == entry.lines[0] else f"{title} ({self.name.replace('_', ' ')})"

    def warm_up(self, interval: Interval) -> int:
        return warm_up(self.spec, interval) if self.spec else 0

    def values(self, bars: Bars, interval: Interval, timezone: str) -> Floats:
        if self.spec is None:
            return bars.close
        return compute(self.spec, bars, interval, timezone)[self.name]


CLOSE = Line()


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of each bar: whether the condition came true with it, and whether that is known at all."""

    came_true: Flags
    known: Flags


@dataclass(frozen=True, slots=True)
class Crosses:
    """`line` gets above, or below, a level or another line."""

    line: Line
    way: Way
    against: Line | float

    def __str__(self) -> str:
        return f"{self.line} {self.way} {_text(self.against)}"

    @property
    def kind(self) -> Kind:
        alone = self.line.spec is None and not isinstance(self.against, Line)
        return "price" if alone else "indicator"

    @property
    def words(self) -> str:
        other = self.against.words if isinstance(self.against, Line) else number(self.against)
        return f"{self.line.words} crosses {self.way} {other}"

    def lookback(self, interval: Interval) -> int:
        """How many bars must precede the first one judged."""
        lines = [self.line, *([self.against] if isinstance(self.against, Line) else [])]
        return 1 + max(line.warm_up(interval) for line in lines)

    def verdicts(self, bars: Bars, interval: Interval, timezone: str) -> Verdicts:
        one = self.line.values(bars, interval, timezone)
        if isinstance(self.against, Line):
            other = self.against.values(bars, interval, timezone)
        else:
            other = np.full(len(bars), self.against)
        side = _side(one, other) * (1 if self.way == "above" else -1)
        return _turned(side > 0, np.isfinite(side))


@dataclass(frozen=True, slots=True)
class Moves:
    """The close is `percent` or more away from the lowest (it rises) or highest (it falls) of the
    `bars` closes before it."""

    way: Move
    percent: float
    bars: int

    def __str__(self) -> str:
        return f"close {self.way} {number(self.percent)}% in {self.bars}"

    @property
    def kind(self) -> Kind:
        return "price"

    @property
    def words(self) -> str:
        span = "1 bar" if self.bars == 1 else f"{self.bars} bars"
        return f"Close {self.way} by {number(self.percent)}% or more within {span}"

    def lookback(self, interval: Interval) -> int:
        return self.bars + 1

    def verdicts(self, bars: Bars, interval: Interval, timezone: str) -> Verdicts:
        known = np.isfinite(bars.close)
        true = np.zeros(len(bars), bool)
        if len(bars) > self.bars:
            before = np.lib.stride_tricks.sliding_window_view(bars.close[:-1], self.bars)
            now = bars.close[self.bars :]
            share = self.percent / 100 * (1 - _SAME)
            rose = now >= before.min(axis=1) * (1 + share)
            fell = now <= before.max(axis=1) * (1 - share)
            both = {"moves": rose | fell, "rises": rose, "falls": fell}
            true[self.bars :] = both[self.way]
        known[: self.bars] = False
        return _turned(true, known)


Condition = Crosses | Moves


def parse_condition(text: str) -> Condition:
    """The condition that `str` wrote, or a person typed; ValueError says what is wrong."""
    words = text.strip().lower().split()
    if len(words) == 3 and words[1] in WAYS:
        return crosses(words[0], words[1], words[2])
    if len(words) == 5 and words[0] == "close" and words[1] in MOVES and words[3] == "in":
        return moves(words[1], words[2].removesuffix("%"), words[4])
    raise ValueError(
        f"'{one_line(text[:60])}' is no condition; write 'close above 150', 'rsi:14 below 30',"
        " 'sma:20 above sma:50' or 'close moves 5% in 10'"
    )


def crosses(line: str, way: str, against: str) -> Crosses:
    """Of the texts of its parts; `against` is a level or a line. ValueError says what is wrong."""
    if way not in WAYS:
        raise ValueError(f"a line crosses above or below, not '{one_line(way[:20])}'")
    left = parse_line(line)
    if not re.match(r"[a-z]", against.strip().lower()):
        level = _number(against, "the level")
        if abs(level) > MOST_LEVEL:
            raise ValueError(f"the level must be within ±{MOST_LEVEL:,.0f}")
        if left.scale == "price" and level <= 0:
            raise ValueError("a price is above 0, and so must the level be")
        return Crosses(left, way, level)
    right = parse_line(against)
    if left == right:
        raise ValueError(f"{left} does not cross itself")
    if left.scale != right.scale:
        raise ValueError(
            f"{left.words} and {right.words} are on different scales, so a crossing says nothing;"
            " compare lines of one pane"
        )
    return Crosses(left, way, right)


def moves(way: str, percent: str, bars: str) -> Moves:
    """Of the texts of its parts. ValueError says what is wrong."""
    if way not in MOVES:
        raise ValueError(f"the close moves, rises or falls, not '{one_line(way[:20])}'")
    share = _number(percent, "the percentage")
    most = 99.0 if way == "falls" else MOST_PERCENT
    if not 0.01 <= share <= most:
        raise ValueError(f"the percentage must be 0.01 to {most:g}, got {share:g}")
    if not re.fullmatch(r"[0-9]{1,4}", bars.strip()) or not 1 <= int(bars) <= MOST_MOVE_BARS:
        raise ValueError(f"the number of bars must be 1 to {MOST_MOVE_BARS}")
    return Moves(way, share, int(bars))


def parse_line(text: str) -> Line:
    """`close`, `rsi:14`, `macd:12:26:9.signal`; ValueError says what is wrong."""
    text = text.strip().lower()
    if text == CLOSE.name:
        return CLOSE
    found = re.fullmatch(r"(.+?)(?:\.([a-z_]+))?", text)
    spec = parse_spec(found[1] if found else text)
    if spec.name in LEFT_OUT:
        raise ValueError(
            f"{spec.name} has no level that lasts: it counts from the first bar that was read"
        )
    lines = REGISTRY[spec.name].lines
    name = found[2] if found and found[2] else lines[0]
    if name not in lines:
        raise ValueError(f"{spec.name} has the lines {', '.join(lines)}, not '{one_line(name)}'")
    return Line(spec, name)


def number(value: float) -> str:
    """Up to eight decimals, none that say nothing: 30, 1234.5, 0.00000012."""
    return f"{value:,.8f}".replace(",", "").rstrip("0").rstrip(".")


def _text(against: Line | float) -> str:
    return str(against) if isinstance(against, Line) else number(against)


def _number(text: str, what: str) -> float:
    try:
        value = float(text.strip())
    except ValueError:
        raise ValueError(f"{what} must be a number, got '{one_line(text[:20])}'") from None
    if not math.isfinite(value):
        raise ValueError(f"{what} must be a number, got '{one_line(text[:20])}'")
    return round(value, 8) + 0.0  # which leaves no minus before a zero


def _side(one: Floats, other: Floats) -> Floats:
    """1 where `one` is above, -1 below, 0 where they are equal, NaN where one is unknown."""
    apart = one - other
    near = np.abs(apart) <= _SAME * np.maximum(np.abs(one), np.abs(other))
    return np.where(near, 0.0, np.sign(apart))


def _turned(true: Flags, known: Flags) -> Verdicts:
    """It came true where it is true and was not at the bar before; both have to be known."""
    both = np.zeros(len(true), bool)
    both[1:] = known[1:] & known[:-1]
    turned = both.copy()
    turned[1:] &= true[1:] & ~true[:-1]
    return Verdicts(turned, both)
