"""What the services need from outside, as Protocols. Adapters fit them by shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mltrading.domain.bars import Bars, Interval, Series, Symbol


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest facts of one symbol; prices are adjusted daily closes, NaN where unknown."""

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


class Symbols(Protocol):
    def get(self, code: str) -> Symbol | None:
        """The symbol of that exact code."""

    def find(self, text: str, limit: int) -> list[Symbol]:
        """Symbols whose code or name contains `text` (case-insensitive); exact code first,
        then code prefix, then the rest by code. Empty text lists by code."""

    def nearest(self, code: str) -> str | None:
        """The stored code most like `code`, for "did you mean"."""

    def latest(self) -> list[Latest]:
        """One row for each symbol that has bars, by code."""


class BarReader(Protocol):
    """Every read of bars goes through here. Only stored intervals; as traded; ascending."""

    def series(self, symbol_id: int) -> dict[Interval, Series]:
        """What is stored of the symbol, by interval."""

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


class ImportTransaction(Protocol):
    """One open transaction; all of it is committed at the end of the block, or nothing."""

    def write(
        self, symbol: SymbolDetails, interval: Interval, bars: Bars, source: Source
    ) -> Written:
        """Store sorted, unique bars; refresh the touched rollup buckets of every coarser
        interval, `series` and `latest`. Creates the symbol where it is new."""

    def quarantine(self, file: str, interval: Interval, rows: Sequence[Refused]) -> None: ...


class BarWriter(Protocol):
    def transaction(self) -> _ImportContext: ...


class _ImportContext(Protocol):
    def __enter__(self) -> ImportTransaction: ...

    def __exit__(self, *exc: object) -> bool | None: ...
