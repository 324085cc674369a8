"""Tables of bars written out in the dialects that exports use, for the reader tests."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st

from mltrading.adapters.sources.files import LocalFiles
from mltrading.domain.bars import Bars
from mltrading.services.ports import BarFile, ReadOptions, ReadRows, Refused
from tests.factories import moment

NOW = moment("2026-06-01")
NEW_YORK = ZoneInfo("America/New_York")
HEADER = ("Date", "Open", "High", "Low", "Close", "Volume")
PRICES = ("open", "high", "low", "close")

Row = tuple[datetime, float, float, float, float, float]
"""Instant (UTC), open, high, low, close, volume."""

TIME_FORMS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "iso T": lambda t: t.strftime("%Y-%m-%dT%H:%M"),
    "iso Z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso offset": lambda t: t.astimezone(NEW_YORK).isoformat(" "),
    "seconds": lambda t: str(int(t.timestamp())),
    "milliseconds": lambda t: str(int(t.timestamp()) * 1000),
    "microseconds": lambda t: str(int(t.timestamp()) * 1_000_000),
    "nanoseconds": lambda t: str(int(t.timestamp()) * 1_000_000_000),
    "compact": lambda t: t.strftime("%Y%m%d %H%M%S"),
    "year first": lambda t: t.strftime("%Y/%m/%d %H:%M"),
    "dots": lambda t: t.strftime("%d.%m.%Y %H:%M:%S"),
    "american": lambda t: t.strftime("%m/%d/%Y %I:%M %p"),
}


@dataclass(frozen=True)
class Written:
    """One way to write a table."""

    time: str = "iso"
    delimiter: str = ","
    decimal: str = "."
    quoted: bool = False
    newline: str = "\n"
    bom: bool = False
    packed: bool = False
    final_newline: bool = True

    def render(self, rows: list[Row]) -> bytes:
        lines = [HEADER]
        for at, *numbers in rows:
            texts = [repr(n).replace(".", self.decimal) for n in numbers]
            lines.append((TIME_FORMS[self.time](at), *texts))
        joined = self.newline.join(self._line(line) for line in lines)
        data = (joined + self.newline * self.final_newline).encode()
        data = b"\xef\xbb\xbf" * self.bom + data
        return gzip.compress(data) if self.packed else data

    def _line(self, fields: tuple[str, ...]) -> str:
        quoted = self.quoted or self.delimiter == self.decimal
        return self.delimiter.join(f'"{field}"' if quoted else field for field in fields)


dialects = st.builds(
    Written,
    time=st.sampled_from(sorted(TIME_FORMS)),
    delimiter=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    quoted=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
    packed=st.booleans(),
    final_newline=st.booleans(),
)


@st.composite
def tables(draw: st.DrawFn, least: int = 15) -> list[Row]:
    """Rows one minute apart from the 20th of a month on, so that no date is ambiguous."""
    start = datetime(2024, draw(st.integers(1, 12)), 20, draw(st.integers(0, 23)), tzinfo=UTC)
    count = draw(st.integers(least, 40))
    # Shortest texts of any float64: up to 17 digits, which only an exact reader gets right.
    price = st.floats(1e-3, 1e6, exclude_min=True).filter(lambda x: "e" not in repr(x))
    rows = []
    for at in range(count):
        low, first, last, high = sorted(draw(st.lists(price, min_size=4, max_size=4)))
        volume = float(draw(st.integers(0, 10**12)))
        rows.append((start + timedelta(minutes=at), first, high, low, last, volume))
    return rows


def options(**given: object) -> ReadOptions:
    return ReadOptions(**({"now": NOW} | given))  # type: ignore[arg-type]


def open_file(path: Path, **given: object) -> BarFile:
    return LocalFiles().open(path, options(**given))


def read(path: Path, **given: object) -> tuple[Bars, list[Refused], BarFile]:
    """Everything in a file: its bars in file order, what was refused, and the file."""
    file = open_file(path, **given)
    pieces: list[ReadRows] = list(file.rows())
    refused = [row for piece in pieces for row in piece.refused]
    return Bars.concat([piece.bars for piece in pieces]), refused, file


def expected(rows: list[Row]) -> dict[str, np.ndarray]:
    columns = list(zip(*rows, strict=True))
    stamps = [int(at.timestamp()) * 1_000_000 for at in columns[0]]
    names = (*PRICES, "volume")
    numbers = {name: np.array(c) for name, c in zip(names, columns[1:], strict=True)}
    return {"ts": np.array(stamps), **numbers, "adj_close": numbers["close"]}


def assert_read_back(bars: Bars, rows: list[Row]) -> None:
    for name, values in expected(rows).items():
        np.testing.assert_array_equal(getattr(bars, name), values, err_msg=name)
