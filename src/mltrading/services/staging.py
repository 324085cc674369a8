"""Rows in any order become runs of one symbol in ascending time, in bounded memory.

Rows that come in order pass straight through. From the first piece that does not, or that mixes
many symbols, everything goes to a temporary file, is dealt out into parts by symbol and time, and
comes back part by part, sorted. Of rows with the same stamp the later line stays behind the
earlier one, so that the last line can win. The files have no name, so that none is left over
however the import ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import SECOND, Bars, Times
from mltrading.services.ports import ReadRows, Written

Run = tuple[int, Bars]
"""A symbol's position in its file, and bars of it, ascending but perhaps repeated in `ts`."""

MIXED_SYMBOLS = 8  # more in one piece: writing each alone would cost more than sorting
PART_ROWS = 150_000
MOST_PARTS = 512  # open files
SAMPLE_EVERY = 64
_RECORD = np.dtype(
    [
        *[("symbol", "<i4"), ("ts", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8")],
        *[("close", "<f8"), ("adj_close", "<f8"), ("volume", "<f8"), ("is_final", "?")],
    ]
)
Records = NDArray[np.void]


def in_order(pieces: Iterable[ReadRows], sorting: Callable[[], None]) -> Iterator[Run]:
    """All rows as runs; `sorting` is called once if and when they have to be sorted on disk.

    A piece passes on once the next one turns out to follow it, so that a file in descending order
    yields nothing before all of it is read."""
    newest: dict[int, int] = {}
    held: ReadRows | None = None
    passing: list[Run] = []
    with ExitStack() as files:
        spill: _Spill | None = None
        for piece, more in _with_more(pieces):
            if spill is None:
                runs = list(_runs(piece.symbol, piece.bars))
                if _follows(runs, newest, alone=held is None and not more):
                    yield from passing
                    held, passing = piece, runs
                    newest.update((at, int(bars.ts[-1])) for at, bars in runs)
                    continue
                spill = _Spill(files)
                if held is not None:
                    spill.add(held)
                passing = []
            spill.add(piece)
        yield from passing
        if spill is not None:
            sorting()
            yield from spill.runs()


def _follows(runs: list[Run], newest: dict[int, int], alone: bool) -> bool:
    """Whether a piece may be written as it is: no row is older than those before it."""
    orderly = all(bars.ts[0] >= newest.get(at, bars.ts[0]) for at, bars in runs)
    return orderly and (alone or len(runs) <= MIXED_SYMBOLS)


def last_wins(bars: Bars) -> tuple[Bars, Written]:
    """Ascending bars without repeated stamps, and what the dropped rows count as: updated where
    the next row of the stamp says something else, unchanged where it says the same."""
    repeated = np.append(bars.ts[1:] == bars.ts[:-1], False)
    if not repeated.any():
        return bars, Written()
    first, following = bars[repeated], bars[np.roll(repeated, 1)]
    columns = ("open", "high", "low", "close", "adj_close", "volume", "is_final")
    same = np.logical_and.reduce([getattr(first, c) == getattr(following, c) for c in columns])
    unchanged = int(same.sum())
    return bars[~repeated], Written(updated=len(first) - unchanged, unchanged=unchanged)


def _with_more(pieces: Iterable[ReadRows]) -> Iterator[tuple[ReadRows, bool]]:
    """Each piece, and whether another follows."""
    before: ReadRows | None = None
    for piece in pieces:
        if before is not None:
            yield before, True
        before = piece
    if before is not None:
        yield before, False


def _runs(symbol: NDArray[np.int32], bars: Bars) -> Iterator[Run]:
    if not len(bars):
        return
    if np.any(symbol != symbol[0]) or np.any(bars.ts[1:] < bars.ts[:-1]):
        order = np.lexsort((bars.ts, symbol))
        symbol, bars = symbol[order], bars[order]
    cuts = np.flatnonzero(np.diff(symbol)) + 1
    for start, stop in zip([0, *cuts], [*cuts, len(symbol)], strict=True):
        yield int(symbol[start]), bars[slice(start, stop)]


class _Spill:
    """Rows on disk, with a sample of their keys to deal them out evenly. Its files stay open in
    `files` as long as they hold rows."""

    def __init__(self, files: ExitStack) -> None:
        self._files = files
        self._rows = self._file()
        self._samples: list[Times] = []
        self._count = 0

    def add(self, piece: ReadRows) -> None:
        records = np.empty(len(piece.bars), _RECORD)
        records["symbol"] = piece.symbol
        for name in _RECORD.names[1:] if _RECORD.names else ():
            records[name] = getattr(piece.bars, name)
        self._rows.write(records.tobytes())
        self._samples.append(_keys(records)[::SAMPLE_EVERY])
        self._count += len(records)

    def runs(self) -> Iterator[Run]:
        count = min(MOST_PARTS, -(-self._count // PART_ROWS))
        if not count:
            return
        parts = [self._file() for _ in range(count)]
        self._deal_out(parts)
        for part in parts:
            part.seek(0)
            records = np.frombuffer(part.read(), _RECORD)
            part.close()
            yield from _runs(records["symbol"], _bars(records))

    def _file(self) -> IO[bytes]:
        return self._files.enter_context(tempfile.TemporaryFile(prefix="mltrading-import-"))

    def _deal_out(self, parts: list[IO[bytes]]) -> None:
        """Move every row to the part of its key; equal keys meet in one part, in file order."""
        samples = np.sort(np.concatenate(self._samples))
        edges = samples[len(samples) * np.arange(1, len(parts)) // len(parts)]
        self._rows.seek(0)
        while data := self._rows.read(_RECORD.itemsize * max(1, PART_ROWS // 2)):
            records = np.frombuffer(data, _RECORD)
            place = np.searchsorted(edges, _keys(records), side="right")
            order = np.argsort(place, kind="stable")
            cuts = np.searchsorted(place[order], np.arange(len(parts) + 1))
            for part, start, stop in zip(parts, cuts[:-1], cuts[1:], strict=True):
                part.write(records[order[start:stop]].tobytes())
        self._rows.close()


def _keys(records: Records) -> Times:
    """Symbol and second in one number: 27 bits and 37 bits (years 1 to 4000)."""
    seconds = records["ts"] // SECOND + (1 << 36)
    keys: Times = (records["symbol"].astype(np.int64) << 37) + seconds
    return keys


def _bars(records: Records) -> Bars:
    names = (_RECORD.names or ())[1:]
    return Bars(*(np.ascontiguousarray(records[name]) for name in names))
