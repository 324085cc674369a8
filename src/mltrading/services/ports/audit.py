"""The audit trail as the services need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar, get_args

from mltrading.domain.access import Actor

Result = TypeVar("Result")

AuditOutcome = Literal["done", "refused", "failed"]
HowSeen = Literal["chart", "compare", "overview", "export"]
OUTCOMES: tuple[AuditOutcome, ...] = get_args(AuditOutcome)
ANONYMOUS = "anonymous"
PRUNED = "audit.prune"
"""The action of the row that tells that the oldest part was given up."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the client's IP address and what its browser says it is. Kept
    apart from the trail, for less long."""

    address: str = ""
    browser: str = ""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One thing that happened. `actor` is `Actor.id`; `action` a dotted name ("session.begin");
    neither `target` nor `details` holds a secret, an e-mail address or free text of a person."""

    action: str
    actor: str = ANONYMOUS
    outcome: AuditOutcome = "done"
    target: str = ""
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origin: Origin = Origin()


@dataclass(frozen=True, slots=True)
class TrailHead:
    """A place in the trail: a row's number and hash (hexadecimal). The last row's stands for all
    before it: whoever keeps it elsewhere notices when they are changed or cut off. 0 and "": before
    the first row."""

    seq: int = 0
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class TrailRow:
    """A row as it is hashed; `at` is UTC, as in 2026-03-02T12:00:00.000000Z, and `details` the JSON
    text."""

    seq: int
    at: str
    actor: str
    action: str
    outcome: str
    target: str
    details: str
    hash: str


@dataclass(frozen=True, slots=True)
class TrailState:
    """What the database says of the trail as a whole: after which row it begins (its oldest part
    was given up), and its newest row."""

    start: TrailHead = TrailHead()
    head: TrailHead = TrailHead()

    @property
    def events(self) -> int:
        return self.head.seq - self.start.seq


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row as it is shown. `actor_email` and `target_email` are "" where the name is nobody's
    (any more); so is `origin` where it was not known or is not kept any more."""

    seq: int
    at: datetime
    actor: str
    action: str
    outcome: str
    target: str
    details: Mapping[str, str]
    origin: Origin
    actor_email: str = ""
    target_email: str = ""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which rows: `text` occurs in action, target, details or a name; `action` is the whole name,
    or its beginning up to a dot; `actor` a name or an e-mail address; `since` <= at < `until`. ""
    and None do not restrict. `page` counts from 1."""

    text: str = ""
    action: str = ""
    actor: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    page: int = 1


class AuditTrail(Protocol):
    def record(self, event: AuditEvent) -> None:
        """Append it, in a transaction of its own. What changes something appends in the
        transaction of the change instead."""

    def record_all(self, events: Sequence[AuditEvent]) -> None:
        """Append them in their order, in one transaction of their own."""


class ViewLog(Protocol):
    def viewed(self, actor: Actor, codes: Sequence[str], how: HowSeen) -> None:
        """Note that the actor is about to be shown data of these symbols ("overview" names the
        table of all that it may see). Asked for every view, so what was noted of the actor lately
        must cost next to nothing."""


class Unlogged:
    """The log of views of a program that keeps none."""

    def viewed(self, actor: Actor, codes: Sequence[str], how: HowSeen) -> None:
        """Nothing is kept."""


class AuditStore(AuditTrail, Protocol):
    def find(
        self, query: AuditQuery, limit: int, *, offset: int = 0, below: int | None = None
    ) -> list[AuditEntry]:
        """Up to `limit` rows, newest first, after `offset` of them; with `below` only those before
        that row. `query.page` counts for nothing."""

    def judged(self, judge: Callable[[TrailState, Iterator[TrailRow]], Result]) -> Result:
        """What `judge` makes of the trail at one moment: its state, and all rows by number, read
        as they are asked for. It may be called twice."""
