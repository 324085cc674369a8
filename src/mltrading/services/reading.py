"""What the market holds within a scope. Who may ask, and what is noted of it, is up to the services
that have one of these (services.market, services.exports)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mltrading.domain.access import Scope
from mltrading.domain.bars import Bars, Symbol
from mltrading.domain.calendar import Calendar, Calendars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import InvalidView, NothingShared, NothingStored, UnknownSymbol
from mltrading.services import charting, comparing, overview
from mltrading.services.charting import SCREEN, Chart, Limits
from mltrading.services.comparing import Comparison
from mltrading.services.derived import Derived
from mltrading.services.overview import Overview, OverviewRow
from mltrading.services.ports import BarReader, Symbols
from mltrading.services.windows import Source
from mltrading.utils.clock import Clock, microseconds

Result = TypeVar("Result")


class MarketReader:
    """Answers as if no symbol outside of the scope were stored."""

    def __init__(
        self, symbols: Symbols, bars: BarReader, calendars: Calendars, clock: Clock
    ) -> None:
        self._symbols = symbols
        self._bars = bars
        self._calendars = calendars
        self._clock = clock
        self._derived = Derived()

    def chart(self, scope: Scope, view: ChartView) -> Chart:
        """The chart that `view` asks for; without a symbol, of the first one by code.

        Raises UnknownSymbol, with the nearest code where there is one.
        """
        return self._bars.together(lambda bars: self._chart(scope, view, bars))

    def chart_file(self, scope: Scope, view: ChartView, limits: Limits) -> tuple[Chart, Bars]:
        """The chart of `view`, and its visible bars as traded (weeks and months, which are made of
        adjusted days, as the chart has them). An interval that `view` names is shown while its
        bars keep to `limits`, though the screen has room for coarser ones only.

        Raises UnknownSymbol as `chart` does.
        """
        return self._bars.together(lambda bars: self._chart_file(scope, view, limits, bars))

    def overview(self, scope: Scope, query: OverviewQuery) -> Overview:
        """One page of the table of symbols, and the breadth of sectors and industries."""
        found = overview.build(query, self._symbols.latest(scope), self._calendars, self._now())
        return found if found.stored else replace(found, notes=[self._nothing(scope)])

    def rows(self, scope: Scope, query: OverviewQuery) -> list[OverviewRow]:
        """The whole table of symbols, filtered and sorted."""
        return overview.table(query, self._symbols.latest(scope), self._calendars, self._now())

    def compare(self, scope: Scope, view: CompareView) -> Comparison:
        """The comparison of the view's symbols. An unknown one is left out with a note.

        Raises InvalidView for a view without symbols, UnknownSymbol when none of them is known.
        """
        if not view.symbols:
            raise InvalidView("nothing to compare: add symbols, as in /compare?symbols=AAPL,IBM")
        return self._bars.together(lambda bars: self._compare(scope, view, bars))

    def find(self, scope: Scope, text: str, limit: int) -> list[Symbol]:
        """Symbols whose code or name contains `text`, the exact code first."""
        return self._symbols.find(scope, text.strip(), limit)

    def of(
        self, scope: Scope, code: str, ask: Callable[[Source, Calendar | None, int], Result]
    ) -> Result:
        """What `ask` makes of a symbol's bars, all of one moment, its exchange's calendar and the
        present moment (µs UTC). It may run twice. Raises UnknownSymbol as `chart` does."""

        def asked(bars: BarReader) -> Result:
            source = self._source(scope, code, bars)
            calendar = self._calendars.get(source.known.symbol.calendar, self._now())
            return ask(source, calendar, self._now())

        return self._bars.together(asked)

    def _chart(
        self, scope: Scope, view: ChartView, bars: BarReader, limits: Limits = SCREEN
    ) -> Chart:
        code = self._first(scope).code if view.symbol is None else view.symbol
        source = self._source(scope, code, bars)
        symbol = source.known.symbol
        view = replace(view, symbol=symbol.code)
        calendar = self._calendars.get(symbol.calendar, self._now())
        return charting.build(view, source, calendar, self._now(), limits)

    def _chart_file(
        self, scope: Scope, view: ChartView, limits: Limits, bars: BarReader
    ) -> tuple[Chart, Bars]:
        chart = self._chart(scope, view, bars)
        if view.interval in chart.available and view.interval is not chart.interval:
            wide = self._chart(scope, view, bars, limits)
            chart = wide if wide.interval is view.interval else chart
        visible = chart.bars[chart.first_visible : chart.last_visible + 1]
        if not len(visible) or not chart.interval.stored:
            return chart, visible
        span = int(visible.ts[0]), int(visible.ts[-1]) + 1
        return chart, bars.between(chart.symbol.id, chart.interval, *span)

    def _compare(self, scope: Scope, view: CompareView, bars: BarReader) -> Comparison:
        known: dict[str, Source] = {}
        unknown: list[UnknownSymbol] = []
        for code in view.symbols:
            try:
                source = self._source(scope, code, bars)
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

    def _now(self) -> int:
        return microseconds(self._clock.now())

    def _first(self, scope: Scope) -> Symbol:
        found = self._symbols.find(scope, "", 1)
        if found:
            return found[0]
        if scope is Scope.SHARED:
            raise NothingShared("no symbol is shared with you yet", "ask an administrator")
        way_out = "import bars with `mltrading import FILE`"
        raise NothingStored("no symbol is stored yet", way_out)

    def _nothing(self, scope: Scope) -> str:
        """Why the table of symbols is empty before any filter."""
        if scope is Scope.ALL:
            return "No bars are stored yet; import some with `mltrading import FILE`."
        if self._symbols.find(scope, "", 1):
            return "No symbol that is shared with you has bars yet; ask an administrator."
        return "No symbol is shared with you yet; ask an administrator."

    def _source(self, scope: Scope, code: str, bars: BarReader) -> Source:
        stored = bars.stored(scope, code) or bars.stored(scope, code.upper())
        if stored is not None:
            return Source(bars, stored, self._derived)
        nearest = self._symbols.nearest(scope, code) or ""
        hint = f"nearest known: '{nearest}'" if nearest else "search by code or name"
        raise UnknownSymbol(f"unknown symbol '{code}'", hint, nearest)
