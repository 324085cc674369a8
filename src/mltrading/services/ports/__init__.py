"""What the services need from outside, as Protocols. Adapters fit them by shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.access import Scope
from mltrading.domain.bars import Bars, Interval, Series, Symbol
from mltrading.domain.bases import BaseChanges
from mltrading.services.ports.audit import TrailState
from mltrading.utils.message import Message, Outcome

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest facts of one symbol; prices are daily closes, adjusted for what came after them
    (the newest is as traded), NaN where unknown."""

    symbol: Symbol
    ts: int
    interval: Interval
    session: int  # session label of the newest daily bar, microseconds UTC
    close: float
    volume: float
    close_1d: float
    close_1w: float
    close_1mo: float
    close_1y: float
    high_52w: float
    low_52w: float
    spark: tuple[float, ...]
    broken: int | None = None  # session of the newest change of base without a known ratio


@dataclass(frozen=True, slots=True)
class NewestClose:
    """The newest daily close, as traded, of the session with that label (µs UTC), and the close of
    the session before it, adjusted; NaN where there is none. `factor` is what adjusted prices are
    relative to: adj_close / close of that session."""

    session: int
    close: float
    previous: float
    factor: float


@dataclass(frozen=True, slots=True)
class Stored:
    """One symbol and what is stored of it. `newest` is None exactly when `series` is empty."""

    symbol: Symbol
    series: Mapping[Interval, Series]
    newest: NewestClose | None
    changes: BaseChanges = ()


class Symbols(Protocol):
    """Each question is answered as if no symbol outside of the scope were stored."""

    def find(self, scope: Scope, text: str, limit: int) -> list[Symbol]:
        """Symbols whose code or name contains `text` (case-insensitive); exact code first,
        then code prefix, then the rest by code. Empty text lists by code."""

    def nearest(self, scope: Scope, code: str) -> str | None:
        """The stored code most like `code`, for "did you mean"."""

    def latest(self, scope: Scope) -> list[Latest]:
        """One row for each symbol that has bars, by code."""


