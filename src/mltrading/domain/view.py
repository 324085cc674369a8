"""What a page shows, as its URL says it. Reading a URL never fails: what can not be used is left
out and said in one line.

`start` and `end` are half-open: start <= bar < end. In a URL they are an ISO date or date-time;
without an offset they are UTC. They win over `range`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Literal

from mltrading.domain.bars import DAY, Interval
from mltrading.domain.indicators import IndicatorSpec, parse_specs
from mltrading.domain.query import Fields, format_moment, from_micros, join
from mltrading.utils.clock import microseconds

Kind = Literal["candles", "ohlc", "line", "area"]
Scale = Literal["linear", "log", "percent"]
Mode = Literal["percent", "indexed", "price"]

KINDS: tuple[Kind, ...] = ("candles", "ohlc", "line", "area")
SCALES: tuple[Scale, ...] = ("linear", "log", "percent")
MODES: tuple[Mode, ...] = ("percent", "indexed", "price")
SORTS: tuple[str, ...] = (
    "symbol",
    "name",
    "sector",
    "industry",
    "close",
    "change_1d",
    "change_1w",
    "change_1mo",
    "change_1y",
    "volume",
    "position_52w",
    "newest",
    "stale",
)
MAX_COMPARED = 8

_INTERVAL_NAMES = {**{i.value: i for i in Interval}, "1M": Interval.MO1}
_KIND_NAMES: dict[str, Kind] = {
    **{k: k for k in KINDS},
    "candle": "candles",
    "candlestick": "candles",
}
_SCALE_NAMES: dict[str, Scale] = {
    **{s: s for s in SCALES},
    "lin": "linear",
    "pct": "percent",
    "%": "percent",
}


class Range(Enum):
    """A window that ends at the newest bar; the value is its name on the button and in the URL."""

    D1 = "1D"
    W1 = "1W"
    MO1 = "1M"
    MO3 = "3M"
    MO6 = "6M"
    YTD = "YTD"
    Y1 = "1Y"
    Y5 = "5Y"
    ALL = "ALL"

    def start(self, newest: int) -> int | None:
        """Where the window begins when the newest bar is stamped `newest` (µs); None for ALL.

        Months and years are calendar steps back (31 March less a month is the last of February);
        1D is the newest bar's own UTC date, so that one session shows whatever its hours.
        """
        if self is Range.ALL:
            return None
        if self is Range.D1:
            return newest - newest % DAY
        if self is Range.W1:
            return newest - 7 * DAY
        moment = from_micros(newest)
        if self is Range.YTD:
            return microseconds(datetime(moment.year, 1, 1, tzinfo=UTC))
        return microseconds(_months_back(moment, _MONTHS[self]))


_MONTHS = {Range.MO1: 1, Range.MO3: 3, Range.MO6: 6, Range.Y1: 12, Range.Y5: 60}


def _months_back(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=years, month=month + 1, day=day)
        except ValueError:  # that month is shorter
            continue
    return moment.replace(year=years, month=month + 1)


@dataclass(frozen=True, slots=True)
class ChartView:
    """The whole state of the Charts page. `interval` None: the service picks what fits."""

    symbol: str | None = None
    interval: Interval | None = None
    range: Range | None = None
    start: int | None = None
    end: int | None = None
    kind: Kind = "candles"
    scale: Scale = "linear"
    indicators: tuple[IndicatorSpec, ...] = ()

    @classmethod
    def parse(cls, query: str) -> tuple[ChartView, list[str]]:
        """The view in a query string (with or without its `?`) and what had to be left out."""
        fields = Fields(query)
        start, end = fields.window()
        specs, refused = parse_specs(fields.text("indicators"))
        view = cls(
            symbol=fields.code("symbol"),
            interval=fields.pick("interval", _INTERVAL_NAMES),
            range=_range(fields, start, end),
            start=start,
            end=end,
            kind=fields.pick("type", _KIND_NAMES) or "candles",
            scale=fields.pick("scale", _SCALE_NAMES) or "linear",
            indicators=specs,
        )
        return view, fields.problems + refused

    def basic(self) -> tuple[ChartView, list[str]]:
        """The view as candles on a linear scale without indicators, and which of its fields that
        leaves out, by their names in the URL."""
        basic = replace(self, kind="candles", scale="linear", indicators=())
        fields = {"type": "kind", "scale": "scale", "indicators": "indicators"}
        left_out = [name for name, at in fields.items() if getattr(self, at) != getattr(basic, at)]
        return basic, left_out

    def to_query(self) -> str:
        """The canonical query string, without `?`; what has its default value is left out."""
        return join(
            ("symbol", self.symbol),
            ("interval", self.interval and self.interval.value),
            *_window_fields(self.range, self.start, self.end),
            ("type", self.kind if self.kind != "candles" else None),
            ("scale", self.scale if self.scale != "linear" else None),
            ("indicators", ",".join(str(spec) for spec in self.indicators)),
        )


@dataclass(frozen=True, slots=True)
class CompareView:
    """The whole state of the Compare page; `symbols` are distinct, at most eight."""

    symbols: tuple[str, ...] = ()
    range: Range | None = None
    start: int | None = None
    end: int | None = None
    mode: Mode = "percent"

    @classmethod
    def parse(cls, query: str) -> tuple[CompareView, list[str]]:
        fields = Fields(query)
        start, end = fields.window()
        view = cls(
            symbols=fields.codes("symbols", MAX_COMPARED),
            range=_range(fields, start, end),
            start=start,
            end=end,
            mode=fields.pick("mode", {m: m for m in MODES}) or "percent",
        )
        return view, fields.problems

    def to_query(self) -> str:
        return join(
            ("symbols", ",".join(self.symbols)),
            *_window_fields(self.range, self.start, self.end),
            ("mode", self.mode if self.mode != "percent" else None),
        )


@dataclass(frozen=True, slots=True)
class OverviewQuery:
    """What the Overview's table shows: `q` searches code and name, `page` counts from 1."""

    q: str = ""
    sort: str = "symbol"
    descending: bool = False
    sector: str | None = None
    industry: str | None = None
    page: int = 1

    @classmethod
    def parse(cls, query: str) -> tuple[OverviewQuery, list[str]]:
        fields = Fields(query)
        view = cls(
            q=fields.label("q") or "",
            sort=fields.pick("sort", {s: s for s in SORTS}) or "symbol",
            descending=fields.pick("order", {"asc": False, "desc": True}) or False,
            sector=fields.label("sector"),
            industry=fields.label("industry"),
            page=fields.page(),
        )
        return view, fields.problems

    def to_query(self) -> str:
        return join(
            ("q", self.q),
            ("sort", self.sort if self.sort != "symbol" else None),
            ("order", "desc" if self.descending else None),
            ("sector", self.sector),
            ("industry", self.industry),
            ("page", str(self.page) if self.page > 1 else None),
        )


def _range(fields: Fields, start: int | None, end: int | None) -> Range | None:
    picked = fields.pick("range", {r.value: r for r in Range})
    return picked if start is None and end is None else None


def _window_fields(
    range: Range | None, start: int | None, end: int | None
) -> list[tuple[str, str | None]]:
    if start is None and end is None:
        return [("range", range and range.value)]
    return [
        ("start", None if start is None else format_moment(start)),
        ("end", None if end is None else format_moment(end)),
    ]
