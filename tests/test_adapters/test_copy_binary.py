"""The COPY BINARY codec: exact both ways, and an error for anything it does not know."""

from __future__ import annotations

import struct
import sys

import numpy as np
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from psycopg2 import sql

from mltrading.adapters.postgres.copy_binary import BrokenStream, copy_in, decode, encode

COLUMNS = np.dtype(
    [("a", "i2"), ("b", "i4"), ("c", "i8"), ("d", "f8"), ("e", "?"), ("at", "M8[us]")]
)
ONE = np.array([(-2, 70_000, -(2**40), 1.5, True, "2000-01-01T00:00:01")], COLUMNS)


def by_hand() -> bytes:
    """ONE as PostgreSQL's manual spells it, field by field."""
    fields = struct.pack(
        ">hihiiiqidi?iq", 6, 2, -2, 4, 70_000, 8, -(2**40), 8, 1.5, 1, True, 8, 10**6
    )
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + fields + b"\xff\xff"


def test_a_row_is_the_bytes_that_the_manual_describes() -> None:
    assert bytes(encode(ONE)) == by_hand()


@given(arrays.arrays(COLUMNS, st.integers(0, 20)))
def test_whatever_is_encoded_decodes_to_the_same_bits(rows: np.ndarray) -> None:
    assert decode(encode(rows), COLUMNS).tobytes() == rows.tobytes()


def broken(position: int, value: bytes) -> bytes:
    stream = bytearray(by_hand())
    stream[position : position + len(value)] = value
    return bytes(stream)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"", "unknown head"),
        (broken(3, b"X"), "unknown head"),
        (broken(14, b"\1"), "unknown head"),
        (by_hand()[:-1], "no tail"),
        (by_hand()[:-2], "no tail"),
        (by_hand()[:19], "no tail"),
        (by_hand() + b"\0", "no tail"),
        (by_hand()[:-2] + b"\0\xff\xff", "not a multiple"),
        (by_hand()[:-9] + b"\xff\xff", "not a multiple"),
        (broken(19, b"\0\7"), "row 0, field 0: found 7, expected 6"),
        (broken(21, b"\xff\xff\xff\xff"), "row 0, field 1: found -1, expected 2"),
        (broken(27, b"\0\0\0\5"), "row 0, field 2: found 5, expected 4"),
    ],
)
def test_another_stream_is_an_error_and_never_garbage(stream: bytes, reason: str) -> None:
    with pytest.raises(BrokenStream, match=reason):
        decode(stream, COLUMNS)


def test_a_plain_array_has_no_columns_to_encode() -> None:
    with pytest.raises(TypeError, match="structured"):
        encode(np.zeros(3))


def test_a_server_that_dies_in_a_copy_is_quoted_not_guessed_at() -> None:
    """psycopg2 2.9 hands what the server said to sys.excepthook, and raises something vague."""

    class Dying:
        def copy_expert(self, statement: object, stream: object, size: int) -> None:
            printed = SystemError("<function decode> returned a result with an exception set")
            printed.__cause__ = psycopg2.errors.DiskFull("could not write to file")
            sys.excepthook(SystemError, printed, None)
            raise psycopg2.OperationalError("invalid socket")

    hook = sys.excepthook
    with pytest.raises(psycopg2.errors.DiskFull, match="could not write"):
        copy_in(Dying(), sql.Identifier("bars_1m"), np.zeros(1, [("ts", "i8")]))
    assert sys.excepthook is hook