class BarReader(Protocol):
    """Every read of bars goes through here. Only stored intervals; as traded; ascending.

    `stored` is the gate: the number by which bars are read is told there alone, to those who may
    see the symbol."""

    def together(self, ask: Callable[[BarReader], Result]) -> Result:
        """What `ask` returns; all that it reads from the reader it is handed is of one moment.
        It may run twice, so it must change nothing outside."""

    def stored(self, scope: Scope, code: str) -> Stored | None:
        """The symbol of that exact code, with what is stored at the moment of reading; None for
        one outside of the scope as for one that nobody stored."""

    def between(self, symbol_id: int, interval: Interval, start: int, end: int) -> Bars:
        """Bars with start <= ts < end."""

    def before(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        """The newest `count` bars with a stamp < ts, ascending."""

    def after(self, symbol_id: int, interval: Interval, ts: int, count: int) -> Bars:
        """The oldest `count` bars with a stamp >= ts, ascending."""

    def count(self, symbol_id: int, interval: Interval, start: int, end: int, limit: int) -> int:
        """How many bars have start <= ts < end, counting no further than `limit`."""


@dataclass(frozen=True, slots=True)
class SymbolDetails:
    """What an import says of a symbol it may have to create; empty text where it says nothing."""

    code: str
    name: str = ""
    exchange: str = ""
    calendar: str = ""
    timezone: str = ""
    sector: str = ""
    industry: str = ""
    currency: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    feed: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that an import will not store."""

    line: int
    reason: str
    row_text: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Written:
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
        )


@dataclass(frozen=True, slots=True)
class Seam:
    """Two neighbouring days (labels, µs UTC) of a symbol, adj_close / close of each, and the ratio
    that brings adjusted prices up to the first to the base of the second; None: it is unknown."""

    code: str
    before: int
    after: int
    factor_before: float
    factor_after: float
    ratio: float | None


class ImportTransaction(Protocol):
    """One open transaction; all of it is committed at the end of the block, or nothing."""

    def write(
        self, symbol: SymbolDetails, interval: Interval, bars: Bars, source: Source
    ) -> Written:
        """Store sorted, unique bars; refresh the touched rollup buckets of every coarser
        interval, `series` and `latest`. Creates the symbol where it is new.

        ImportFailed where the bars can not be stored beside those that are; the transaction
        must end then."""

    def calendar(self, symbol: SymbolDetails) -> str:
        """The name of the calendar of the symbol's exchange. Creates the symbol where it is new."""

    def seams(self) -> Sequence[Seam]:
        """Where adjusted prices of the symbols that were written have another base before than
        after: every one without a known ratio, and those whose ratio this transaction found."""

    def quarantine(self, file: str, interval: Interval, rows: Sequence[Refused]) -> None: ...


class BarWriter(Protocol):
    def transaction(self) -> AbstractContextManager[ImportTransaction]:
        """Raises Conflict where another import was in the way: run all of it again."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user says of a file; None where the file is to tell. `now` (microseconds) bounds
    the future: later rows are refused, and a bar not over by then is not final."""

    now: int
    symbol: str | None = None
    interval: Interval | None = None
    timezone: str | None = None
    date_format: str | None = None


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Consecutive rows of a file: the good ones in file order (neither sorted nor unique), the
    others with their reason. `symbol` holds positions in `BarFile.symbols`."""

    symbol: NDArray[np.int32]
    bars: Bars
    refused: Sequence[Refused]
    consumed: int  # bytes (or rows) of BarFile.size that are read by now

    @property
    def read(self) -> int:
        return len(self.bars) + len(self.refused)


class BarFile(Protocol):
    """One opened file of bars. Raises ImportFailed where the file as a whole can not be read."""

    interval: Interval
    notes: list[str]  # what was inferred, one line each
    size: int

    @property
    def symbols(self) -> list[SymbolDetails]:
        """Those met so far; grows while the rows are read."""

    def rows(self) -> Iterator[ReadRows]:
        """All rows, in pieces of bounded size. Read once."""


class BarFiles(Protocol):
    def open(self, path: Path, options: ReadOptions) -> BarFile: ...


class DatabaseState(Enum):
    """What a probe of the own database found. The value is the code that is shown."""

    OK = "ok"
    READ_ONLY = "database_read_only"  # answers, and takes no changes
    OUTDATED = "database_schema_outdated"  # answers, but migrations are missing
    CONTRACTED = "database_schema_too_new"  # answers, but what the program needs is gone
    UNREACHABLE = "database_unreachable"
    TIMEOUT = "database_timeout"
    ERROR = "database_error"

    @property
    def answers(self) -> bool:
        return self.current or self in (DatabaseState.OUTDATED, DatabaseState.CONTRACTED)

    @property
    def current(self) -> bool:
        """Whether it answers with the schema that the program needs."""
        return self in (DatabaseState.OK, DatabaseState.READ_ONLY)

    @property
    def read_only(self) -> bool:
        return self is DatabaseState.READ_ONLY


class DatabaseProbe(Protocol):
    def check(self, timeout_seconds: float) -> DatabaseState:
        """Ask the database, on a connection of the probe's own. Called by one thread at a time;
        raises for no failure of the database."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One release that became current; "" where nobody told `commit` or `release`."""

    environment: str
    version: str
    commit: str
    release: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the tables know of a span of time. `bars` counts all intervals; `bars_before` is that
    count of the day before, None where none was kept. `erased` are the accounts that were erased,
    as the audit trail names them; `trail` is as it is now."""

    deployments: tuple[Deployment, ...]
    symbols_added: int
    bars: int
    bars_before: int | None
    quarantined: int
    erased: tuple[str, ...] = ()
    trail: TrailState = TrailState()


class DayBook(Protocol):
    def facts(self, since: datetime, until: datetime) -> DayFacts:
        """What came in [since, until). Keeps the present totals as those of the day of `until`,
        unless they are kept already."""


class JobRuns(Protocol):
    """What is done at a time, once however many workers there are. Times are the database's."""

    def claim(self, job: str, target: str, due_at: datetime, lease_seconds: float) -> int | None:
        """The number of this attempt (1, 2, ...), or None where it is done, or another worker
        holds it. The claim ends after `lease_seconds`, for its holder may have died."""

    def finish(self, job: str, target: str, due_at: datetime, attempt: int, outcome: str) -> None:
        """It is done for good; nothing happens where another attempt has begun since."""

    def postpone(
        self, job: str, target: str, due_at: datetime, attempt: int, seconds: float, reason: str
    ) -> None:
        """Give the claim back; nobody gets it before `seconds` have passed."""

    def plan(self, job: str, next_at: datetime) -> None:
        """Keep when the job is due next."""


class Channel(Protocol):
    """A way to reach people; `name` is unique and holds no secret."""

    name: str

    def send(self, message: Message) -> Outcome:
        """One attempt; raises for no failure of the receiver."""
