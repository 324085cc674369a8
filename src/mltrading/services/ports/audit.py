"""The audit trail as the services need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from mltrading.domain.access import Actor

AuditOutcome = Literal["done", "refused", "failed"]
HowSeen = Literal["chart", "compare", "overview", "export"]
ANONYMOUS = "anonymous"


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


class AuditTrail(Protocol):
    def record(self, event: AuditEvent) -> None:
        """Append it, in a transaction of its own. What changes something appends in the
        transaction of the change instead."""


class ViewLog(Protocol):
    def viewed(self, actor: Actor, codes: Sequence[str], how: HowSeen) -> None:
        """Note that the actor is about to be shown data of these symbols ("overview" names the
        table of all that it may see). Asked for every view, so what was noted of the actor lately
        must cost next to nothing."""


class Unlogged:
    """The log of views of a program that keeps none."""

    def viewed(self, actor: Actor, codes: Sequence[str], how: HowSeen) -> None:
        """Nothing is kept."""
