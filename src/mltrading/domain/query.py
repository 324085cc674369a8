"""Query strings as typed values: read without ever failing, written in one canonical form."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qsl, quote

from mltrading.domain.bars import DAY
from mltrading.utils.clock import microseconds
from mltrading.utils.text import one_line

MAX_CODE = 32
MAX_TEXT = 100
MAX_QUERY = 4000
MAX_PAGE = 100_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_code(text: str) -> bool:
    """Whether `text` can be a symbol's code: 1 to 32 printable characters, no comma, trimmed."""
    return (
        0 < len(text) <= MAX_CODE
        and "," not in text
        and text.isprintable()
        and text == text.strip()
    )


def from_micros(micros: int) -> datetime:
    """The aware UTC moment of microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=micros)


def parse_moment(text: str) -> int:
    """An ISO date or date-time as microseconds UTC; ValueError where it is none.

    A `+` that a form or a careless link left unescaped arrives as a space; it is read as meant.
    """
    if not re.match(r"\d{4}-\d{2}-\d{2}($|[T ]\d{2}:\d{2})", text):
        raise ValueError("not an ISO date or date-time")
    text = re.sub(r"(\d{2}:\d{2}[\d:.]*) (\d{2}:\d{2})$", r"\1+\2", text)
    moment = datetime.fromisoformat(text)
    micros = microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if not _FIRST <= micros < _LAST:
        raise ValueError("the year must be 1800 to 2199")
    return micros


def format_moment(micros: int) -> str:
    """The shortest ISO text that `parse_moment` reads back: a date, or a date-time with Z."""
    moment = from_micros(micros)
    if micros % DAY == 0:
        return moment.date().isoformat()
    seconds = moment.second or moment.microsecond
    text = moment.replace(tzinfo=None).isoformat(timespec="auto" if seconds else "minutes")
    return text + "Z"


_FIRST = microseconds(datetime(1800, 1, 1, tzinfo=UTC))
_LAST = microseconds(datetime(2200, 1, 1, tzinfo=UTC))
_T = TypeVar("_T")


class Fields:
    """The fields of one query string, each read once, with the problems met on the way."""

    def __init__(self, query: str) -> None:
        self.problems: list[str] = []
        if len(query) > MAX_QUERY:
            self.problems.append(f"the address is longer than {MAX_QUERY} characters; ignored")
            query = ""
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True, errors="replace")
        self._values = {name: value.strip() for name, value in pairs}

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def _read(self, name: str, read: Callable[[str], _T]) -> _T | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.problems.append(f"{name}='{one_line(text[:40])}' ignored: {error}")
            return None

    def pick(self, name: str, known: dict[str, _T]) -> _T | None:
        """The named value; the case counts only where it tells two names apart (1m, 1M)."""

        def read(text: str) -> _T:
            folded = {key.lower(): value for key, value in reversed(known.items())} | known
            if text not in folded and text.lower() not in folded:
                raise ValueError(f"known are {', '.join(known)}")
            return folded[text] if text in folded else folded[text.lower()]

        return self._read(name, read)

    def window(self) -> tuple[int | None, int | None]:
        start = self._read("start", parse_moment)
        end = self._read("end", parse_moment)
        if start is not None and end is not None and start >= end:
            self.problems.append("start and end ignored: start must be before end")
            return None, None
        return start, end

    def code(self, name: str) -> str | None:
        return self._read(name, _code)

    def codes(self, name: str, limit: int) -> tuple[str, ...]:
        found: list[str] = []
        for part in self.text(name).split(","):
            self._values[name] = part.strip()
            code = self.code(name)
            if code is not None and code not in found:
                found.append(code)
        if len(found) > limit:
            left_out = len(found) - limit
            self.problems.append(f"{name}: the first {limit} are used, {left_out} left out")
        return tuple(found[:limit])

    def label(self, name: str) -> str | None:
        return self._read(name, _label)

    def page(self) -> int:
        return self._read("page", _page) or 1


def _code(text: str) -> str:
    if not is_code(text):
        raise ValueError(f"a symbol has 1 to {MAX_CODE} printable characters and no comma")
    return text


def _label(text: str) -> str:
    if len(text) > MAX_TEXT or not text.isprintable():
        raise ValueError(f"it needs at most {MAX_TEXT} printable characters")
    return text


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise ValueError(f"a page is a number from 1 to {MAX_PAGE}")
    return int(text[:9])


def join(*fields: tuple[str, str | None]) -> str:
    """Commas and colons stay readable; everything else that a URL reserves is escaped."""
    return "&".join(f"{name}={quote(value, safe=',:')}" for name, value in fields if value)
