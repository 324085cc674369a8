"""What a user may ask of the market: a chart, the overview, a comparison, a symbol by name."""

from __future__ import annotations

from dataclasses import replace

from mltrading.domain.access import Actor, Permission
from mltrading.domain.bars import Symbol
from mltrading.domain.calendar import Calendars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import InvalidView, UnknownSymbol
from mltrading.services import charting, comparing, overview
from mltrading.services.charting import Chart, DataTrust, IndicatorLines, Quote
from mltrading.services.comparing import CompareLine, CompareMetrics, Comparison
from mltrading.services.derived import Derived
from mltrading.services.overview import GroupCount, Overview, OverviewRow
from mltrading.services.ports import BarReader, Symbols
from mltrading.services.windows import Source
from mltrading.utils.clock import Clock, microseconds

__all__ = [
    "Chart",
    "CompareLine",
    "CompareMetrics",
    "Comparison",
    "DataTrust",
    "GroupCount",
    "IndicatorLines",
    "Market",
    "Overview",
    "OverviewRow",
    "Quote",
]


class Market:
    """Reads only. Every verb takes the actor first and needs the right to see data."""

    def __init__(
        self, symbols: Symbols, bars: BarReader, calendars: Calendars, clock: Clock
    ) -> None:
        self._symbols = symbols
        self._bars = bars
        self._calendars = calendars
        self._clock = clock
        self._derived = Derived()

    def chart(self, actor: Actor, view: ChartView) -> Chart:
        """The chart that `view` asks for; without a symbol, of the first one by code.

        Raises UnknownSymbol, with the nearest code where there is one.
        """
        _require_data(actor)
        return self._bars.together(lambda bars: self._chart(view, bars))

    def _chart(self, view: ChartView, bars: BarReader) -> Chart:
        source = self._source(self._first().code if view.symbol is None else view.symbol, bars)
        symbol = source.known.symbol
        view = replace(view, symbol=symbol.code)
        calendar = self._calendars.get(symbol.calendar, self._now())
        return charting.build(view, source, calendar, self._now())

    def overview(self, actor: Actor, query: OverviewQuery) -> Overview:
        """One page of the table of symbols, and the breadth of sectors and industries."""
        _require_data(actor)
        return overview.build(query, self._symbols.latest(), self._calendars, self._now())

    def compare(self, actor: Actor, view: CompareView) -> Comparison:
        """The comparison of the view's symbols. An unknown one is left out with a note.

        Raises InvalidView for a view without symbols, UnknownSymbol when none of them is known.
        """
        _require_data(actor)
        if not view.symbols:
            raise InvalidView("nothing to compare: add symbols, as in /compare?symbols=AAPL,IBM")
        return self._bars.together(lambda bars: self._compare(view, bars))

    def _compare(self, view: CompareView, bars: BarReader) -> Comparison:
        known: dict[str, Source] = {}
        unknown: list[UnknownSymbol] = []
        for code in view.symbols:
            try:
                source = self._source(code, bars)
                known[source.known.symbol.code] = source
            except UnknownSymbol as error:
                unknown.append(error)
        if not known:
            raise unknown[0]
        view = replace(view, symbols=tuple(known))
        notes = [f"Left out: {error}." for error in unknown]
        names = {source.known.symbol.calendar for source in known.values()}
        calendars = {name: self._calendars.get(name, self._now()) for name in names}
        return comparing.build(view, list(known.values()), notes, calendars, self._now())

    def find(self, actor: Actor, text: str, limit: int = 20) -> list[Symbol]:
        """Symbols whose code or name contains `text`, the exact code first."""
        _require_data(actor)
        return self._symbols.find(text.strip(), limit)

    def _now(self) -> int:
        return microseconds(self._clock.now())

    def _first(self) -> Symbol:
        found = self._symbols.find("", 1)
        if not found:
            raise UnknownSymbol("no symbol is stored yet; import bars with `mltrading import FILE`")
        return found[0]

    def _source(self, code: str, bars: BarReader) -> Source:
        stored = bars.stored(code) or bars.stored(code.upper())
        if stored is not None:
            return Source(bars, stored, self._derived)
        nearest = self._symbols.nearest(code)
        hint = f"; nearest known: '{nearest}'" if nearest else "; search by code or name"
        raise UnknownSymbol(f"unknown symbol '{code}'{hint}")


def _require_data(actor: Actor) -> None:
    if not actor.may(Permission.VIEW_ALL_DATA):
        actor.require(Permission.VIEW_SHARED_DATA)
