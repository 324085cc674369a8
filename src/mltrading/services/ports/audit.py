"""The audit trail as the services need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

AuditOutcome = Literal["done", "refused", "failed"]
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
