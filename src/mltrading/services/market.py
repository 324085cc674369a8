"""What a user may ask of the market: a chart, the overview, a comparison, a symbol by name."""

from __future__ import annotations

from collections.abc import Sequence

from mltrading.domain.access import DEVELOPER, Actor
from mltrading.domain.bars import Symbol
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.services.charting import Chart, DataTrust, IndicatorLines, Quote
from mltrading.services.comparing import CompareLine, CompareMetrics, Comparison
from mltrading.services.overview import GroupCount, Overview, OverviewRow
from mltrading.services.ports.audit import HowSeen, ViewLog
from mltrading.services.reading import MarketReader
from mltrading.utils.monitoring import monitor_verbs

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
    "noted",
]


@monitor_verbs("market")
class Market:
    """Reads only. Every verb takes the actor first, needs the right to see data, and answers as if
    nothing were stored but what the actor may see. What was shown goes into the log of views
    before it is handed out."""

    def __init__(self, reader: MarketReader, views: ViewLog) -> None:
        self._reader = reader
        self._views = views

    def chart(self, actor: Actor, view: ChartView) -> Chart:
        """As MarketReader.chart, for what the actor may see."""
        chart = self._reader.chart(actor.scope, view)
        noted(self._views, actor, (chart.symbol.code,), "chart")
        return chart

    def overview(self, actor: Actor, query: OverviewQuery) -> Overview:
        """As MarketReader.overview, for what the actor may see."""
        overview = self._reader.overview(actor.scope, query)
        noted(self._views, actor, ("overview",), "overview")
        return overview

    def compare(self, actor: Actor, view: CompareView) -> Comparison:
        """As MarketReader.compare, for what the actor may see."""
        comparison = self._reader.compare(actor.scope, view)
        noted(self._views, actor, comparison.view.symbols, "compare")
        return comparison

    def find(self, actor: Actor, text: str, limit: int = 20) -> list[Symbol]:
        """As MarketReader.find, for what the actor may see."""
        return self._reader.find(actor.scope, text, limit)


def noted(views: ViewLog, actor: Actor, codes: Sequence[str], how: HowSeen) -> None:
    """Note a view of anybody but the developer: where nobody signs in there is nobody to name."""
    if actor is not DEVELOPER:
        views.viewed(actor, codes, how)
