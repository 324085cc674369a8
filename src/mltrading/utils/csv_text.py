"""Rows as CSV text (RFC 4180, UTF-8) that no spreadsheet takes for formulas.

Numbers stay numbers. Text can come from anywhere: where a spreadsheet would begin a formula it gets
an apostrophe, as OWASP advises (https://owasp.org/www-community/attacks/CSV_Injection). That is at
its start, and after what separates cells elsewhere: where a comma is for decimals, a spreadsheet
splits lines at semicolons and heeds no quotes.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

Cell = str | float | bool | None

PIECE_ROWS = 500
_EXACT = 1e15  # below, every whole number is a float, and is written without an exponent
# The quotes are those that a cell of such a spreadsheet would be taken out of.
_FORMULA = re.compile(r'(^|[,;|])(?=[ "]*[=+\-@＝＋－＠])')


def pieces(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The text of the table, a few hundred rows at a time."""
    yield _lines([header])
    remaining = iter(rows)
    while some := list(islice(remaining, PIECE_ROWS)):
        yield _lines(some)


def _lines(rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: Cell) -> str | float:
    """What csv writes for the value: for a number the shortest text that is read back as the same
    one, for one that is not known nothing."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        return value if math.isfinite(value) else ""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


@lru_cache(maxsize=1024)
def harmless(text: str) -> str:
    """The text on one line, with nothing in it that begins a formula. Kept, for tables repeat their
    texts in every row."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return _FORMULA.sub(r"\1'", text)
