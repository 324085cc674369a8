"""What traders' alerts need from outside, as Protocols. A trader is named by `Actor.id`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mltrading.domain.access import Scope
from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.price_alerts.brake import Brake, Told
from mltrading.domain.price_alerts.conditions import Condition
from mltrading.utils.message import Message


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be told, and how often."""

    interval: Interval
    condition: Condition
    brake: Brake = Brake()
    by_email: bool = False


@dataclass(frozen=True, slots=True)
class PriceAlert:
    """One alert of a trader. `seen`: the stamp of the newest bar that was judged; None: it begins
    with the newest there is. `email`: where the trader is reached, "" where nowhere."""

    id: int
    owner: str
    symbol: Symbol
    wish: Wish
    on: bool
    seen: int | None
    told: Told
    email: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert as its owner sees it. `visible`: the owner may see the symbol now; `session` is the
    label of its newest session (None: it has no bars); `firings` are those that are still kept."""

    alert: PriceAlert
    visible: bool
    session: int | None
    firings: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What a trader was told in the dashboard."""

    id: int
    symbol: str
    interval: str
    title: str
    text: str
    at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """The condition came true with the bar of that stamp, and it is told."""

    ts: int
    close: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """What follows of the bars up to `seen`. `message` is told in the dashboard, and by e-mail
    where `mailed`; None exactly where nothing fired."""

    seen: int
    told: Told
    firings: tuple[Firing, ...] = ()
    message: Message | None = None
    mailed: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """When alerts were judged, and how long ago by the database's clock."""

    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Due:
    """Alerts on one symbol at one interval that hold now. `version` changes with every write to
    bars of the symbol and with every change of the alerts."""

    code: str
    interval: Interval
    ids: tuple[int, ...]
    version: str


class PriceAlertStore(Protocol):
    """A trader's own alerts and notices: nobody else's are seen or changed by any of these."""

    def of(self, owner: str, scope: Scope) -> Sequence[Shown]:
        """By symbol and interval."""

    def add(self, owner: str, symbol_id: int, wish: Wish, seen: int | None, most: int) -> bool:
        """False where the owner has `most` already, or is unknown."""

    def change(
        self, owner: str, alert_id: int, symbol_id: int, wish: Wish, seen: int | None
    ) -> bool:
        """From now on it wants that, and nothing of it was told yet; False where there is no
        such alert of the owner."""

    def switch(self, owner: str, alert_id: int, on: bool, seen: int | None) -> bool: ...

    def remove(self, owner: str, alert_id: int) -> bool: ...

    def notices(self, owner: str, limit: int) -> Sequence[Notice]:
        """The newest first."""

    def unread(self, owner: str) -> int: ...

    def mark_read(self, owner: str, up_to: int) -> int:
        """All of those up to that id; how many were unread."""

    def looked(self) -> Looked | None:
        """The newest look of any worker, which notes one in 20 seconds; None: there was none."""


class PriceWatchStore(Protocol):
    """What the worker judges."""

    def due(self, developer: bool) -> Sequence[Due]:
        """Alerts that are on, whose owner may sign in and see the symbol; those of the
        developer where nobody signs in. All others begin anew when they hold again: what happened
        meanwhile is not told."""

    def judge(
        self, ids: Collection[int], developer: bool, decide: Callable[[PriceAlert], Ruling | None]
    ) -> Sequence[tuple[PriceAlert, Ruling]]:
        """What `decide` rules of each that still holds, kept together with what it tells in one
        transaction that nobody else judges them in; None: nothing to keep."""
