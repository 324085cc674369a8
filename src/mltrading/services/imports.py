"""Storing bars: from files that a user names, or from a source of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from mltrading.domain.access import Actor, Permission
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.calendar import Calendars
from mltrading.domain.price_alerts.closing import closings
from mltrading.domain.query import from_micros
from mltrading.errors import Conflict, ImportFailed
from mltrading.services import staging
from mltrading.services.ports import (
    BarFile,
    BarFiles,
    BarWriter,
    ImportTransaction,
    ReadOptions,
    ReadRows,
    Refused,
    Seam,
    Source,
    SymbolDetails,
    Written,
)
from mltrading.utils.clock import Clock, microseconds
from mltrading.utils.progress import Progress

SHOWN_REFUSED = 5
HELD_REFUSED = 20_000  # rows in memory
TRIES = 3  # when other imports of the same symbols get in the way

Batch = tuple[SymbolDetails, Interval, Bars]


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What became of one file (or other source of bars)."""

    file: str
    read: int
    written: Written
    quarantined: int
    interval: str
    symbols: tuple[str, ...]
    notes: tuple[str, ...]
    first_refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of all rows: read = inserted + updated + unchanged + quarantined."""

    files: tuple[FileSummary, ...]
    seconds: float

    @property
    def read(self) -> int:
        return sum(file.read for file in self.files)

    @property
    def quarantined(self) -> int:
        return sum(file.quarantined for file in self.files)

    @property
    def written(self) -> Written:
        return sum((file.written for file in self.files), Written())

    def counts(self) -> dict[str, float]:
        """The keys that `mltrading import --json` promises."""
        return {
            "read": self.read,
            "inserted": self.written.inserted,
            "updated": self.written.updated,
            "unchanged": self.written.unchanged,
            "quarantined": self.quarantined,
            "seconds": round(self.seconds, 3),
        }


class Importer:
    """The import service. Each file, and each call of `load`, is one transaction."""

    def __init__(
        self, files: BarFiles, writer: BarWriter, clock: Clock, calendars: Calendars | None = None
    ) -> None:
        """`calendars` None: a day is over a day after it began, whatever its exchange does."""
        self._files = files
        self._writer = writer
        self._clock = clock
        self._calendars = calendars

    def run(
        self,
        actor: Actor,
        paths: Sequence[Path],
        options: ReadOptions | None = None,
        source: Source | None = None,
        progress: Progress | None = None,
    ) -> ImportSummary:
        """Import files, one transaction each. A file that can not be read at all raises
        ImportFailed: before anything is stored if its beginning tells, else with the number of
        files that are stored. `options.now` is replaced by the clock's."""
        actor.require(Permission.MODIFY_SETTINGS)
        started = self._clock.now()
        options = replace(options or ReadOptions(now=0), now=microseconds(started))
        for path in paths:
            self._files.open(path, options)
        done: list[FileSummary] = []
        for path in paths:
            try:
                known = source or Source("file"), progress or _SILENT, self._calendars
                done.append(self._import(_Job(path, options, *known)))
            except ImportFailed as error:
                stored = f" (files stored before it: {len(done)})" if done else ""
                raise ImportFailed(f"{error}{stored}") from None
        return ImportSummary(tuple(done), (self._clock.now() - started).total_seconds())

    def load(
        self,
        actor: Actor,
        name: str,
        batches: Iterable[Batch],
        source: Source,
        progress: Progress | None = None,
    ) -> ImportSummary:
        """Store batches of ascending, unique bars in one transaction."""
        actor.require(Permission.MODIFY_SETTINGS)
        started = self._clock.now()
        progress = progress or _SILENT
        progress(f"Loading {name}")
        read, written, symbols = 0, Written(), dict[str, None]()
        intervals = dict[str, None]()
        with self._writer.transaction() as transaction:
            for details, interval, bars in batches:
                written += transaction.write(details, interval, bars, source)
                read += len(bars)
                symbols[details.code] = intervals[interval.value] = None
                progress.update(read, unit="bars")
        kinds = ", ".join(intervals)
        summary = FileSummary(name, read, written, 0, kinds, tuple(symbols), (), ())
        return ImportSummary((summary,), (self._clock.now() - started).total_seconds())

    def _import(self, job: _Job) -> FileSummary:
        for attempt in range(TRIES):
            try:
                job.progress(f"Importing {job.path.name}")
                file = self._files.open(job.path, job.options)
                with ExitStack() as stack:
                    begin = partial(stack.enter_context, self._writer.transaction())
                    return _OneFile(file, job, begin).store()
            except Conflict:
                if attempt == TRIES - 1:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")


