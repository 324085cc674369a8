"""What Charts says in words: which symbol, its newest price, and how far to trust the data."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote as escaped

from dash import html
from dash.development.base_component import Component
from orjson import Fragment

from mltrading.dashboard.components import (
    aria,
    command,
    data,
    empty,
    missing,
    simulated_mark,
    stale_mark,
)
from mltrading.dashboard.figures.candles import first_on_screen
from mltrading.dashboard.figures.numbers import shown_decimals
from mltrading.dashboard.figures.panes import signed_percent
from mltrading.dashboard.sealed import sealed
from mltrading.domain.access import Scope
from mltrading.domain.bars import DAY, Interval, Symbol
from mltrading.domain.query import format_moment, join
from mltrading.errors import NothingShared, NothingStored, UnknownSymbol
from mltrading.services.market import Chart, DataTrust, Quote

MINUS = "−"


@lru_cache(maxsize=256)
def header(
    symbol: Symbol | None, quote: Quote | None, compare: bool, interval: Interval = Interval.D1
) -> Fragment:
    """Code, name, exchange and sector, the newest close with its change, and the actions; kept,
    as it stays the same while a trader moves about in a chart. Without a symbol: no chart."""
    if symbol is None:
        return sealed([html.H2("No chart", className="chart-code")])
    place = " - ".join(part for part in (symbol.exchange, symbol.sector) if part)
    actions = [_alert(symbol.code, interval), _share()]
    if compare:
        actions.insert(0, _compare(symbol.code))
    parts = [
        html.H2(symbol.code, className="chart-code"),
        html.Span(symbol.name, className="chart-name", title=symbol.name),
        html.Span(place, className="chart-place muted"),
        *([simulated_mark()] if symbol.simulated else []),
        html.Div(_quote(quote, symbol.currency), className="chart-quote figure"),
        html.Div(actions, className="chart-actions"),
    ]
    return sealed(parts)


def _compare(code: str) -> Component:
    return html.Button(
        "Compare",
        id={"type": "compare", "symbol": code},
        type="button",
        className="button",
        title=f"Add {code} to Compare",
        **aria(pressed="false"),
        **data(compare=code),
    )


def _alert(code: str, interval: Interval) -> Component:
    return html.A(
        "Alert",
        id="new-alert",
        href=f"/alerts?{join(('symbol', code), ('interval', interval.value))}",
        className="button",
        title=f"Be told when {code} does something",
    )


def _share() -> Component:
    return html.Button(
        "Share",
        id="share-link",
        type="button",
        className="button",
        title="Copy a link to this view",
    )


def _quote(quote: Quote | None, unit: str) -> list[Component]:
    if quote is None or not math.isfinite(quote.close):
        return []
    places = shown_decimals(quote.close)
    last = html.Span(f"{quote.close:,.{places}f}", className="chart-last")
    currency = html.Span(unit, className="muted chart-currency")
    return [last, currency, *_change(quote, places)]


def _change(quote: Quote, places: int) -> list[Component]:
    title = f"Close of {_date(quote.session)} over the session before"
    if not math.isfinite(quote.change):
        return [missing("There is no change: no session before it compares with it")]
    way = "up" if quote.change > 0 else "down" if quote.change < 0 else "muted"
    sign = "+" if quote.change > 0 else MINUS if quote.change < 0 else ""
    points = html.Span(f"{sign}{abs(quote.change):,.{places}f} ", className="chart-points")
    percent = f"({signed_percent(quote.change_percent)})"
    return [html.Span([points, percent], className=way, title=title)]


def note(chart: Chart, problems: Iterable[str]) -> list[Component]:
    """The strip under the chart: interval, bars, trust, and what the page could not do."""
    said = [_separated(_facts(chart))] if len(chart.bars) else []
    return said + remarks([*(chart.notes if len(chart.bars) else []), *problems])


def _facts(chart: Chart) -> list[Any]:
    trust = chart.trust
    visible = chart.last_visible - first_on_screen(chart) + 1
    facts: list[Any] = [
        chart.interval.value + (", auto" if chart.auto else ""),
        html.Span(f"{visible} {'bar' if visible == 1 else 'bars'}", id="chart-bars"),
        _scale(chart),
        _newest(trust),
        _gaps(trust),
    ]
    if trust.broken is not None:
        facts.append(_broken(trust.broken))
    if chart.interval.intraday:
        facts.append(f"{chart.symbol.timezone.replace('_', ' ')} time")
    if not trust.has_volume:
        facts.append("the source gives no volume")
    if not chart.bars.is_final[-1] and not chart.more_right:
        facts.append("newest bar still forming")
    if trust.source:
        facts.append(f"source: {_origin(trust.source, trust.notice)}")
    return facts


def _origin(source: str, notice: str) -> str:
    """The source with its notice, which may begin with the source's own name."""
    said = notice.removeprefix(f"{source}: ")
    return f"{source} ({said})" if said else source


