"""What the tests of the market service ask: real sessions, real rollups, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import MINUTE, Bars, Times
from mltrading.domain.calendar import Calendars
from mltrading.domain.view import ChartView, CompareView
from mltrading.services.market import Chart, Comparison, Market
from mltrading.services.ports.audit import Unlogged
from mltrading.services.reading import MarketReader
from mltrading.utils.clock import microseconds
from tests.factories import moment
from tests.memory import MemoryMarket, bars_at, walk

NOW = datetime(2024, 7, 5, 15, 0, tzinfo=UTC)  # a Friday, New York 11:00, in session


@dataclass(frozen=True)
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


def sessions(start: str, end: str, calendar: str = "XNYS") -> Times:
    """Labels of the sessions of start <= label < end."""
    found = Calendars().get(calendar, microseconds(NOW))
    assert found is not None
    return found.between(moment(start), moment(end))


def minutes(start: str, end: str) -> Times:
    """Every minute that New York was open on those sessions."""
    found = Calendars().get("XNYS", microseconds(NOW))
    assert found is not None
    first, stop = np.searchsorted(found.sessions, [moment(start), moment(end)])
    spans = zip(found.opens[first:stop], found.closes[first:stop], strict=True)
    return np.concatenate([np.arange(opens, closes, MINUTE) for opens, closes in spans])


def daily(start: str, end: str, seed: int = 1, calendar: str = "XNYS") -> Bars:
    ts = sessions(start, end, calendar)
    return bars_at(ts, walk(len(ts), seed))


def minutely(start: str, end: str, seed: int = 2) -> Bars:
    ts = minutes(start, end)
    return bars_at(ts, walk(len(ts), seed, spread=0.0005))


def reader(stored: MemoryMarket, now: datetime = NOW) -> MarketReader:
    return MarketReader(stored, stored, Calendars(), FixedClock(now))


def service(stored: MemoryMarket, now: datetime = NOW) -> Market:
    return Market(reader(stored, now), Unlogged())


def chart(stored: MemoryMarket, query: str) -> Chart:
    view, problems = ChartView.parse(query)
    assert not problems
    return service(stored).chart(DEVELOPER, view)


def comparison(stored: MemoryMarket, query: str) -> Comparison:
    view, problems = CompareView.parse(query)
    assert not problems
    return service(stored).compare(DEVELOPER, view)
