"""How a text file writes its table: delimiter, decimal sign, columns and the form of its stamps."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mltrading.adapters.sources import headers, times
from mltrading.adapters.sources.content import Content
from mltrading.adapters.sources.times import TimeForm
from mltrading.errors import ImportFailed

DELIMITERS = ",;\t|"
_SLASHED_BYTES = re.compile(rb"(?<![\d./-])\d{1,2}([/.-])\d{1,2}\1\d{4}\b")


@dataclass(frozen=True, slots=True)
class Dialect:
    delimiter: str
    decimal: str
    width: int  # fields in a line
    columns: dict[str, int]  # role -> position
    first_line: int  # number of the first line that holds data
    time: TimeForm
    ticker: str = ""  # the symbol, where the head of the file names it

    def stamp(self, fields: list[str]) -> str:
        """The text of a row's time, of one or two columns."""
        if "timestamp" in self.columns:
            return fields[self.columns["timestamp"]]
        return f"{fields[self.columns['date']].strip()} {fields[self.columns['time']].strip()}"


def split(line: str, delimiter: str) -> list[str]:
    """The fields of one line; csv.Error where its quotes do not pair up."""
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, strict=True))


def detect(content: Content, date_format: str | None) -> Dialect:
    """The dialect of a file, or ImportFailed with what was found instead of a table of bars."""
    path = content.path
    text = content.head.decode("utf-8", errors="replace")
    if "\0" in text.split("\n", 1)[0] or text[:4096].count("\0") > 16:
        raise ImportFailed(f"{path} is binary or UTF-16, not UTF-8 text")
    lines = text.split("\n")
    start = next((at for at, line in enumerate(lines) if _holds_data(line)), None)
    if start is None:
        raise ImportFailed(f"{path} holds no line of data")
    lines, start, ticker = _yfinance(lines, start)
    columns, delimiter, fields, is_data = _layout(lines[start], path)
    first = start + (1 if not is_data else 0)
    numbered = _sample(lines, first, delimiter, len(fields))
    rows = [row for _, row in numbered]
    if not any(_holds_data(line) for line in lines[first:]):
        raise ImportFailed(f"{path} has a header and no rows")
    if not rows:
        raise ImportFailed(f"{path}: no row has the {len(fields)} fields of its first line")
    dialect = Dialect(
        delimiter=delimiter,
        decimal=_decimal(rows, columns, delimiter, path),
        width=len(fields),
        columns=columns,
        first_line=first + 1,
        time=times.ISO,
        ticker=ticker,
    )
    if date_format is not None:
        written = [(number, dialect.stamp(row).strip()) for number, row in numbered]
        return replace(dialect, time=given_form(date_format, written, path))
    stamps = [dialect.stamp(row).strip() for row in rows]
    return replace(dialect, time=_time_form(stamps, content))


