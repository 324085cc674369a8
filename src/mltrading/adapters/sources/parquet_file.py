"""A Parquet file of bars, streamed by batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mltrading.adapters.sources import headers, spacing, times
from mltrading.adapters.sources.columns import NUMBERS
from mltrading.adapters.sources.dialect import given_form
from mltrading.adapters.sources.symbols import FileSymbols, round_the_clock
from mltrading.adapters.sources.table import Judge, Table, notes_on, shown
from mltrading.domain.bars import Flags, Floats, Times
from mltrading.errors import ImportFailed
from mltrading.services.ports import ReadOptions, ReadRows, Refused, SymbolDetails

BATCH = 150_000
SAMPLE = 5000
EXPANSION_FLOOR = 512 << 20
EXPANSION = 1000  # of the columns in memory beside the file: beyond this it is a trap


class ParquetFile:
    """A BarFile over Parquet; the "line" of a row is its number, from 1."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        self._options = options
        self._file = _opened(path)
        self.size: int = self._file.metadata.num_rows
        self._columns = _columns_of(self._file, path)
        first = self._first()
        self._form = _form_of(first, options.date_format, path)
        by_column = "symbol" in self._columns
        sample, _ = self._table(first, 1, FileSymbols(path, options, by_column), daily=True)
        self.interval, how = spacing.interval_of(
            sample.stamps, sample.symbol, options.interval, str(path)
        )
        always = round_the_clock(sample.stamps, path)
        self._symbols = FileSymbols(path, options, by_column, always)
        self.notes = [how, *self._symbols.notes]
        self.notes += notes_on(sample, self.interval, options, "volume" in self._columns)
        self._judge = Judge(self.interval, options.timezone or "UTC", options.now)

    @property
    def symbols(self) -> list[SymbolDetails]:
        return self._symbols.known

    def rows(self) -> Iterator[ReadRows]:
        line = 1
        for batch in self._batches(BATCH):
            daily = not self.interval.intraday
            table, refused = self._table(batch, line, self._symbols, daily)
            find = _text_finder(batch, line)
            line += batch.num_rows
            yield self._judge.rows(table, refused, self.symbols, find, line - 1)

    def _batches(self, size: int) -> Iterator[Any]:
        names = [self._file.schema_arrow.names[at] for at in self._columns.values()]
        try:
            for batch in self._file.iter_batches(size, columns=names, use_threads=False):
                yield batch.select(names).rename_columns(list(self._columns))
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._path, error) from None

    def _first(self) -> Any:
        for batch in self._batches(SAMPLE):
            return batch
        raise ImportFailed(f"{self._path} has no rows")

    def _table(
        self, batch: Any, line: int, symbols: FileSymbols, daily: bool
    ) -> tuple[Table, list[Refused]]:
        stamps, naive, unread = self._stamps(batch, daily)
        places = self._places(batch, symbols)
        find = _text_finder(batch, line)
        refused = [
            Refused(
                line=line + at,
                reason="the time is missing or can not be read",
                row_text=shown(find(line + at)),
                symbol=symbols.known[places[at]].code if places[at] >= 0 else "",
            )
            for at in map(int, np.flatnonzero(unread))
        ]
        numbers = {name: self._numbers(batch, name)[~unread] for name in NUMBERS}
        return (
            Table(
                line=np.arange(line, line + batch.num_rows)[~unread],
                stamps=stamps[~unread],
                naive=np.full(batch.num_rows, naive)[~unread],
                symbol=places[~unread],
                **numbers,
            ),
            refused,
        )

    def _stamps(self, batch: Any, daily: bool) -> tuple[Times, bool, Flags]:
        """(stamps, naive, where there is none)."""
        column = _time_column(batch)
        kind = column.type
        if self._form is not None:
            return _from_texts(column, self._form, daily, self._options.timezone or "UTC")
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            instants, missing = _filled(pc.cast(column, pa.int64(), safe=False))
            instants, here = times.epoch_micros(instants), self._options.timezone or "UTC"
            return (times.walls_in(instants, here) if daily else instants), False, missing
        zone = getattr(kind, "tz", None)
        stamps, missing = _filled(
            pc.cast(pc.cast(column, pa.timestamp("us", zone), safe=False), pa.int64())
        )
        if zone is None:
            return stamps, True, missing
        wall_zone = self._options.timezone or zone
        return (times.walls_in(stamps, wall_zone) if daily else stamps), False, missing

    def _numbers(self, batch: Any, name: str) -> Floats:
        if name == "adj_close" and name not in self._columns:
            name = "close"
        if name not in self._columns:
            return np.zeros(batch.num_rows)
        try:
            column = pc.cast(batch[name], pa.float64(), safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            kind = batch[name].type
            raise ImportFailed(
                f"{self._path}: the column {name} holds {kind}, not numbers"
            ) from None
        values: Floats = column.to_numpy(zero_copy_only=False)
        return values

    def _places(self, batch: Any, symbols: FileSymbols) -> Any:
        def detail_at(row: int, role: str) -> str:
            value = batch[role][row].as_py() if role in self._columns else None
            return "" if value is None else str(value).strip()

        if symbols.alone is not None:
            if "name" in self._columns:
                names = pc.unique(pc.cast(batch["name"], pa.string())).to_pylist()
                symbols.refuse_several(name or "" for name in names)
            place = symbols.position(symbols.alone, lambda role: detail_at(0, role))
            return np.full(batch.num_rows, place, np.int32)
        texts = pc.fill_null(pc.cast(batch["symbol"], pa.string()), "").dictionary_encode()
        return symbols.positions(texts.dictionary.to_pylist(), texts.indices.to_numpy(), detail_at)


def _opened(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path, memory_map=False)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    meta, size = file.metadata, path.stat().st_size
    for group in range(meta.num_row_groups):
        expanded = meta.row_group(group).total_byte_size
        if max(expanded, meta.row_group(group).num_rows * 8) > max(
            EXPANSION_FLOOR, EXPANSION * size
        ):
            raise ImportFailed(f"{path} expands more than {EXPANSION} times; it is not imported")
    return file


def _damaged(path: Path, error: Exception) -> ImportFailed:
    reason = " ".join(str(error).split())[:120]
    return ImportFailed(f"{path} is a damaged or truncated Parquet file ({reason})")


def _columns_of(file: Any, path: Path) -> dict[str, int]:
    names = file.schema_arrow.names
    columns = headers.roles(names)
    if lacking := headers.missing(columns):
        shown_names = ", ".join(names[:12])[:200]
        raise ImportFailed(f"{path}: no column for {', '.join(lacking)}; it has: {shown_names}")
    kinds = {role: file.schema_arrow.field(at).type for role, at in columns.items()}
    if "time" in columns and not (_is_text(kinds["date"]) and _is_text(kinds["time"])):
        raise ImportFailed(f"{path}: date and time are apart; write one timestamp column")
    return columns


def _form_of(batch: Any, date_format: str | None, path: Path) -> times.TimeForm | None:
    """How texts write the time; None where the column is typed."""
    column = _time_column(batch)
    if not _is_text(column.type):
        if not (pa.types.is_temporal(column.type) or pa.types.is_integer(column.type)):
            raise ImportFailed(f"{path}: the time column holds {column.type}, not times")
        return None
    texts = [text or "" for text in column.to_pylist()]
    if date_format is not None:
        return given_form(date_format, list(enumerate(texts, start=1)), path)
    form = times.form_of(texts)
    if form is None or (form.pattern[:2] in ("%d", "%m") and times.ambiguous(texts)):
        raise ImportFailed(
            f"{path}: times like {texts[0][:20]!r} can not be told; write timestamps or ISO dates"
        )
    return form


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _time_column(batch: Any) -> Any:
    if "timestamp" in batch.schema.names:
        return batch["timestamp"]
    return pc.binary_join_element_wise(batch["date"], batch["time"], " ")


def _from_texts(
    column: Any, form: times.TimeForm, daily: bool, zone: str
) -> tuple[Times, bool, Flags]:
    stamps = np.zeros(len(column), np.int64)
    unread = np.zeros(len(column), bool)
    naive = False
    for at, text in enumerate(column.to_pylist()):
        try:
            stamps[at], naive = times.read_one(text or "", form, daily, zone)
        except (ValueError, OverflowError):
            unread[at] = True
    return stamps, naive, unread


def _filled(column: Any) -> tuple[Times, Flags]:
    missing: Flags = pc.is_null(column).to_numpy(zero_copy_only=False)
    return pc.fill_null(column, 0).to_numpy(zero_copy_only=False), missing


def _text_finder(batch: Any, first_line: int) -> Callable[[int], str]:
    def text(line: int) -> str:
        return ",".join(
            "" if value is None else str(value)
            for value in batch.slice(line - first_line, 1).to_pylist()[0].values()
        )

    return text
