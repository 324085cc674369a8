"""The symbols of one file: whose each row is, and what the file says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mltrading.domain.bars import DAY, HOUR, Times
from mltrading.errors import ImportFailed
from mltrading.services.ports import ReadOptions, SymbolDetails

BAD = -1
_KLINES = re.compile(r"([A-Z0-9]{2,20})-(1m|5m|15m|1h|4h|1d)-\d{4}(-\d\d){0,2}")
_ENDINGS = {".gz", ".csv", ".txt", ".tsv", ".parquet", ".pq"}

Details = Callable[[str], str]
"""Text of a details column (name, exchange, ...) for the row at hand, empty where it has none."""


def valid_code(code: str) -> bool:
    return 1 <= len(code) <= 32 and code.isprintable() and "," not in code


def code_from_name(path: Path) -> str:
    """The symbol a file is called after: `aapl.csv.gz` and `AAPL (1).csv` are AAPL,
    `BTCUSDT-1m-2024-01.csv` is BTCUSDT."""
    name = path.name
    while (ending := Path(name).suffix.lower()) in _ENDINGS:
        name = name[: -len(ending)]
    code = re.sub(r" \(\d+\)$", "", name).upper().strip()
    klines = _KLINES.fullmatch(re.sub(r" \(\d+\)$", "", name))
    return klines[1] if klines else code


class FileSymbols:
    """Symbols in order of appearance; rows name them by position.

    Of a new symbol's market we know whether it `never_closes`, and the zone of --tz."""

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        has_column: bool,
        never_closes: bool = False,
        ticker: str = "",
    ) -> None:
        self.known: list[SymbolDetails] = []
        self.notes: list[str] = []
        self._path = path
        self._positions: dict[str, int] = {}
        self._given = options.symbol
        self._calendar = "24/7" if never_closes else ""
        self._zone = options.timezone or ("UTC" if never_closes else "")
        self._in_column: str | None = None
        if never_closes:
            given = options.timezone
            days = f"those of {given}, as given" if given else "UTC days; --tz says otherwise"
            self.notes.append(f"trades round the clock: its days are {days}")
        self._name = ""
        self._alone = None if has_column else self._only(path, options.symbol, ticker)

    @property
    def alone(self) -> str | None:
        """The one code of a file without a symbol column."""
        return self._alone

    def position(self, code: str, details: Details) -> int:
        """Where the symbol is in `known`, adding it at its first row; BAD for no valid code."""
        code = code.strip()
        place = self._positions.get(code)
        if place is None:
            if not valid_code(code):
                return BAD
            place = self._add(code, details)
        return place

    def positions(
        self, codes: Sequence[str], rows: NDArray[np.int32], detail_at: Callable[[int, str], str]
    ) -> NDArray[np.int32]:
        """For a dictionary column: its distinct `codes` and the code number of each row.
        `detail_at(row, role)` reads another column of that row."""
        first = np.full(len(codes), -1, np.int64)
        distinct, at = np.unique(rows, return_index=True)
        first[distinct] = at
        places = np.full(len(codes), BAD, np.int32)
        for number in np.argsort(first, kind="stable"):
            row = int(first[number])
            if row >= 0:
                places[number] = self.position(codes[number], partial(detail_at, row))
        return places[rows]

    def _add(self, code: str, details: Details) -> int:
        if self._given is not None and self._alone is None:
            if self._in_column not in (None, code):
                raise ImportFailed(
                    f"{self._path} holds several symbols ({self._in_column}, {code}, ...), which "
                    f"--symbol {self._given} would merge; leave it out"
                )
            self._in_column = code
        self._positions[code] = len(self.known)
        self.known.append(
            SymbolDetails(
                code=self._given or code,
                name=details("name"),
                exchange=details("exchange"),
                calendar=self._calendar,
                timezone=self._zone,
                sector=details("sector"),
                industry=details("industry"),
                currency=details("currency"),
            )
        )
        return len(self.known) - 1

    def refuse_several(self, names: Iterable[str]) -> None:
        """In a file without a symbol column two names are two symbols that would be mixed."""
        if self._given is not None:
            return
        for name in filter(None, (name.strip() for name in names)):
            self._name = self._name or name
            if name != self._name:
                raise ImportFailed(
                    f"{self._path} holds several names ({self._name}, {name}, ...) and no symbol "
                    "column; rename that column to symbol, or give --symbol if they are one"
                )

    def _only(self, path: Path, given: str | None, ticker: str) -> str:
        if given is not None:
            return given
        if ticker:
            self.notes.append(f"symbol {ticker}, from the head of the file")
            return ticker
        code = code_from_name(path)
        if not valid_code(code):
            raise ImportFailed(f"{path}: its name is no symbol code; give --symbol")
        self.notes.append(f"symbol {code}, from the name of the file")
        return code


def round_the_clock(walls: Times, path: Path) -> bool:
    """Whether a sample's times as written, or a kline file's name, tell of a market that never
    closes: it trades through Saturdays. Before 08:00 they may still be another zone's Friday."""
    saturday = (walls // DAY + 3) % 7 == 5  # 1970-01-01 was a Thursday; Monday is 0
    hours = walls % DAY
    by_day = (hours >= 8 * HOUR) | (not hours.any())
    return bool(len(walls) and (saturday & by_day).mean() > 0.05) or bool(_KLINES.match(path.name))


def refuse_invalid(given: str | None) -> None:
    if given is not None and not valid_code(given.strip()):
        raise ImportFailed(f"symbol {given!r} is not 1 to 32 printable characters without a comma")
