"""What the alert engine needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mltrading.domain.alerting.notices import Queued, Ruleset, Told
from mltrading.domain.alerting.silences import Silence
from mltrading.domain.alerting.states import Alert
from mltrading.domain.alerting.turns import Book, Changes, Event
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.message import Destination, Outcome


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this program alone may send for a while; `attempt` is 1, 2, ..."""

    queued: Queued
    attempt: int
    queued_at: datetime


class Outbox(Protocol):
    """Messages that are to be sent, in their order for each key and receiver."""

    def lease(
        self, kinds: Collection[str], busy: Collection[Destination], seconds: float
    ) -> Sequence[Leased]:
        """At most one message for each receiver of these kinds but the busy ones, that is due and
        nobody else is sending. What is older than a day is given up first, and so is the end of
        what never arrived. DatabaseUnavailable where it can not be asked."""

    def finish(self, leased: Leased, outcome: Outcome, pause_seconds: float) -> None:
        """What became of the attempt: sent or dead for good, or to be tried again after the pause.
        Nothing happens where a later attempt has begun since."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of the spool, with what became of it."""

    queued: Queued
    queued_at: datetime
    state: str = "waiting"  # or delivered, dead, dropped
    attempts: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Spooled:
    """What one machine knows while the database is away. `session` names the time since it was
    lost, "" while it is there; `alerts`, `told` and `silences` are a part of the Book."""

    session: str = ""
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    silences: tuple[Silence, ...] = ()
    messages: tuple[Kept, ...] = ()
    events: tuple[Event, ...] = ()


class Spool(Protocol):
    """A file of this machine, kept whole whatever ends the program."""

    def load(self) -> Spooled | None:
        """What is in it; None: nothing yet, or nothing that can be read."""

    def save(self, spooled: Spooled) -> bool:
        """Whether it is safely on the disk."""

    @property
    def ours(self) -> bool:
        """Whether no other program of this machine uses it."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """Of one receiver: messages that wait, the age of the oldest, how many were given up in a day,
    and what the newest of them met."""

    destination: Destination
    waiting: int
    oldest_seconds: float
    dead: int
    reason: str


class AlertStore(Protocol):
    """What all workers and pages share. Times are the database's. Raises DatabaseUnavailable for
    whatever keeps it from being read or written."""

    def lead(self, holder: str, seconds: float) -> datetime | None:
        """The present moment, where `holder` leads for the next `seconds`; None: another does."""

    def turn(self, holder: str, decide: Callable[[Book, datetime], Changes]) -> Changes | None:
        """What `decide` makes of the book, kept in the transaction that read it, messages too. It
        runs once. None: `holder` leads no more, and nothing was kept."""

    def adopt(self, spooled: Spooled) -> bool:
        """Take over what was sent and known while the database was away; whether it was new."""

    def book(self) -> tuple[Book, datetime]: ...

    def events(self, since: datetime, limit: int) -> Sequence[Event]:
        """Newest first."""

    def add_silence(
        self, silence: Callable[[str, datetime], Silence], event: Callable[[Silence], AuditEvent]
    ) -> Silence:
        """The silence that the function makes of a new id and the present moment, kept together
        with the audit event about it."""

    def end_silence(self, silence_id: str, event: AuditEvent) -> bool:
        """Whether it still lasted; it is over now, and the event is kept."""

    def queue(self) -> Sequence[QueueState]: ...

    def tidy(self) -> None:
        """Give up the history that is older than it is kept for."""


@dataclass(frozen=True, slots=True)
class AppState:
    """Whether the application says that it is healthy, and else what it, or the way to it, says."""

    healthy: bool
    said: str = ""


class AppProbe(Protocol):
    def check(self) -> AppState:
        """Ask it once; raises for no failure of it."""


class WebSigns(Protocol):
    def seen(self, seconds: float, until: datetime) -> bool:
        """Whether any process that serves pages handed over numbers in (until - seconds, until]."""


class Heartbeat(Protocol):
    def beat(self) -> Outcome:
        """Tell the outside that alerts are evaluated; raises for no failure of the receiver."""


class AlertConfig(Protocol):
    """alerting.yml as it is now."""

    def ruleset(self) -> Ruleset:
        """The last good one."""

    def problem(self) -> str:
        """What is wrong with the present file; "" where nothing is."""
