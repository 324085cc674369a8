"""Charts as the market service answers them, made without a database."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mltrading.domain.bars import Bars, Interval, Symbol
from mltrading.domain.indicators import REGISTRY, compute, label, parse_specs
from mltrading.domain.view import ChartView
from mltrading.services.market import Chart, DataTrust, IndicatorLines, Quote
from tests.factories import make_bars, make_sessions

SYMBOL = Symbol(
    1,
    "AAPL",
    "Apple Inc.",
    "NASDAQ",
    "XNYS",
    "America/New_York",
    "Technology",
    "Phones",
    "USD",
    False,
)


def make_chart(
    count: int = 300,
    query: str = "symbol=AAPL",
    *,
    interval: Interval = Interval.D1,
    visible: tuple[int, int] | None = None,
    bars: Bars | None = None,
    simulated: bool = False,
    has_volume: bool = True,
    **fields: object,
) -> Chart:
    """A chart of `count` bars, all visible unless `visible` says which; `fields` replace any."""
    view, _ = ChartView.parse(query)
    if bars is None:
        made = (
            make_sessions(count) if interval is Interval.D1 else make_bars(count, interval=interval)
        )
        bars = made if has_volume else replace(made, volume=np.zeros(count))
    count = len(bars)
    first, last = visible or (0, count - 1)
    trust = DataTrust(
        newest_ts=int(bars.ts[-1]) if count else None,
        stale_sessions=0,
        stale_text="",
        missing_sessions=0,
        adjusted=True,
        has_volume=has_volume,
        source="test",
        notice="",
    )
    chart = Chart(
        symbol=replace(SYMBOL, simulated=simulated),
        view=view,
        interval=interval,
        auto=view.interval is not interval,
        bars=bars,
        first_visible=first,
        last_visible=last,
        window_start=int(bars.ts[first]) if count else 0,
        window_end=int(bars.ts[last]) + interval.length if count else 0,
        indicators=drawn(view, bars, interval) if count else [],
        more_left=False,
        more_right=False,
        finer=False,
        trust=trust,
        quote=Quote(183.42, 1.86, 1.0244, int(bars.ts[-1])) if count else None,
        available=(Interval.H1, Interval.D1, Interval.W1, Interval.MO1),
    )
    return replace(chart, **fields)


def drawn(view: ChartView, bars: Bars, interval: Interval) -> list[IndicatorLines]:
    """The view's indicators over `bars`, without warm-up."""
    return [
        IndicatorLines(
            spec,
            label(spec, interval),
            REGISTRY[spec.name].pane,
            compute(spec, bars, interval, SYMBOL.timezone),
        )
        for spec in view.indicators
    ]


def with_indicators(text: str) -> str:
    """A query for AAPL with those indicators; fails when one of them is refused."""
    specs, problems = parse_specs(text)
    assert specs and not problems
    return f"symbol=AAPL&indicators={text}"
