"""Traders' alerts over a real database: bars that arrive, a worker that looks, people who ask."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import numpy as np

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.price_alerts import PostgresPriceAlerts
from mltrading.adapters.postgres.price_watch import PostgresPriceWatch
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import DEVELOPER, Actor, Role
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.calendar import Calendars
from mltrading.domain.price_alerts.brake import Brake
from mltrading.domain.price_alerts.conditions import parse_condition
from mltrading.services.ports.price_alerts import Wish
from mltrading.services.price_alerts import PriceAlerts
from mltrading.services.price_watch import Fired, PriceWatch
from mltrading.services.price_words import Words
from mltrading.services.reading import MarketReader
from mltrading.utils.clock import microseconds
from tests.factories import SOURCE, make_sessions, make_symbol_details
from tests.identities import People, SetClock

CALENDARS = Calendars()


def wish(text: str = "close above 100", **more: object) -> Wish:
    """A wish for daily bars without a pause."""
    known: dict[str, object] = {"interval": Interval.D1, "brake": Brake(0, 50)}
    return Wish(condition=parse_condition(text), **(known | more))  # type: ignore[arg-type]


def daily(*closes: float, start: str = "2026-05-04") -> Bars:
    """Daily bars from a Monday on, with these closes."""
    bars = make_sessions(len(closes), start)
    values = np.array(closes, float)
    return replace(bars, open=values, high=values, low=values, close=values, adj_close=values)


def actor(name: str, role: Role) -> Actor:
    return Actor(name, role.permissions, f"{name}@example.com", role)


@dataclass
class Desk:
    """One database with its people; it is noon of 1 June 2026 until the clock is moved."""

    database: Database
    mails: bool = True
    developer: bool = True
    clock: SetClock = field(default_factory=SetClock)

    def __post_init__(self) -> None:
        self.people = People(self.database)
        self._ids = itertools.count(1)
        self.reader = MarketReader(
            PostgresSymbols(self.database), PostgresBars(self.database), CALENDARS, self.clock
        )
        self.store = PostgresPriceAlerts(self.database)
        self.alerts = PriceAlerts(self.store, self.reader, CALENDARS, self.clock, self.mails)
        self.watch = self.new_watch()

    def new_watch(self) -> PriceWatch:
        """A worker that just started."""
        return PriceWatch(
            PostgresPriceWatch(self.database),
            self.reader,
            Words("https://desk.example", lambda: f"m{next(self._ids)}"),
            self.clock,
            developer=self.developer,
            mails=lambda: self.mails,
        )

    def arrive(
        self, bars: Bars, code: str = "AAPL", interval: Interval = Interval.D1, **about: str | bool
    ) -> None:
        """Bars are imported."""
        with PostgresBarWriter(self.database).transaction() as writer:
            writer.write(make_symbol_details(code, **about), interval, bars, SOURCE)

    def look(self) -> list[Fired]:
        """What fires when the worker looks once."""
        return list(self.watch.look())

    def user(self, name: str, role: Role = Role.ANALYST) -> Actor:
        self.people.add(name, role.value)
        return actor(name, role)

    def share(self, code: str = "AAPL") -> None:
        self.people.run(
            "INSERT INTO shared_symbols (symbol_id) SELECT id FROM symbols WHERE code = %s",
            (code,),
        )

    def fired(self) -> list[str]:
        """The dates of the bars that were told, of all alerts."""
        found = self.people.run(
            "SELECT to_char(bar_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM price_alert_firings"
            " ORDER BY bar_ts, alert_id"
        )
        return [str(row[0]) for row in found]

    def mailed(self) -> list[tuple[str, str]]:
        """Address and title of each message that waits."""
        return [
            (str(to), str(title))
            for to, title in self.people.run("SELECT target, title FROM alert_outbox ORDER BY seq")
        ]

    def texts(self, who: Actor = DEVELOPER) -> list[str]:
        return [one.text for one in self.alerts.notices(who)]

    def now(self) -> int:
        return microseconds(self.clock.now())
