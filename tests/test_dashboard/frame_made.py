"""A dashboard over services that answer from memory, for tests of the frame and the Overview."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dash import Dash

from mltrading.dashboard import create_dashboard
from mltrading.dashboard.guard.web import Web
from mltrading.domain.access import Actor
from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.calendar import Calendars
from mltrading.domain.view import OverviewQuery
from mltrading.errors import DatabaseUnavailable
from mltrading.services import Services
from mltrading.services.market import GroupCount, Overview, OverviewRow
from mltrading.services.ports.audit import AuditEvent
from mltrading.services.ports.limits import RateLimiter, Taken
from tests.callback_client import CallbackClient
from tests.factories import make_symbol

NOON = datetime(2024, 7, 3, 16, 0, tzinfo=UTC)  # New York noon, the day before a holiday
EVIL_NAME = "<img src=x onerror=alert(1)>"
EVIL_CODE = "'; DROP TABLE"


@dataclass(frozen=True)
class FixedClock:
    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment


@dataclass(frozen=True)
class Features:
    advanced_charts: bool = True
    comparison_mode: bool = True
    test_mode: bool = True


def make_row(code: str, **changes: Any) -> OverviewRow:
    """A row with a value everywhere."""
    row = OverviewRow(
        symbol=make_symbol(code),
        sector="Energy",
        industry="Oil & Gas",
        newest_ts=1_719_878_400_000_000,
        interval=Interval.D1,
        session=1_719_878_400_000_000,
        close=1234.5,
        change_1d=0.0123,
        change_1w=-0.02,
        change_1mo=0.0,
        change_1y=0.5,
        volume=52_100_000.0,
        position_52w=0.62,
        spark=(1.0, 2.0, 1.5),
        stale=False,
        stale_sessions=0,
        stale_text="",
    )
    return replace(row, **changes)


def make_group(name: str = "Energy", up: int = 1, down: int = 0) -> GroupCount:
    return GroupCount(name, up + down, up, down, 0, 0, math.nan)


def make_overview(*rows: OverviewRow, **changes: Any) -> Overview:
    groups = [make_group()] if rows else []
    overview = Overview(OverviewQuery(), list(rows), len(rows), 1, len(rows), 0, groups, groups, [])
    return replace(overview, **changes)


@dataclass
class Market:
    """Answers what it was told, remembers what it was asked; `down` is a lost database."""

    answer: Overview = field(default_factory=make_overview)
    symbols: list[Symbol] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    down: bool = False
    broken: Exception | None = None

    def _check(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.down:
            raise DatabaseUnavailable("the database does not answer")
        if self.broken:
            raise self.broken

    def find(self, actor: Actor, text: str, limit: int = 20) -> list[Symbol]:
        self._check("find", text, limit)
        return [s for s in self.symbols if text.lower() in f"{s.code} {s.name}".lower()][:limit]

    def overview(self, actor: Actor, query: OverviewQuery) -> Overview:
        self._check("overview", query)
        return replace(self.answer, query=replace(query, page=self.answer.query.page))


class NoLimit:
    """Refuses nothing."""

    def take(self, key: str, times: int, seconds: int) -> Taken:
        return Taken(True, 0.0, False)


class Trail:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


def make_dashboard(
    market: object,
    comparison: bool = True,
    web: Web = Web(),
    identity: object = None,
    limiter: RateLimiter | None = None,
    trail: Trail | None = None,
    advanced: bool = True,
) -> Dash:
    """A dashboard over `market`, ready to be asked over HTTP."""
    services: Any = Services(
        market=market,  # type: ignore[arg-type]
        exports=None,  # type: ignore[arg-type]  # pages link to it and ask it nothing
        health=None,  # type: ignore[arg-type]  # no page asks for it
        identity=identity,  # type: ignore[arg-type]
        accounts=None,  # type: ignore[arg-type]
        audit=None,  # type: ignore[arg-type]
        privacy=None,  # type: ignore[arg-type]
        price_alerts=None,  # type: ignore[arg-type]
        vitals=None,  # type: ignore[arg-type]
        operations=None,  # type: ignore[arg-type]
        alert_desk=None,  # type: ignore[arg-type]
        features=Features(advanced_charts=advanced, comparison_mode=comparison),
        clock=FixedClock(),
        calendars=Calendars(),
        in_force=(),
    )
    app = create_dashboard(services, web, limiter or NoLimit(), trail or Trail())
    app._setup_server()
    return app


def make_client(
    market: object, comparison: bool = True, *, advanced: bool = True
) -> CallbackClient:
    """Fires the callbacks of a dashboard over `market`."""
    return CallbackClient(make_dashboard(market, comparison, advanced=advanced).server)
