"""What a trader may ask and do about alerts of the own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from mltrading.domain.access import DEVELOPER, Actor, Permission
from mltrading.domain.bars import DAY, Interval, Symbol
from mltrading.domain.calendar import Calendar, Calendars
from mltrading.domain.price_alerts.closing import days
from mltrading.domain.price_alerts.foresight import Foreseen, foresee
from mltrading.domain.price_alerts.judging import needed
from mltrading.domain.trust import staleness
from mltrading.errors import Forbidden, InvalidAlert
from mltrading.services.charting import Quote, quote
from mltrading.services.ports.price_alerts import (
    Looked,
    Notice,
    PriceAlertStore,
    Shown,
    Wish,
)
from mltrading.services.price_bars import ClosedBars, closed_bars
from mltrading.services.reading import MarketReader
from mltrading.services.windows import Source, Window
from mltrading.utils.clock import Clock, microseconds
from mltrading.utils.monitoring import monitor_verbs

MOST_ALERTS = 50
"""Of one trader."""
MOST_NOTICES = 50  # shown
MOST_FORESEEN = 100_000
"""A preview looks at no more bars than these."""
MOST_COOLDOWN_SECONDS = 30 * 86_400
MOST_A_DAY = 50
WATCHED_SECONDS = 60.0
"""A worker looks each 5 seconds and notes one look in 20."""
YEAR = 365 * DAY


class Standing(Enum):
    ARMED = "armed"
    COOLING = "cooling down"
    CAPPED = "capped today"
    OFF = "off"
    NO_DATA = "no data"
    NOT_SHARED = "not shared"


@dataclass(frozen=True, slots=True)
class AlertState:
    """An alert and how it stands: `until` is the end of its cooldown, `age` how old its data is."""

    shown: Shown
    standing: Standing
    until: int | None = None
    age: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would have been told over the newest year of stored bars. `cut`: the year holds more
    bars than are looked at."""

    symbol: Symbol
    wish: Wish
    foreseen: Foreseen
    cut: bool


@monitor_verbs("price_alerts")
class PriceAlerts:
    """Every verb is about the actor's own. `mails`: whether this deployment sends e-mail."""

    def __init__(
        self,
        store: PriceAlertStore,
        reader: MarketReader,
        calendars: Calendars,
        clock: Clock,
        mails: bool,
    ) -> None:
        self._store = store
        self._reader = reader
        self._calendars = calendars
        self._clock = clock
        self._mails = mails

    def mails_to(self, actor: Actor) -> str:
        """Where the actor can be told by e-mail; "" where nowhere."""
        return actor.email if self._mails else ""

    def all(self, actor: Actor) -> Sequence[AlertState]:
        """The actor's alerts, by symbol."""
        return [self._state(one) for one in self._store.of(_owner(actor), actor.scope)]

    def find(self, actor: Actor, alert_id: int) -> Shown:
        """One of the actor's; InvalidAlert where there is none of that id."""
        for one in self._store.of(_owner(actor), actor.scope):
            if one.alert.id == alert_id:
                return one
        raise _gone()

    def add(self, actor: Actor, code: str, wish: Wish) -> Symbol:
        """A new alert, which tells of bars that close from now on. Raises UnknownSymbol for one the
        actor may not see, and InvalidAlert."""
        owner = _owner(actor)
        symbol, seen = self._checked(actor, code, wish)
        if not self._store.add(owner, symbol.id, wish, seen, MOST_ALERTS):
            raise InvalidAlert(f"you have {MOST_ALERTS} alerts, the most there may be: delete one")
        return symbol

    def change(self, actor: Actor, alert_id: int, code: str, wish: Wish) -> Symbol:
        """As `add`, in the place of an alert that is there."""
        owner = _owner(actor)
        symbol, seen = self._checked(actor, code, wish)
        if not self._store.change(owner, alert_id, symbol.id, wish, seen):
            raise _gone()
        return symbol

    def switch(self, actor: Actor, alert_id: int, on: bool) -> None:
        """Off, nothing is told, nor later of what happened meanwhile."""
        alert = self.find(actor, alert_id).alert
        seen = self._newest(actor, alert.symbol.code, alert.wish)[1] if on else None
        if not self._store.switch(_owner(actor), alert_id, on, seen):
            raise _gone()

    def remove(self, actor: Actor, alert_id: int) -> None:
        """What it told stays among the notices."""
        if not self._store.remove(_owner(actor), alert_id):
            raise _gone()

    def preview(self, actor: Actor, code: str, wish: Wish) -> Preview:
        """How often it would have told over the newest year of stored bars, and how the price moved
        afterwards. Raises UnknownSymbol as `add` does."""
        _owner(actor)
        _check(wish)

        def read(source: Source, calendar: Calendar | None, now: int) -> Preview:
            return _foresee(source, calendar, now, wish)

        return self._reader.of(actor.scope, code, read)

    def quote(self, actor: Actor, code: str) -> Quote | None:
        """The newest close of a symbol, which a level may be near to; None where it has none.
        Raises UnknownSymbol as `add` does."""
        _owner(actor)
        return self._reader.of(actor.scope, code, lambda source, *_: quote(source.known.newest))

    def notices(self, actor: Actor) -> Sequence[Notice]:
        """What the actor was told, the newest first; the newest 50."""
        return self._store.notices(_owner(actor), MOST_NOTICES)

    def unread(self, actor: Actor) -> int:
        return self._store.unread(_owner(actor))

    def mark_read(self, actor: Actor, up_to: int) -> int:
        """All notices up to that one; how many were not read before."""
        return self._store.mark_read(_owner(actor), up_to)

    def looked(self, actor: Actor) -> Looked | None:
        """When a worker judged alerts last; None: never."""
        _owner(actor)
        return self._store.looked()

    def _checked(self, actor: Actor, code: str, wish: Wish) -> tuple[Symbol, int | None]:
        _check(wish)
        if wish.by_email and not self.mails_to(actor):
            raise InvalidAlert("nothing can be sent to you by e-mail here; leave that box empty")
        return self._newest(actor, code, wish)

    def _newest(self, actor: Actor, code: str, wish: Wish) -> tuple[Symbol, int | None]:
        """The symbol, and the newest bar that is closed already."""

        def read(source: Source, calendar: Calendar | None, now: int) -> ClosedBars:
            _require_interval(source, wish.interval)
            return closed_bars(source, wish.interval, calendar, 2, now)

        closed = self._reader.of(actor.scope, code, read)
        return closed.symbol, closed.newest

    def _state(self, shown: Shown) -> AlertState:
        alert, now = shown.alert, microseconds(self._clock.now())
        if not shown.visible:
            return AlertState(shown, Standing.NOT_SHARED)
        if not alert.on:
            return AlertState(shown, Standing.OFF)
        if shown.session is None:
            return AlertState(shown, Standing.NO_DATA)
        until = alert.told.cools_until(alert.wish.brake, now)
        if until is not None:
            return AlertState(shown, Standing.COOLING, until=until)
        [today] = days(np.array([now]), alert.symbol.timezone or "UTC").tolist()
        if alert.told.capped(alert.wish.brake, today):
            return AlertState(shown, Standing.CAPPED)
        age = staleness(self._calendars.get(alert.symbol.calendar, now), shown.session, now)
        if age.stale:
            return AlertState(shown, Standing.NO_DATA, age=age.text)
        return AlertState(shown, Standing.ARMED)


