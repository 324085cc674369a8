"""Blocks of numbers under names, in private memory or in a file that other processes read.

A file has one writer, who holds its lock for as long as it lives; the system gives the lock back
however the process ends, so a lock that is free means a writer that is gone. A reader never waits:
numbers are aligned doubles, which processors write whole, and an entry counts once its name is
there.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path

VERSION = 1.0
NUMBERS = 16
"""How many numbers an entry has; a counter uses the first."""
CAPACITY = 1024
"""Entries; what comes after them is counted together under OVERFLOW."""
OVERFLOW = ("overflow",)
MOST_PROCESSES = 256

_SEPARATOR = "\x1f"
_SPECIAL = re.compile("[\0\x1f]")
_HEAD = 8  # doubles: version, entries used, the writer's process id, room to grow
_NAME = 23  # doubles: 184 bytes of name
_NOW, _TOLD = 1 + _NAME, 1 + _NAME + NUMBERS  # after the kind
_ENTRY = _TOLD + NUMBERS
_SIZE = 8 * (_HEAD + (CAPACITY + 1) * _ENTRY)
_USED, _WRITER = 1, 2


class Kind(Enum):
    COUNTER = 1.0
    HISTOGRAM = 2.0
    LEVEL = 3.0


Found = tuple[tuple[str, ...], Kind, tuple[float, ...]]


class Block:
    """`cells` are its doubles; `place` says where the numbers of a key begin. For one thread at a
    time."""

    alive = True

    @property
    def writer(self) -> int:
        """The process that writes, or wrote last."""
        return int(self.cells[_WRITER])

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._bytes = memoryview(memory)
        self.cells = self._bytes.cast("d")
        self._handed: list[tuple[int, list[float]]] = []

    @classmethod
    def private(cls) -> Block:
        block = cls(mmap.mmap(-1, _SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        block.cells[0] = VERSION
        block.cells[_WRITER] = float(os.getpid())
        return block

    @staticmethod
    def claim(folder: Path) -> Shared:
        """The first block of the folder whose writer is gone, else a new one."""
        for number in range(MOST_PROCESSES):
            file = os.open(folder / f"{number}.block", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                continue
            return Shared.of_file(file, folder, number)
        raise OSError(f"{folder} has {MOST_PROCESSES} blocks in use")

    def place(self, key: tuple[str, ...], kind: Kind) -> int:
        """Where the numbers of a new key begin; all of those without room share one place."""
        name = _SEPARATOR.join(_SPECIAL.sub("?", part) for part in key).encode("utf-8", "replace")
        used = int(self.cells[_USED])
        if used >= CAPACITY or len(name) >= 8 * _NAME:
            return self._overflow()
        self._write(used, name, kind)
        self.cells[_USED] = float(used + 1)  # last: a reader sees whole entries only
        return _HEAD + used * _ENTRY + _NOW

    def _overflow(self) -> int:
        at = _HEAD + CAPACITY * _ENTRY
        if not self.cells[at]:
            self._write(CAPACITY, _SEPARATOR.join(OVERFLOW).encode(), Kind.COUNTER)
        return at + _NOW

    def _write(self, number: int, name: bytes, kind: Kind) -> None:
        at = _HEAD + number * _ENTRY
        start = 8 * (at + 1)
        self._bytes[start : start + len(name) + 1] = name + b"\0"
        self.cells[at] = kind.value

    def _numbers(self) -> Iterator[tuple[int, tuple[str, ...], Kind]]:
        """Where each entry begins, with its key and kind."""
        used = range(min(int(self.cells[_USED]), CAPACITY))
        for number in (*used, CAPACITY):
            at = _HEAD + number * _ENTRY
            if self.cells[at]:
                raw = bytes(self._bytes[8 * (at + 1) : 8 * (at + _NOW)])
                key = tuple(raw.rstrip(b"\0").decode("utf-8", "replace").split(_SEPARATOR))
                yield at, key, Kind(self.cells[at])

    def entries(self) -> Iterator[Found]:
        for at, key, kind in self._numbers():
            yield key, kind, tuple(self.cells[at + _NOW : at + _TOLD])

    def untold(self) -> Iterator[Found]:
        """What counters and histograms hold more than was told; `told` says that this was."""
        self._handed = []
        for at, key, kind in self._numbers():
            now, told = self.cells[at + _NOW : at + _TOLD], self.cells[at + _TOLD : at + _ENTRY]
            if kind is not Kind.LEVEL and now != told:
                self._handed.append((at + _TOLD, list(now)))
                yield key, kind, tuple(a - b for a, b in zip(now, told, strict=True))

    def told(self) -> None:
        """What `untold` gave last was told. (What was is written down, not added up: sums of
        differences drift.)"""
        for at, numbers in self._handed:
            for number, value in enumerate(numbers, at):
                self.cells[number] = value
        self._handed = []

    def merge(self, other: Block) -> None:
        """Take over what another block holds."""
        places = self.places()
        for key, kind, numbers in other.entries():
            self._add(places.get(key) or self.place(key, kind), numbers)

    def _add(self, at: int, numbers: tuple[float, ...]) -> None:
        for number, amount in enumerate(numbers, at):
            self.cells[number] += amount

    def places(self) -> dict[tuple[str, ...], int]:
        """Where the numbers of each key begin."""
        return {key: at + _NOW for at, key, _ in self._numbers()}

    def close(self) -> None:
        self.cells.release()
        self._bytes.release()
        self._memory.close()


class Shared(Block):
    """A block in a file. `alive`: whether somebody writes to it."""

    def __init__(self, memory: mmap.mmap, file: int | None, folder: Path, number: int) -> None:
        super().__init__(memory)
        self._file = file  # held open for its lock
        self._folder = folder
        self._number = number

    @classmethod
    def of_file(cls, file: int, folder: Path, number: int) -> Shared:
        """To write to; what the writer before left is kept, but for its levels."""
        os.ftruncate(file, _SIZE)  # of a new file: a hole, which takes no memory
        block = cls(mmap.mmap(file, _SIZE), file, folder, number)
        if block.cells[0] not in (0.0, VERSION):
            block._bytes[:] = bytes(_SIZE)
        block.cells[0] = VERSION
        block.cells[_WRITER] = float(os.getpid())
        for at, _, kind in block._numbers():
            if kind is Kind.LEVEL:
                block.cells[at + _NOW] = 0.0
        return block

    def others(self) -> Iterator[Shared]:
        """The folder's other blocks, to read and close."""
        for path in sorted(self._folder.glob("*.block")):
            if path.stem != str(self._number):
                with suppress(OSError, ValueError):  # being made, or being taken away
                    yield self._opened(path)

    def _opened(self, path: Path) -> Shared:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            memory = mmap.mmap(file, _SIZE, prot=mmap.PROT_READ)
            alive = True
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                alive = False
        finally:
            os.close(file)
        block = Shared(memory, None, self._folder, int(path.stem))
        block.alive = alive
        return block

    def close(self) -> None:
        super().close()
        if self._file is not None:
            os.close(self._file)
