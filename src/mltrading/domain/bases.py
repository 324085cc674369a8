"""What adjusted prices are relative to, and where a history goes over from one base to another.

A source computes its adjusted closes anew with each dividend and split, so that files of different
days, or one with adjusted closes and one without, do not continue each other though every price as
traded does. Returns across such a place are none that anybody had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mltrading.domain.bars import DAY, Bars, Flags, Floats, Times

DAILY_DEVIATION = 0.025
"""Standard deviation of a day's log return that both explanations of a step are measured by."""
CERTAINTY = 7.0
"""How much more likely, as a logarithm, another base has to be than a split or dividend."""
CENT = 0.005
"""Adjusted closes of a few cents are rounded to them: so much of a step is no step."""
WITNESSES = 5  # days that two files share, the ones next to the seam
SAME = 1e-4
ALIKE = 5e-3  # of which the median is taken
LEAST_RESCALING = 0.01


@dataclass(frozen=True, slots=True)
class BaseChange:
    """From the session labelled `ts` (µs UTC) on, adjusted prices are on another base. Those before
    it, times `ratio`, are on it too; None: nobody knows the ratio."""

    ts: int
    ratio: float | None


BaseChanges = tuple[BaseChange, ...]


def rebased(bars: Bars, changes: Sequence[BaseChange]) -> Bars:
    """The bars with `adj_close` on the newest base, as far as the ratios are known."""
    known = [(change.ts, change.ratio) for change in changes if change.ratio is not None]
    if not known or not len(bars):
        return bars
    scale = np.ones(len(bars))
    for ts, ratio in known:
        scale[: np.searchsorted(bars.ts, ts)] *= ratio
    return replace(bars, adj_close=bars.adj_close * scale)


def broken_at(changes: Sequence[BaseChange], until: int | None = None) -> int | None:
    """The newest session (up to `until`) whose base has no known relation to the one before it;
    what lies before it is not comparable with what comes later."""
    unknown = (change.ts for change in changes if change.ratio is None)
    return max((ts for ts in unknown if until is None or ts <= until), default=None)


def comparable(bars: Bars, changes: Sequence[BaseChange]) -> Bars:
    """The bars that the newest of them is comparable with."""
    broken = broken_at(changes, int(bars.ts[-1])) if len(bars) else None
    return bars if broken is None else bars[slice(int(np.searchsorted(bars.ts, broken)), None)]


def unexplained(ts: Times, close: Floats, adj_close: Floats) -> Flags:
    """Whether the base changes between each pair of neighbours (one flag fewer than bars).

    Where adj_close / close steps, either an event made it, and the adjusted return is an ordinary
    one, or the base changed, and the return as traded is. With log returns normal of a deviation
    that grows with the square root of the days between, the difference of the logarithms of both
    likelihoods is (adjusted² - traded²) / (2 variance).
    """
    traded = np.diff(np.log(close))
    step = np.diff(np.log(adj_close / close))
    slack = CENT / adj_close[1:] + CENT / adj_close[:-1]
    adjusted = traded + np.sign(step) * np.maximum(np.abs(step) - slack, 0)
    variance = DAILY_DEVIATION**2 * np.maximum(np.diff(ts) / DAY, 1)
    flags: Flags = adjusted**2 - traded**2 > 2 * variance * CERTAINTY
    return flags


def shifts(before: Bars, after: Bars) -> Floats:
    """The log of what takes adjusted prices of `before` to those of `after`, which replace them day
    by day: 0 where it is less than rounding, or only the price itself was corrected."""
    traded = np.array(
        [np.log(getattr(after, n) / getattr(before, n)) for n in ("open", "high", "low", "close")]
    )
    rounded = np.abs(traded - traded[3]).max(axis=0) <= 1e-9 + 2 * CENT / np.minimum(
        before.low, after.low
    )
    rescaled = rounded & (np.abs(traded[3]) > LEAST_RESCALING)  # a split, in a source's own prices
    factor = np.log(after.adj_close / after.close) - np.log(before.adj_close / before.close)
    shift = factor + np.where(rescaled, traded[3], 0)
    slack = 1e-9 + CENT / before.adj_close + CENT / after.adj_close
    found: Floats = np.where(np.abs(shift) > slack, shift, 0)
    return found


@dataclass(frozen=True, slots=True)
class Laid:
    """Bars as they are after an import, with their neighbours: `own` are those that it brought,
    `shift` the log ratio to the bar that each replaced, NaN where it replaced none."""

    bars: Bars
    own: Flags
    shift: Floats

    def changes(self, known: Sequence[BaseChange]) -> BaseChanges:
        """All changes of base of the symbol, given those `known` before the import."""
        ts = self.bars.ts
        kept = [one for one in known if not ts[0] < one.ts <= ts[-1]]
        flags = unexplained(ts, self.bars.close, self.bars.adj_close)
        ends = self.own[1:] != self.own[:-1]
        looked_at = flags | ends | np.isin(ts[1:], [one.ts for one in known])
        for place in np.flatnonzero(looked_at).tolist():
            kept += self._between(place, bool(flags[place]), known)
        return tuple(sorted(kept, key=lambda one: one.ts))

    def _between(self, place: int, flagged: bool, known: Sequence[BaseChange]) -> BaseChanges:
        """The change between the bar at `place` and the next, if there is one."""
        before, after = bool(self.own[place]), bool(self.own[place + 1])
        here = int(self.bars.ts[place + 1])
        if not before and not after:
            return tuple(one for one in known if one.ts == here)
        total = None if before == after else self._total(place, known)
        if total is None:
            return (BaseChange(here, None),) if flagged else ()
        return (BaseChange(here, float(np.exp(total))),) if abs(total) > SAME else ()

    def _total(self, place: int, known: Sequence[BaseChange]) -> float | None:
        """The log ratio at an end of what was brought, where the days that both had tell it."""
        comes = bool(self.own[place + 1])
        passed = {one.ts for one in known}
        witnesses = self._witnesses(place + comes, 1 if comes else -1, passed)
        shift = _agreed(self.shift[witnesses])
        if shift is None:
            return None
        ts = self.bars.ts
        first, last = sorted((int(ts[place if comes else place + 1]), int(ts[witnesses[0]])))
        jumps = [one.ratio for one in known if first < one.ts <= last]
        if None in jumps:
            return None
        jump = sum(float(np.log(ratio)) for ratio in jumps if ratio is not None)
        return jump + shift if comes else jump - shift

    def _witnesses(self, place: int, way: int, passed: set[int]) -> list[int]:
        """The replaced bars next to an end, of those that were brought together there: up to one
        whose base was another before (`passed`: where it changed)."""
        found: list[int] = []
        while 0 <= place < len(self.own) and self.own[place] and len(found) < WITNESSES:
            if found and int(self.bars.ts[max(place, place - way)]) in passed:
                break
            if not np.isnan(self.shift[place]):
                found.append(place)
            place += way
        return found


def _agreed(shift: Floats) -> float | None:
    """What several days say alike, or one that says that nothing changed."""
    if not len(shift) or (len(shift) == 1 and shift[0] != 0):
        return None
    return float(np.median(shift)) if np.ptp(shift) <= ALIKE else None
