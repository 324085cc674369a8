"""What a user may ask of the market: a chart, the overview, a comparison, a symbol by name."""

from __future__ import annotations

from mltrading.services.charting import Chart, DataTrust, IndicatorLines, Quote
from mltrading.services.comparing import CompareLine, CompareMetrics, Comparison
from mltrading.services.overview import GroupCount, Overview, OverviewRow

__all__ = [
    "Chart",
    "CompareLine",
    "CompareMetrics",
    "Comparison",
    "DataTrust",
    "GroupCount",
    "IndicatorLines",
    "Overview",
    "OverviewRow",
    "Quote",
]
