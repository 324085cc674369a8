"""What a trader is told when an alert fires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.price_alerts.conditions import number
from mltrading.domain.query import from_micros, join
from mltrading.services.ports.price_alerts import Firing, PriceAlert
from mltrading.utils.message import Message

OF_TRADERS = "price-alert-"
"""How the keys of messages to traders begin."""
SHOWN = 10  # bars by name
MOST_BARS = 1_000
"""So many bars are judged at most, when they arrive at once."""


class Words:
    """`url` is where the dashboard is reached; None: nobody knows, and messages have no link."""

    def __init__(self, url: str | None, new_id: Callable[[], str]) -> None:
        self._url = url
        self._new_id = new_id

    def message(self, alert: PriceAlert, firings: Sequence[Firing], left_out: bool) -> Message:
        """All that fired at once, in one message. `left_out`: more bars had arrived than are
        judged, and the oldest of them were not."""
        symbol, interval = alert.symbol, alert.wish.interval
        words = alert.wish.condition.words
        times = f" ({len(firings)} times)" if len(firings) > 1 else ""
        names = dict.fromkeys((symbol.code, symbol.name))  # a name that nobody told is the code
        lines = [f"{words}: {', '.join(names)}, {interval.value} bars."]
        lines += [_line(symbol, interval, one) for one in firings[-SHOWN:]]
        if len(firings) > SHOWN:
            lines.append(f"and {len(firings) - SHOWN} earlier ones")
        if left_out:
            lines.append(f"Of the bars that arrived, the newest {MOST_BARS:,} were looked at.")
        if symbol.simulated:
            lines.append("Simulated prices of a made-up exchange, not a real market.")
        return Message(
            "info",
            f"{symbol.code} {interval.value}: {words}{times}",
            "\n".join(lines),
            key=f"{OF_TRADERS}{alert.id}",
            link=self._link(alert),
            id=self._new_id(),
        )

    def _link(self, alert: PriceAlert) -> str | None:
        if self._url is None:
            return None
        query = join(("symbol", alert.symbol.code), ("interval", alert.wish.interval.value))
        return f"{self._url}/charts?{query}"


def _line(symbol: Symbol, interval: Interval, one: Firing) -> str:
    close = f"close {number(one.close)} {symbol.currency}".rstrip()
    return f"{bar_name(one.ts, interval, symbol.timezone or 'UTC')}: {close}"


def bar_name(ts: int, interval: Interval, timezone: str) -> str:
    """Which bar it is: its session's date, or when it began, on the exchange's clock."""
    at = from_micros(ts)
    if not interval.intraday:
        return f"{at:%Y-%m-%d}"
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} {timezone.replace('_', ' ')}"
