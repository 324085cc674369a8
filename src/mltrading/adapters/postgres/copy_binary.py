"""Structured NumPy arrays to and from PostgreSQL's COPY BINARY stream, whole arrays at a time.

The stream: a 19-byte head, then for each row an int16 count of fields and for each field an int32
length and its big-endian value, then an int16 of -1. With fixed-width NOT NULL columns a row is a
fixed-width record, so a whole stream is one NumPy array between head and tail.
(PostgreSQL manual, COPY, "Binary Format".) Columns are typed by the array: i2 smallint, i4 int,
i8 bigint, f8 float8, ? boolean, M8[us] timestamptz (UTC).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import psycopg2
from numpy.typing import NDArray
from psycopg2 import errors, sql

Rows = NDArray[np.void]

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags 0, no header extension
_TAIL = b"\xff\xff"
_PIECE = 1 << 18
_EPOCH = int(np.datetime64("2000-01-01", "us").astype(np.int64))  # PostgreSQL counts from 2000
_KINDS = {"i2": ">i2", "i4": ">i4", "i8": ">i8", "f8": ">f8", "b1": "?", "M8": ">i8"}


class BrokenStream(ValueError):
    """The bytes are not the COPY BINARY stream of the expected columns."""


def encode(rows: Rows) -> bytes:
    """The complete stream of `rows`, fields in order."""
    return _HEAD + _records(rows) + _TAIL


def decode(stream: bytes | memoryview, dtype: np.dtype[np.void]) -> Rows:
    """Rows of a complete stream with exactly the columns of `dtype`.

    Raises BrokenStream for anything else: another signature, count of fields or width, a NULL, a
    missing tail, a byte too many or too few.
    """
    wire, template = _wire(dtype)
    head, size = len(_HEAD), len(stream) - len(_HEAD) - len(_TAIL)
    if bytes(stream[:head]) != _HEAD:
        raise BrokenStream("not a COPY BINARY stream: unknown head")
    if size < 0 or bytes(stream[-len(_TAIL) :]) != _TAIL:
        raise BrokenStream("COPY BINARY stream ends early: no tail")
    if size % wire.itemsize:
        raise BrokenStream(f"{size} bytes of rows are not a multiple of {wire.itemsize}")
    body = np.frombuffer(stream, wire, size // wire.itemsize, head)
    _check_frame(body, template)
    rows = np.empty(len(body), dtype)
    for name in _names(dtype):
        if dtype[name].kind == "M":
            rows[name].view(np.int64)[:] = body[name].astype(np.int64) + _EPOCH
        else:
            rows[name] = body[name]
    return rows


def copy_in(cursor: Any, table: sql.Composable, rows: Rows) -> None:
    """COPY `rows` into the columns of `table` that they are named after, over a psycopg2 cursor."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _names(rows.dtype)))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, columns)
    try:
        with _last_words():
            cursor.copy_expert(statement, _Pieces(rows), _PIECE)
    except errors.QueryCanceled as error:
        # psycopg2 hands what read() raised to the server, which answers that it was cancelled.
        if "read() call: KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _last_words() -> Iterator[None]:
    """Raise what a server said before it died (a full disk ends it in a COPY): psycopg2 prints
    that through sys.excepthook, and raises only that the connection is gone."""
    said: list[BaseException] = []
    hook = sys.excepthook
    sys.excepthook = lambda kind, error, trace: said.append(error)
    try:
        yield
    except psycopg2.Error as vague:
        causes = [error.__cause__ or error for error in said]
        raise next((c for c in causes if isinstance(c, psycopg2.Error)), vague) from None
    finally:
        sys.excepthook = hook


def copy_out(cursor: Any, query: bytes, dtype: np.dtype[np.void]) -> Rows:
    """Rows of `query` (values already bound, by cursor.mogrify), whose columns are `dtype`'s."""
    stream = BytesIO()
    cursor.copy_expert(b"COPY (" + query + b") TO STDOUT (FORMAT BINARY)", stream)
    return decode(stream.getbuffer(), dtype)


class _Pieces:
    """The stream of `rows` for psycopg2 to read, encoded piece by piece while it is sent: a piece
    stays in the processor's cache, and the stream is never in memory whole."""

    def __init__(self, rows: Rows) -> None:
        self._pieces = self._stream(rows)

    def read(self, size: int) -> bytes:
        """The next piece, of at most `size` >= _PIECE bytes; empty at the end."""
        return next(self._pieces, b"")

    @staticmethod
    def _stream(rows: Rows) -> Iterator[bytes]:
        step = _PIECE // _wire(rows.dtype)[0].itemsize
        yield _HEAD
        for first in range(0, len(rows), step):
            yield _records(rows[first : first + step])
        yield _TAIL


def _records(rows: Rows) -> bytes:
    """Rows as they stand between head and tail."""
    wire, template = _wire(rows.dtype)
    body = np.empty((len(rows), wire.itemsize), np.uint8)
    body[:] = template.view(np.uint8)  # one memcpy a row
    records = body.reshape(-1).view(wire)
    for name in _names(rows.dtype):
        values = rows[name]
        records[name] = values.view(np.int64) - _EPOCH if values.dtype.kind == "M" else values
    return body.tobytes()


def _check_frame(body: Rows, template: Rows) -> None:
    """Every count of fields and every length is what the columns want."""
    for frame in (name for name in _names(body.dtype) if name.startswith("#")):
        wrong = body[frame] != template[frame]
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BrokenStream(
                f"row {row}, field {frame[1:]}: found {int(body[frame][row])}, "
                f"expected {int(template[frame][0])}"
            )


def _names(dtype: np.dtype[Any]) -> tuple[str, ...]:
    if dtype.names is None:
        raise TypeError("COPY BINARY needs a structured array")
    return dtype.names


@lru_cache(maxsize=64)
def _wire(dtype: np.dtype[np.void]) -> tuple[np.dtype[np.void], Rows]:
    """Record of a row on the wire, and one such record with counts and lengths filled in.

    Fields called `#0`, `#1`.. hold the count of fields and then the length of each field.
    """
    names = _names(dtype)
    fields: list[tuple[str, str]] = [("#0", ">i2")]
    for position, name in enumerate(names, start=1):
        fields += [(f"#{position}", ">i4"), (name, _KINDS[dtype[name].str[1:3]])]
    wire = np.dtype(fields)
    template = np.zeros(1, wire)
    template["#0"] = len(names)
    for position, name in enumerate(names, start=1):
        template[f"#{position}"] = wire[name].itemsize
    template.flags.writeable = False
    return wire, template