@dataclass(frozen=True, slots=True)
class _Job:
    """What one file's import needs, however often it is tried."""

    path: Path
    options: ReadOptions
    source: Source
    progress: Progress
    calendars: Calendars | None


class _OneFile:
    """The way of one file's rows into a transaction, which begins with the first rows to store: a
    file that is sorted first would keep it waiting for longer than the database allows."""

    def __init__(self, file: BarFile, job: _Job, begin: Callable[[], ImportTransaction]) -> None:
        self._file = file
        self._job = job
        self._begin = begin
        self._name = str(job.path.resolve())
        self._read = self._quarantined = self._stored = 0
        self._refused: list[Refused] = []  # not yet in quarantine
        self._first_refused: list[Refused] = []
        self._notes = list(file.notes)

    @cached_property
    def _transaction(self) -> ImportTransaction:
        return self._begin()

    def store(self) -> FileSummary:
        written = Written()
        for position, bars in staging.in_order(self._pieces(), self._note_sorting):
            unique, repeated = staging.last_wins(bars)
            details = self._file.symbols[position]
            unique = self._with_sessions(details, unique)
            written += repeated + self._transaction.write(
                details, self._file.interval, unique, self._job.source
            )
            self._stored += len(bars)
        self._put_aside()
        if self._stored:
            self._notes += map(note_of, self._transaction.seams())
        if lost := self._read - self._quarantined - self._stored:
            raise AssertionError(f"{lost} rows of {self._name} were lost on the way")
        return FileSummary(
            file=str(self._job.path),
            read=self._read,
            written=written,
            quarantined=self._quarantined,
            interval=self._file.interval.value,
            symbols=tuple(details.code for details in self._file.symbols),
            notes=tuple(self._notes),
            first_refused=tuple(self._first_refused),
        )

    def _with_sessions(self, details: SymbolDetails, bars: Bars) -> Bars:
        """A day is over, and its bar final, with its session; its stamp alone tells no sooner than
        midnight UTC after it."""
        calendars, now = self._job.calendars, self._job.options.now
        if calendars is None or self._file.interval is not Interval.D1 or bars.is_final.all():
            return bars
        calendar = calendars.get(self._transaction.calendar(details), now)
        ends = closings(bars.ts, Interval.D1, calendar, "UTC")
        return replace(bars, is_final=ends <= now)

    def _pieces(self) -> Iterator[ReadRows]:
        """The rows as they are read; the refused ones are put aside now and then."""
        for piece in self._file.rows():
            self._read += piece.read
            self._quarantined += len(piece.refused)
            self._refused += piece.refused
            self._first_refused += piece.refused[: SHOWN_REFUSED - len(self._first_refused)]
            if len(self._refused) >= HELD_REFUSED:
                self._put_aside()
            self._job.progress.update(piece.consumed, self._file.size)
            yield piece

    def _put_aside(self) -> None:
        if self._refused:
            self._transaction.quarantine(self._name, self._file.interval, self._refused)
            self._refused = []

    def _note_sorting(self) -> None:
        self._notes.append("its rows are in no order of time, or mix symbols: sorted on disk first")
        self._job.progress(f"Storing {self._job.path.name}, sorted")


def note_of(seam: Seam) -> str:
    """What is to be known of two days whose adjusted prices have different bases."""
    day, before = (from_micros(ts).date().isoformat() for ts in (seam.after, seam.before))
    factors = f"adj_close / close is {seam.factor_before:.6g} on {before}, {seam.factor_after:.6g}"
    if seam.ratio is not None:
        return (
            f"{seam.code}: another base of adjusted prices from {day} on ({factors} on {day}):"
            f" those before are read times {seam.ratio:.6g}, by the days that both imports hold"
        )
    return (
        f"warning: {seam.code}: another base of adjusted prices from {day} on ({factors} on {day}),"
        " and no split or dividend explains it: nothing is compared across. Import the whole"
        f" history from one download, or the later bars again with 2 or more days up to {before}"
    )


class _Silent(Progress):
    """Says nothing."""

    def __call__(self, title: str) -> None:
        return None


_SILENT = _Silent()
