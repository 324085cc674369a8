"""What is kept about persons, as the services need it."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from mltrading.domain.access import Actor
from mltrading.services.ports.audit import AuditEvent, Origin

Kept = Literal["sessions", "links", "origins", "notices", "firings", "audit"]
KEPT: tuple[Kept, ...] = get_args(Kept)
"""What is let go in time: sessions that are over, links that set a password, addresses and browsers
of the audit trail, what alerts told traders, and the trail itself."""


class Confirmation(Protocol):
    def confirm(self, actor: Actor, password: str, origin: Origin) -> None:
        """Raises where the password is not the actor's own (or was tried too often)."""


class PrivacyStore(Protocol):
    def find(self, email: str) -> str | None:
        """The id of the account (`Actor.id`) of an address in lower case."""

    def personal(self, user_id: str) -> dict[str, object] | None:
        """All that is kept about a user, ready for JSON; no hash or secret, nothing of others.
        None where there is no such account."""

    def erase(self, user_id: str, event: AuditEvent) -> bool:
        """Remove the account with its sessions and links, and the addresses that the audit trail
        kept of it, and note that it was erased; `event` is recorded in the same transaction. False
        where there is no such account. LastAdministrator where it must stay."""

    def note_erased(self, user_ids: list[str]) -> None:
        """Note that these were erased: a backup that was put back does not know it."""

    def risen(self) -> list[str]:
        """The accounts that are there although they were erased."""

    def refusal(self, kept: Kept) -> str | None:
        """Why rows of that kind can not be let go here; None: they can."""

    def count(self, kept: Kept, days: int) -> int:
        """How many rows are kept for longer than that many days."""

    def let_go(self, kept: Kept, days: int, rows: int, actor: str) -> int:
        """Remove up to `rows` of those, the oldest of the audit trail first; how many. It is
        recorded in the same transaction, as done by `actor`, unless there was none."""