def _holds_data(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _yfinance(lines: list[str], start: int) -> tuple[list[str], int, str]:
    """Lines with the three heads of yfinance (Price, Ticker, Date) as one in the last's place,
    where it is, and the ticker."""
    heads = [line.rstrip("\r").split(",") for line in lines[start : start + 3]]
    if [head[0] for head in heads[:2]] != ["Price", "Ticker"] or len(heads) < 3:
        return lines, start, ""
    joined = ",".join([heads[2][0], *heads[0][1:]])
    return [*lines[: start + 2], joined, *lines[start + 3 :]], start + 2, heads[1][1]


def _layout(line: str, path: Path) -> tuple[dict[str, int], str, list[str], bool]:
    """(columns, delimiter, fields, whether the line is data already) of the first line."""
    options = [(delimiter, _fields(line, delimiter)) for delimiter in DELIMITERS]
    delimiter, fields = max(options, key=lambda option: len(headers.roles(option[1])))
    found = headers.roles(fields)
    if not headers.missing(found):
        known = {headers.plain(fields[at]) for at in found.values()}
        twice = [name for name, n in Counter(map(headers.plain, fields)).items() if n > 1]
        if repeated := [name for name in twice if name in known]:
            raise ImportFailed(f"{path} has the column {repeated[0]!r} more than once")
        return found, delimiter, fields, False
    for delimiter, data in options:
        layout = headers.headerless([field.replace(",", ".") for field in data])
        if layout is not None:
            return layout, delimiter, data, True
    names = ", ".join(field.strip()[:20] or "(empty)" for field in fields[:12])
    shown = names.encode("ascii", "backslashreplace").decode()
    raise ImportFailed(
        f"{path}: no column for {', '.join(headers.missing(found))}; "
        f"its first line has: {''.join(c if c.isprintable() else '?' for c in shown)[:200]}"
    )


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return [field.strip() for field in split(line.rstrip("\r"), delimiter)]
    except (csv.Error, StopIteration):
        return line.split(delimiter)


def _sample(
    lines: list[str], first: int, delimiter: str, width: int
) -> list[tuple[int, list[str]]]:
    """The rows from position `first` that have the right number of fields, with their lines."""
    numbered = enumerate(lines[first:], start=first + 1)
    rows = ((number, _fields(line, delimiter)) for number, line in numbered if line.strip())
    return [(number, row) for number, row in rows if len(row) == width]


def given_form(pattern: str, written: list[tuple[int, str]], path: Path) -> TimeForm:
    """The form of --date-format; ImportFailed where it is none, or where less than half of the
    stamps, given with their lines, are written so."""
    try:
        form = times.given_form(pattern)
    except ValueError as error:
        raise ImportFailed(
            f"--date-format {pattern!r} is no form of dates ({error}); "
            "write one such as %d/%m/%Y %H:%M"
        ) from None
    others = [(line, stamp) for line, stamp in written if stamp and not times.reads(form, stamp)]
    if 2 * len(others) > len(written):
        line, stamp = others[0]
        shown = "".join(c for c in stamp if c.isprintable())[:40]
        raise ImportFailed(
            f"{path}: line {line}: the time {shown!r} is not written as --date-format {pattern} "
            "says; leave it out, or write it as the file does"
        )
    return form


def _decimal(rows: list[list[str]], columns: dict[str, int], delimiter: str, path: Path) -> str:
    """The decimal sign, from prices that settle it. Prices that all look like 1,234 could be
    thousands; only a semicolon between fields says that the comma is taken."""
    prices = [row[columns[name]].strip() for row in rows for name in headers.PRICES]
    votes = Counter(vote for price in prices if (vote := _decimal_vote(price)))
    if votes:
        return votes.most_common(1)[0][0]
    if not any("," in price for price in prices):
        return "."
    if delimiter == ";":
        return ","
    raise ImportFailed(
        f"{path}: prices like {next(p for p in prices if ',' in p)} could be thousands or "
        "decimals; write them with a decimal point"
    )


def _decimal_vote(price: str) -> str:
    comma, point = price.rfind(","), price.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if point >= 0:
        return "." if price.count(".") == 1 else ","
    if comma < 0 or re.fullmatch(r"[1-9]\d{0,2},\d{3}", price):
        return ""
    return "," if price.count(",") == 1 else "."


def _time_form(stamps: list[str], content: Content) -> TimeForm:
    path = content.path
    form = times.form_of(stamps)
    if form is None:
        shown = "".join(c for c in next(iter(stamps), "") if c.isprintable())[:40]
        raise ImportFailed(
            f"{path}: times like {shown!r} are in no known form; "
            "give --date-format (such as %d/%m/%Y) or write them as 2024-01-31"
        )
    order = times.day_and_month_order(stamps)
    if form.pattern[:2] in ("%d", "%m") and order == "":
        order = times.day_and_month_order(_slashed_dates(content))
    if order == "":
        raise ImportFailed(
            f"{path}: dates like {stamps[0][:20]!r} could be day or month first; "
            "give --date-format %d/%m/%Y or %m/%d/%Y (with your separator)"
        )
    if order and form.pattern[:2] in ("%d", "%m"):
        return TimeForm(order + form.pattern[8:])
    return form


def _slashed_dates(content: Content) -> Iterable[str]:
    for block in content.blocks():
        yield from (match[0].decode() for match in _SLASHED_BYTES.finditer(block.data))
