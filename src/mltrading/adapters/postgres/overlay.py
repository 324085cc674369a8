"""What importing rows over stored ones changes: new, changed and untouched, and the bars of the
next coarser interval that follow. Pure NumPy; the writer stores the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mltrading.adapters.postgres.copy_binary import Rows
from mltrading.adapters.postgres.tables import BAR, bars_of, rows_of
from mltrading.domain.bars import DAY, STORED, Flags, Interval, Times
from mltrading.domain.rollup import bucket_starts, first_of_each, roll_up

COARSER = dict(zip(STORED, STORED[1:], strict=False))
"""The interval that is computed from each; the longest has none."""

_VALUES = [name for name in BAR.names or () if name != "ts"]
_WIDEST_GAP = 4_000  # bars' lengths; past it a second query is cheaper than reading the gap
_WIDEST_SPAN = 300_000  # bars' lengths; bounds the stored rows in memory at once
_LOCAL_MARGIN = 2 * DAY  # more than any clock change moves a local bucket


@dataclass(frozen=True, slots=True)
class Window:
    """Rows to store, and the stretch [low, high) of stored rows that can bear on them: the same
    stamps, all that a bar of theirs can overlap, and everything in the coarser buckets they lie
    in."""

    rows: Rows
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Change:
    """`merged` is the stretch as it will be; `replaced` are the rows that `updated` replaces."""

    inserted: Rows
    updated: Rows
    replaced: Rows
    merged: Rows


def windows(rows: Rows, interval: Interval, timezone: str) -> Iterator[Window]:
    """Cut ascending `rows` of `interval` where whole coarser buckets end, so that no stretch is
    long or mostly gap."""
    ts = _ts(rows)
    coarser = COARSER.get(interval)
    starts = ts if coarser is None else bucket_starts(ts, coarser, timezone)
    if np.any(starts[1:] < starts[:-1]):  # a clock set back over midnight
        order = np.argsort(starts, kind="stable")
        starts, rows = starts[order], rows[order]
    length = 1 if coarser is None else coarser.length
    margin = _LOCAL_MARGIN if coarser in (Interval.H4, Interval.D1) else 0
    cuts = _cuts(starts, interval.length)
    for begin, end in zip(cuts, [*cuts[1:], len(rows)], strict=True):
        part = _by_time(rows[begin:end])
        first, last = _ts(part)[[0, -1]].tolist()
        low, high = int(starts[begin]) - margin, int(starts[end - 1]) + length + margin
        # Bars on the grid overlap no other, so that this makes appending ask for nothing more.
        yield Window(part, min(low, first - interval.length + 1), max(high, last + interval.length))


def overlay(stored: Rows, rows: Rows) -> Change:
    """Store `rows` over `stored` (both ascending and unique in ts, of one symbol).

    An imported row replaces what differs, and any rolled row; a rolled row replaces only a rolled
    one that differs. The source of an imported row is no difference.
    """
    if not len(stored):
        return Change(rows, stored, stored, rows)
    at = np.searchsorted(stored["ts"], rows["ts"])
    known = stored["ts"][np.minimum(at, len(stored) - 1)] == rows["ts"]
    at, after = at[known], rows[known]
    before = stored[at]
    replace = _replaces(before, after)
    inserted, updated = rows[~known], after[replace]
    merged = stored.copy()
    merged[at[replace]] = updated
    return Change(inserted, updated, before[replace], _by_time(joined([merged, inserted])))


def counted_twice(stored: Rows, inserted: Rows, interval: Interval, timezone: str) -> int | None:
    """The stamp of the first imported bar that starts off the grid of `interval` and reaches into
    the bucket of a rolled one, where one of the two is in `stored` and the other in `inserted`
    (all imported, or all rolled); None where there is none. Coarser bars would count both."""
    if not interval.intraday or not len(stored) or not len(inserted):
        return None
    new_is_rolled = bool(inserted["rolled"][0])
    others = stored[stored["rolled"] != new_is_rolled]
    if not len(others):
        return None
    imported, computed = (others, inserted) if new_is_rolled else (inserted, others)
    ts = _ts(imported)
    first = bucket_starts(ts, interval, timezone)
    ts, first = ts[first != ts], first[first != ts]
    last = bucket_starts(ts + interval.length - 1, interval, timezone)
    buckets = _ts(computed)
    met = np.searchsorted(buckets, first) < np.searchsorted(buckets, last, side="right")
    return int(ts[met][0]) if met.any() else None


def two_in_one_bucket(change: Change, interval: Interval, timezone: str) -> tuple[int, int] | None:
    """The stamps of the first two imported bars that overlap within one bucket of the grid of
    `interval` (of hours at :00 and at :30, say), where the change brings one of them; None where
    there are none. Coarser bars would count both."""
    if not interval.intraday or not len(change.inserted):
        return None
    ts = _ts(change.merged)[~change.merged["rolled"]]
    at = np.flatnonzero(np.diff(ts) < interval.length)
    if not len(at):
        return None
    first, second = ts[at], ts[at + 1]
    same = bucket_starts(first, interval, timezone) == bucket_starts(second, interval, timezone)
    new = _ts(change.inserted)
    found = np.flatnonzero(same & (np.isin(first, new) | np.isin(second, new)))
    return (int(first[found[0]]), int(second[found[0]])) if len(found) else None


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, in order; without a copy where one part has them all."""
    filled = [part for part in parts if len(part)] or parts[:1]
    return filled[0] if len(filled) == 1 else np.concatenate(filled)


def rolled(change: Change, interval: Interval, timezone: str) -> Rows:
    """Rows of the coarser `interval` for the buckets that the change touches, each from all its
    bars and with the source of the last of them."""
    if not len(change.inserted) and not len(change.updated):
        return change.inserted
    children = change.merged
    keys = bucket_starts(_ts(children), interval, timezone)
    if len(change.inserted) < len(children):
        changed = _ts(joined([change.inserted, change.updated]))
        touched = np.sort(bucket_starts(changed, interval, timezone))
        within = touched[np.searchsorted(touched, keys).clip(max=len(touched) - 1)] == keys
        keys, children = keys[within], children[within]
    order = np.argsort(keys, kind="stable")
    last = np.append(first_of_each(keys[order])[1:], len(keys)) - 1
    bars = roll_up(bars_of(children), interval, timezone)
    rows = rows_of(bars, int(children["symbol_id"][0]), 0, rolled=True)
    rows["source_id"] = children["source_id"][order[last]]
    return rows


def _replaces(before: Rows, after: Rows) -> Flags:
    differs = np.zeros(len(before), bool)
    for name in _VALUES:
        differs |= before[name] != after[name]
    computed = after["rolled"]
    differs |= before["rolled"] & ~computed
    differs |= computed & (before["source_id"] != after["source_id"])
    allowed: Flags = before["rolled"] | ~computed
    return allowed & differs


def _cuts(starts: Times, length: int) -> list[int]:
    """Positions where a stretch begins; never between equal starts."""
    gap = np.diff(starts, prepend=starts[0]) > _WIDEST_GAP * length
    begins = np.maximum.accumulate(np.where(gap, starts, starts[0]))
    piece = (starts - begins) // (_WIDEST_SPAN * length)
    new = gap | (np.diff(piece, prepend=0) > 0)
    new[0] = True
    return [int(position) for position in np.flatnonzero(new)]


def _by_time(rows: Rows) -> Rows:
    ts = _ts(rows)
    return rows if np.all(ts[1:] > ts[:-1]) else rows[np.argsort(ts, kind="stable")]


def _ts(rows: Rows) -> Times:
    found: Times = rows["ts"].view(np.int64)
    return found
