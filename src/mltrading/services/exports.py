"""What leaves the program as a file: CSV text of a chart's bars, the Overview, a comparison.

Each verb needs the right to export, shows nothing outside of what the actor may see, and is noted
in the audit trail before the first byte leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mltrading.domain.access import Actor, Permission
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import InvalidView
from mltrading.services import export_tables
from mltrading.services.charting import Limits
from mltrading.services.comparing import Comparison
from mltrading.services.export_tables import Table
from mltrading.services.market import noted
from mltrading.services.ports.audit import AuditEvent, AuditTrail, Origin, ViewLog
from mltrading.services.reading import MarketReader
from mltrading.utils import csv_text
from mltrading.utils.monitoring import monitor_verbs

BARS = 100_000
"""So many of an interval that was asked for by name come in a file; of a longer window those come
that are on screen, as where no interval was named."""


@dataclass(frozen=True, slots=True)
class Export:
    """A CSV file: its name, of letters, digits, dots, dashes and underscores; its text in pieces of
    bounded size, to be read once."""

    name: str
    pieces: Iterator[str]


@monitor_verbs("exports")
class Exports:
    """Files of what the Market's verbs show."""

    def __init__(self, reader: MarketReader, views: ViewLog, trail: AuditTrail) -> None:
        self._reader = reader
        self._views = views
        self._trail = trail

    def chart(self, actor: Actor, view: ChartView, origin: Origin) -> Export:
        """The bars of the view's window with its indicators: at the interval that the view names
        while they are at most BARS, else at the one that the chart shows.

        Raises InvalidView for a view without a symbol, UnknownSymbol as the chart does.
        """
        actor.require(Permission.EXPORT_DATA)
        if view.symbol is None:
            raise InvalidView("name the symbol to export, as in ?symbol=AAPL")
        chart, bars = self._reader.chart_file(actor.scope, view, Limits(BARS, BARS))
        table = export_tables.chart_table(chart, bars)
        told = (chart.interval.value, *export_tables.span(bars.ts, chart.interval))
        return self._handed_out(actor, origin, "chart", table, (chart.symbol.code,), told)

    def overview(self, actor: Actor, query: OverviewQuery, origin: Origin) -> Export:
        """The table of symbols, filtered and sorted by the query, whatever its page."""
        actor.require(Permission.EXPORT_DATA)
        table = export_tables.overview_table(self._reader.rows(actor.scope, query))
        return self._handed_out(actor, origin, "overview", table, (), ())

    def lines(self, actor: Actor, view: CompareView, origin: Origin) -> Export:
        """The lines of a comparison. Raises InvalidView and UnknownSymbol as this does."""
        return self._compared(actor, view, origin, "compare", export_tables.lines_table)

    def metrics(self, actor: Actor, view: CompareView, origin: Origin) -> Export:
        """The table of a comparison. Raises InvalidView and UnknownSymbol as this does."""
        return self._compared(actor, view, origin, "compare-metrics", export_tables.metrics_table)

    def _compared(
        self,
        actor: Actor,
        view: CompareView,
        origin: Origin,
        what: str,
        table_of: Callable[[Comparison], Table],
    ) -> Export:
        actor.require(Permission.EXPORT_DATA)
        found = self._reader.compare(actor.scope, view)
        told = (found.interval.value, *export_tables.span(found.ts, found.interval))
        return self._handed_out(actor, origin, what, table_of(found), found.view.symbols, told)

    def _handed_out(
        self,
        actor: Actor,
        origin: Origin,
        what: str,
        table: Table,
        codes: Sequence[str],
        told: Sequence[str],
    ) -> Export:
        """The file of the table, once its leaving is noted."""
        name = file_name(what, *codes, *told)
        noted(self._views, actor, codes or ("overview",), "export")
        self._trail.record(
            AuditEvent(
                action="data.export",
                actor=actor.id,
                target=", ".join(codes) or "overview",
                details={"what": what, "of": " ".join(told).strip(), "rows": str(table.count)},
                origin=origin,
            )
        )
        return Export(name, csv_text.pieces(table.header, table.rows))


def file_name(*parts: str) -> str:
    """A name that is safe in a header, on any disk and on a command line."""
    plain = (re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-.") for part in parts)
    return "_".join(part for part in plain if part)[:120] + ".csv"
