"""Numbers that a process adds up while it works, and that all processes of one server can read.

A number belongs to a key: what it counts, and names that tell apart (a route, an outcome). There
are counters, levels (what is now: they end with their process) and histograms of seconds. Each
process writes to a block of its own. Alone, that is private memory; `share` puts it into a file
that every process of the server maps, so that one of them can tell the sums. Whoever begins after
another died goes on with the dead one's block: nothing that was counted is lost, and a sum never
falls while the server runs. Adding costs less than a microsecond.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mltrading.utils.blocks import NUMBERS, Block, Kind, Shared
from mltrading.utils.histogram import BUCKETS, bucket

Key = tuple[str, ...]
Numbers = tuple[float, ...]

assert NUMBERS == 1 + BUCKETS  # the sum of seconds, then the buckets


@dataclass(frozen=True, slots=True)
class Entry:
    """`numbers` of a counter or level is its value; of a histogram the sum, then the buckets."""

    key: Key
    kind: Kind
    numbers: Numbers

    @property
    def value(self) -> float:
        return self.numbers[0]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(map(int, self.numbers[1:]))


@dataclass(frozen=True, slots=True)
class Everyone:
    """The sums over all processes of a server, and which of them live."""

    entries: list[Entry]
    living: list[int]


class Tally:
    """Safe for threads; a forked child begins with nothing, unshared."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=functools.partial(_forget, weakref.ref(self)))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._block = Block.private()
        self._cells = self._block.cells
        self._places: dict[Key, int] = {}

    def add(self, *key: str, amount: float = 1.0) -> None:
        """Count something."""
        with self._lock:
            place = self._places.get(key) or self._place(key, Kind.COUNTER)
            self._cells[place] += amount

    def change(self, amount: float, *key: str) -> None:
        """A level rises or falls."""
        with self._lock:
            place = self._places.get(key) or self._place(key, Kind.LEVEL)
            self._cells[place] += amount

    def set(self, value: float, *key: str) -> None:
        """A level is now this."""
        with self._lock:
            place = self._places.get(key) or self._place(key, Kind.LEVEL)
            self._cells[place] = value

    def peak(self, value: float, *key: str) -> None:
        """A level is at least this."""
        with self._lock:
            place = self._places.get(key) or self._place(key, Kind.LEVEL)
            self._cells[place] = max(self._cells[place], value)

    def observe(self, seconds: float, *key: str) -> None:
        """Something took so long."""
        number = bucket(seconds) + 1
        with self._lock:
            place = self._places.get(key) or self._place(key, Kind.HISTOGRAM)
            self._cells[place] += seconds
            self._cells[place + number] += 1.0

    def _place(self, key: Key, kind: Kind) -> int:
        place = self._block.place(key, kind)
        self._places[key] = place
        return place

    def share(self, folder: Path) -> None:
        """Go on in a block of that folder, with all that was added so far. OSError where that can
        not be; then nothing changes."""
        shared = Block.claim(folder)
        with self._lock:
            shared.merge(self._block)
            self._block.close()
            self._block, self._cells = shared, shared.cells
            self._places = shared.places()

    @property
    def shared(self) -> bool:
        return isinstance(self._block, Shared)

    def own(self) -> list[Entry]:
        """What this process added."""
        with self._lock:
            return list(_entries(self._block, levels=True))

    def everyone(self) -> Everyone:
        """What all processes of the folder added, those that died too; levels of the living."""
        with self._lock:
            block = self._block
            found, living = list(_entries(block, levels=True)), [block.writer]
        if isinstance(block, Shared):
            for other in block.others():
                found += _entries(other, levels=other.alive)
                living += [other.writer] if other.alive else []
                other.close()
        return Everyone(_summed(found), living)

    def untold(self) -> list[Entry]:
        """What was added since it was last `told`, counters and histograms, by this process and by
        a dead one whose block it took over."""
        with self._lock:
            return [Entry(key, kind, numbers) for key, kind, numbers in self._block.untold()]

    def told(self) -> None:
        """What `untold` gave last need not be told again."""
        with self._lock:
            self._block.told()


def _forget(reference: weakref.ref[Tally]) -> None:
    tally = reference()
    if tally is not None:
        tally._block.close()  # pylint: disable=protected-access  # of its own class
        tally._begin()  # pylint: disable=protected-access


def _entries(block: Block, *, levels: bool) -> Iterator[Entry]:
    for key, kind, numbers in block.entries():
        if levels or kind is not Kind.LEVEL:
            yield Entry(key, kind, numbers)


def _summed(entries: list[Entry]) -> list[Entry]:
    found: dict[Key, Entry] = {}
    for entry in entries:
        known = found.get(entry.key)
        if known is not None:
            both = zip(known.numbers, entry.numbers, strict=True)
            entry = Entry(entry.key, entry.kind, tuple(a + b for a, b in both))
        found[entry.key] = entry
    return [found[key] for key in sorted(found)]
