"""Lines of a text file as a table: whole columns at once, or one line at a time.

The first is fast and gives up at the slightest doubt; the second is precise. What the first
accepts, the second reads as the same values: tests/test_adapters/test_readers.py holds them to it.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv  # noqa: F401  (pa.csv)

from mltrading.adapters.sources import headers, times
from mltrading.adapters.sources.content import Block
from mltrading.adapters.sources.dialect import Dialect, split
from mltrading.adapters.sources.symbols import FileSymbols
from mltrading.adapters.sources.table import Table, shown
from mltrading.domain.bars import Floats
from mltrading.services.ports import Refused

NUMBERS = ("open", "high", "low", "close", "adj_close", "volume")
PRICES = NUMBERS[:4]
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_NOT_A_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_SCALES = {"K": 10**3, "M": 10**6, "B": 10**9}


@dataclass(frozen=True, slots=True)
class TextTables:
    """Both ways from the lines of one file to tables."""

    dialect: Dialect
    symbols: FileSymbols
    daily: bool
    zone: str

    def whole(self, block: Block) -> Table | None:
        """All lines at once, or None where some line needs a closer look."""
        data = block.data.rstrip(b"\r\n")
        if not data or b"\0" in data:
            return None
        lines = data.count(b"\n") + 1
        try:
            columns = self._parse(data)
            if len(columns["open"]) != lines:
                return None
            stamps, naive = self._stamps(columns)
        except ValueError:  # pyarrow's ArrowInvalid is one
            return None
        numbers = {name: self._numbers(columns, name) for name in NUMBERS}
        return Table(
            line=np.arange(block.line, block.line + lines),
            stamps=stamps,
            naive=np.full(lines, naive),
            symbol=self._symbol_column(columns, lines),
            **numbers,
        )

    def by_line(self, lines: list[tuple[int, str]]) -> tuple[Table, list[Refused]]:
        """(number, text) of each line: the rows that can be read, and why the others can not."""
        rows: list[tuple[Any, ...]] = []
        refused = []
        for number, text in lines:
            if not text.strip():
                continue
            try:
                rows.append((number, *self._row(text.rstrip("\r"))))
            except (ValueError, csv.Error) as error:
                refused.append(Refused(number, str(error), shown(text), self._code(text)))
        columns = list(zip(*rows, strict=True)) or [()] * 10
        kinds = [np.int64, np.int64, np.bool_, np.int32, *[np.float64] * 6]
        arrays: list[Any] = [np.array(c, kind) for c, kind in zip(columns, kinds, strict=True)]
        return Table(*arrays), refused

    def _parse(self, data: bytes) -> dict[str, Any]:
        places = self.dialect.columns
        names = [f"column {at}" for at in range(self.dialect.width)]
        for role, at in places.items():
            names[at] = role
        epoch = self.dialect.time == times.EPOCH
        table = pa.csv.read_csv(
            io.BytesIO(data),
            read_options=pa.csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(data) + 1
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=self.dialect.delimiter, ignore_empty_lines=False
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(places),
                column_types={role: _kind(role, epoch) for role in places},
                check_utf8=False,
                null_values=[],
                decimal_point=self.dialect.decimal,
            ),
        )
        return {role: table[role].combine_chunks() for role in places}

    def _stamps(self, columns: dict[str, Any]) -> tuple[Any, bool]:
        if "timestamp" in columns:
            column = columns["timestamp"]
        else:
            column = pc.binary_join_element_wise(columns["date"], columns["time"], " ")
        return times.read_column(column, self.dialect.time, self.daily, self.zone)

    def _numbers(self, columns: dict[str, Any], name: str) -> Floats:
        if name == "adj_close" and name not in columns:
            name = "close"
        if name not in columns:
            return np.zeros(len(columns["open"]))
        values: Floats = columns[name].to_numpy()
        return values

    def _symbol_column(self, columns: dict[str, Any], rows: int) -> Any:
        def detail_at(row: int, role: str) -> str:
            return str(columns[role][row].as_py()).strip() if role in columns else ""

        alone = self.symbols.alone
        if alone is not None:
            if "name" in columns:
                self.symbols.refuse_several(columns["name"].dictionary.to_pylist())
            place = self.symbols.position(alone, lambda role: detail_at(0, role))
            return np.full(rows, place, np.int32)
        codes = columns["symbol"].dictionary.to_pylist()
        return self.symbols.positions(codes, columns["symbol"].indices.to_numpy(), detail_at)

    def _row(self, text: str) -> tuple[Any, ...]:
        if "\0" in text:
            raise ValueError("holds a NUL byte")
        fields = split(text, self.dialect.delimiter)
        if len(fields) != self.dialect.width:
            raise ValueError(f"{len(fields)} fields where {self.dialect.width} are expected")
        places = self.dialect.columns
        stamp = self._stamp(fields)
        values = [number(fields[places[name]], name, self.dialect.decimal) for name in PRICES]
        adj = "adj_close"
        adjusted = number(fields[places[adj]], adj, self.dialect.decimal) if adj in places else None
        volume = self._volume(fields[places["volume"]]) if "volume" in places else 0.0
        code = self.symbols.alone
        if code is None:
            code = fields[places["symbol"]]
        elif "name" in places:
            self.symbols.refuse_several([fields[places["name"]]])
        place = self.symbols.position(
            code, lambda role: fields[places[role]].strip() if role in places else ""
        )
        return *stamp, place, *values, values[3] if adjusted is None else adjusted, volume

    def _stamp(self, fields: list[str]) -> tuple[int, bool]:
        text = self.dialect.stamp(fields)
        try:
            return times.read_one(text, self.dialect.time, self.daily, self.zone)
        except (ValueError, OverflowError):
            if not text.strip():
                raise ValueError("the time is missing") from None
            raise ValueError(f"the time {text.strip()[:40]!r} can not be read") from None

    def _volume(self, text: str) -> float:
        text = text.strip()
        if text[-1:].upper() in _SCALES:
            return number(text[:-1], "volume", self.dialect.decimal) * _SCALES[text[-1].upper()]
        return number(text, "volume", self.dialect.decimal)

    def _code(self, text: str) -> str:
        """The symbol of a row that can not be read, as far as it can be told."""
        if self.symbols.alone is not None:
            return self.symbols.alone
        fields = text.split(self.dialect.delimiter)
        at = self.dialect.columns["symbol"]
        return shown(fields[at].strip().strip('"'))[:32] if at < len(fields) else ""


def number(text: str, name: str, decimal: str) -> float:
    """One number, with its thousands grouped or not; ValueError names the column."""
    text = text.strip()
    point = text
    if decimal == ",":
        point = text.translate(str.maketrans(",.", ".,"))
    if _PLAIN.fullmatch(point):
        return float(point)
    if _GROUPED.fullmatch(point):
        return float(point.replace(",", ""))
    if _NOT_A_NUMBER.fullmatch(text):
        return float(text)
    if not text:
        raise ValueError(f"{name} is missing")
    raise ValueError(f"{name} {text[:40]!r} is not a number")


def _kind(role: str, epoch: bool) -> Any:
    if role in NUMBERS:
        return pa.float64()
    if role == "symbol" or role in headers.DETAILS:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.int64() if epoch and role == "timestamp" else pa.string()
