"""CSV text is read back as what was written, and no spreadsheet finds a formula in it."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltrading.utils.csv_text import PIECE_ROWS, Cell, cell, harmless, pieces

FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")
NASTY = (
    st.text(st.sampled_from("=+-@＝＋－＠\t\r\n\0 ,;|'\"\\|%a1\u00a0\u200b\u2028\ud800é"))
    | st.text()
)
NUMBERS = st.floats() | st.integers(-(2**63), 2**63)
CELLS = st.none() | st.booleans() | NUMBERS | NASTY


def written(*rows: list[Cell]) -> str:
    return "".join(pieces(["a", "b"], rows))


def read(text: str, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> list[list[str]]:
    form: Any = {"delimiter": delimiter, "quoting": quoting, "strict": True}
    return list(csv.reader(io.StringIO(text, newline=""), **form))


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_what_is_read_back_is_what_was_written(rows: list[tuple[Cell, Cell]]) -> None:
    header, *found = read(written(*map(list, rows)))
    assert header == ["a", "b"]
    assert found == [[str(cell(value)) for value in row] for row in rows]


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.1)
@example(1e300)
@example(5e-324)
def test_numbers_are_read_back_as_the_same_numbers(value: float) -> None:
    _, [text, same] = read(written([value, np.float64(value)]))
    assert float(text) == value and text == same
    assert "." not in text or not value.is_integer() or abs(value) >= 1e15


def test_what_is_not_known_is_empty_and_truth_is_a_word() -> None:
    unknown = [None, math.nan, math.inf, -math.inf]
    assert [cell(value) for value in unknown] == [""] * 4
    assert read(written([True, False], [0, 1]))[1:] == [["true", "false"], ["0", "1"]]


@given(NASTY)
@example("=HYPERLINK(0)")
@example("  =1+1")
@example("\t=1+1")
@example("\0=1+1")
@example("a;=1+1;b")
@example('a;"=1+1";b')
@example('"=1+1')
@example("＝1+1")
def test_no_text_begins_a_formula(text: str) -> None:
    """Neither as the cell it is, nor where lines are split at something else and quotes ignored."""
    assert not harmless(text).lstrip().startswith(FORMULA)
    line = written([1.5, text])
    for delimiter in ",;|\t":
        for row in read(line, delimiter, csv.QUOTE_NONE):
            for found in row:
                bare = found.replace('"', "").strip()
                assert not bare.startswith(FORMULA) or is_number(bare), (delimiter, found)


@given(NASTY)
def test_text_stays_on_its_line(text: str) -> None:
    assert len(written([text, text]).splitlines()) == 2


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="=+-@＝＋－＠")))
def test_text_without_a_formula_is_itself(text: str) -> None:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    assert harmless(text) == printable


def test_a_formula_character_inside_is_left_alone() -> None:
    for text in ("AT&T", "BRK-B", "a=b", "x@y.z", "1-2", "Smith, John", "'=1"):
        assert harmless(text) == text


def test_text_comes_in_pieces_of_bounded_size_when_it_is_asked_for() -> None:
    asked = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal asked
        while True:
            asked += 1
            yield [1.0, "x"]

    text = pieces(["a", "b"], endless())
    assert (next(text), asked) == ("a,b\r\n", 0)
    assert next(text).count("\r\n") == PIECE_ROWS == asked
    next(text)
    assert asked == 2 * PIECE_ROWS


def test_pandas_reads_it() -> None:
    text = written([math.nan, 'say "hi", é'], [-1.25, "=1"])
    frame = pd.read_csv(io.StringIO(text))
    assert frame["b"].tolist() == ['say "hi", é', "'=1"]
    assert math.isnan(frame["a"][0]) and frame["a"][1] == -1.25


@pytest.mark.parametrize("text", ["\ud800", "\0", "a\r\nb", "\x1b[31m"])
def test_any_text_can_be_sent(text: str) -> None:
    assert harmless(text).encode("utf-8").isascii() and harmless(text).isprintable()