def _owner(actor: Actor) -> str:
    """Under which name alerts are kept: a user's, or the developer's where nobody signs in."""
    actor.require(Permission.VIEW_SHARED_DATA)
    if actor.role is None and actor is not DEVELOPER:
        raise Forbidden("alerts belong to users; sign in as one")
    return actor.id


def _check(wish: Wish) -> None:
    brake = wish.brake
    if not 0 <= brake.cooldown_seconds <= MOST_COOLDOWN_SECONDS:
        raise InvalidAlert("the cooldown must be 0 to 30 days")
    if not 1 <= brake.daily_cap <= MOST_A_DAY:
        raise InvalidAlert(f"the most a day must be 1 to {MOST_A_DAY}")


def _require_interval(source: Source, interval: Interval) -> None:
    """InvalidAlert where the symbol has bars, but none of the interval: it would never fire."""
    known = source.available
    if known and interval not in known:
        names = ", ".join(one.value for one in known)
        raise InvalidAlert(
            f"{source.known.symbol.code} has no bars of {interval.value}; there are {names}"
        )


def _foresee(source: Source, calendar: Calendar | None, now: int, wish: Wish) -> Preview:
    _require_interval(source, wish.interval)
    interval, reach = wish.interval, needed(wish.condition, wish.interval)
    newest = closed_bars(source, interval, calendar, 2, now).newest
    start, cut, lead = 0, False, 0
    if newest is not None:
        start = newest - YEAR + 1
        window = Window(start, source.series(interval).last_ts + 1)
        count = source.count(interval, window, MOST_FORESEEN)
        cut, lead = count > MOST_FORESEEN, min(count, MOST_FORESEEN) + reach
    closed = closed_bars(source, interval, calendar, lead, now)
    first = int(np.searchsorted(closed.bars.ts, start)) if newest is not None else 0
    first = max(first, len(closed.bars) - MOST_FORESEEN)
    foreseen = foresee(
        wish.condition, wish.brake, closed.bars, closed.ends, interval, closed.timezone, first
    )
    return Preview(closed.symbol, wish, foreseen, cut)


def _gone() -> InvalidAlert:
    return InvalidAlert("there is no such alert of yours (any more); look at the list again")
