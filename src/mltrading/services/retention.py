"""Lets go what was kept for long enough, some rows in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from mltrading.domain.access import WORKER, Actor
from mltrading.errors import LastAdministrator
from mltrading.services.ports.audit import AuditEvent
from mltrading.services.ports.privacy import KEPT, Kept, PrivacyStore
from mltrading.utils.message import Outcome

BATCH_ROWS = 1000  # in one transaction
JOB_BATCHES = 500  # in one attempt of the worker, which has to end before its claim does
HOUR_UTC = 3
ERASED = "accounts"
"""Accounts that were erased and are there again, after a backup was put back."""


class Retention(Protocol):
    """For how many days what is kept; 0: for ever."""

    @property
    def sessions_days(self) -> int: ...

    @property
    def origins_days(self) -> int: ...

    @property
    def audit_days(self) -> int: ...

    @property
    def notices_days(self) -> int: ...


@dataclass(slots=True)
class Retained:
    """What was let go (or, of a dry run, would be), in rows by kind; what was not, and why.
    `complete` False: there is more."""

    gone: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    complete: bool = True

    def __str__(self) -> str:
        some = [f"{count:,} {kind}" for kind, count in self.gone.items() if count]
        left = [f"{kind} skipped: {reason}" for kind, reason in self.skipped.items()]
        return "; ".join([", ".join(some) or "nothing was kept for too long", *left])


class Retainer:
    """Applies the rule. Running it again, or twice at once, does no harm."""

    def __init__(self, store: PrivacyStore, retention: Retention) -> None:
        self._store = store
        # A link that sets a password is worth as little as a session after its end.
        self._days: Mapping[Kept, int] = {
            "sessions": retention.sessions_days,
            "links": retention.sessions_days,
            "origins": retention.origins_days,
            "audit": retention.audit_days,
            "notices": retention.notices_days,
            "firings": retention.notices_days,
        }

    def run(
        self,
        actor: Actor,
        *,
        dry_run: bool = False,
        batches: int | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Retained:
        """Let go everything that is due, in at most so many `batches`."""
        outcome = self.erase_again(actor, dry_run=dry_run)
        for kept in KEPT:
            days = self._days[kept]
            if not days:
                outcome.skipped[kept] = "kept for ever"
                continue
            refusal = self._store.refusal(kept)
            if refusal is None and not dry_run:
                progress(f"Letting go: {kept}")
                batches = self._let_go(actor, kept, batches, outcome)
                continue
            count = self._store.count(kept, days)
            if refusal is not None and count:
                outcome.skipped[kept] = refusal
            else:
                outcome.gone[kept] = count
        return outcome

    def _let_go(
        self, actor: Actor, kept: Kept, batches: int | None, outcome: Retained
    ) -> int | None:
        """How many batches are left."""
        outcome.gone[kept] = 0
        while batches is None or batches > 0:
            batches = None if batches is None else batches - 1
            gone = self._store.let_go(kept, self._days[kept], BATCH_ROWS, actor.id)
            outcome.gone[kept] += gone
            if gone < BATCH_ROWS:
                return batches
        outcome.complete = False
        return batches

    def erase_again(self, actor: Actor, *, dry_run: bool = False) -> Retained:
        """Erasures hold for backups too: what one of before brought back goes again."""
        outcome, risen = Retained(), self._store.risen()
        outcome.gone[ERASED] = len(risen) if dry_run else 0
        for user_id in [] if dry_run else risen:
            event = AuditEvent("user.erase", actor.id, target=user_id, details={"again": "yes"})
            try:
                outcome.gone[ERASED] += self._store.erase(user_id, event)
            except LastAdministrator as error:
                outcome.skipped[ERASED] = f"{user_id} has to go again, but {error}"
        return outcome


class RetentionJob:
    """The job (services.jobs) that does so each day, at an hour of UTC when few look on."""

    name = "retention"
    targets: Sequence[str] = ("database",)

    def __init__(self, retainer: Retainer) -> None:
        self._retainer = retainer

    def due(self, now: datetime) -> datetime | None:
        """The newest such hour: what was missed is caught up with."""
        moment = now.replace(hour=HOUR_UTC, minute=0, second=0, microsecond=0)
        return moment if now >= moment else moment - timedelta(days=1)

    def perform(self, target: str, due_at: datetime) -> Outcome:
        outcome = self._retainer.run(WORKER, batches=JOB_BATCHES)
        return Outcome("delivered" if outcome.complete else "retry", str(outcome), 1.0)