def _scale(chart: Chart) -> Component | str:
    """What its prices are in. The newest close is as traded either way."""
    if not chart.trust.adjusted or chart.quote is None:
        return "adjusted" if chart.trust.adjusted else "as traded"
    newest = _date(chart.quote.session)
    what = f"Prices before {newest} are adjusted for splits and dividends; that close is as traded"
    return html.Span("adjusted", title=what)


def _separated(facts: list[Any]) -> Component:
    parts: list[Any] = []
    for fact in facts:
        parts += [" · ", fact] if parts else [fact]
    return html.Span(parts, className="chart-facts")


def _newest(trust: DataTrust) -> Any:
    date = _date(trust.newest_ts) if trust.newest_ts is not None else "none"
    if not trust.stale_text:
        return f"newest {date}"
    text = trust.stale_text if trust.stale_sessions is None else f"stale: {trust.stale_text}"
    return html.Span([f"newest {date} ", stale_mark(text)])


def _gaps(trust: DataTrust) -> Any:
    missing = trust.missing_sessions
    if missing is None:
        return "gaps unknown"
    if not missing:
        return "no gaps"
    return html.Span(
        f"{missing} {'session' if missing == 1 else 'sessions'} missing", className="warn"
    )


def _broken(session: int) -> Component:
    what = (
        "Adjusted prices before that day have another base than those after it: the step there is"
        " no return. Import the whole history from one download."
    )
    return html.Span(f"another base before {_date(session)}", className="warn", title=what)


def unknown(error: UnknownSymbol) -> Component:
    """Instead of the chart of a symbol that is not stored: the fact and the way out, with a link
    to the nearest code where there is one."""
    ways: list[Any] = [html.P("Find a symbol by code or name above (Ctrl K).")]
    if isinstance(error, NothingShared):
        ways = [html.P("Ask an administrator to share symbols with you.")]
    elif isinstance(error, NothingStored):
        ways = [html.P(["Load some first: ", command("mltrading import FILE")])]
    elif error.nearest:
        address = f"/charts?symbol={escaped(error.nearest, safe='')}"
        ways.insert(0, html.P(["Did you mean ", html.A(error.nearest, href=address), "?"]))
    return empty(error.fact[:1].upper() + error.fact[1:], ways)


def no_bars(code: str, scope: Scope) -> Component:
    """Instead of the chart of a symbol that has no bars: the fact, and the command for those who
    may see what is stored."""
    fact = f"{code} has no bars yet"
    if scope is Scope.SHARED:
        return empty(fact, html.P("Ask an administrator to import them."))
    ask = command(f"mltrading import FILE --symbol {shlex.quote(code)}")
    return empty(fact, [html.P("Import a file of them:"), html.P(ask)])


def remarks(problems: Iterable[str]) -> list[Component]:
    """What the page could not do, one line each."""
    return [html.Span(line, className="chart-remark") for line in problems]


def _date(micros: int) -> str:
    return format_moment(micros - micros % DAY)
